"""What validator and aggregator are alike: a stage over market streams, which are made, looked after and told of."""

from __future__ import annotations

import asyncio

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.service_settings import layout_of
from marketprism_adapters.nats.stream_keeper import keep_streams
from marketprism_domain.events.registry import DisasterRecoveryActivated
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import ServiceSettings, ShardedService
from marketprism_sdk.streams import InputCut, StageSettings
from marketprism_services.stages.input_losses import InputLosses

_EVENTS_S = 0.5


class MarketStageService(ShardedService):
    """A sharded service over the market streams. `losses` of its input are told as events, and degrade its health."""

    def __init__(
        self,
        name: str,
        connection: NatsConnection,
        stage: StageSettings,
        *,
        shards_bucket: str,
        latest_bucket: str,
        lease: LeaseSettings | None,
        version: str,
        settings: ServiceSettings | None,
    ) -> None:
        self._layout = layout_of(settings or ServiceSettings())
        super().__init__(
            name,
            connection,
            stage,
            partitions=self._layout.streams.partitions,
            shards_bucket=shards_bucket,
            latest_bucket=latest_bucket,
            lease=lease,
            version=version,
            settings=settings,
        )
        self.events_out = EventPublisher(connection, name, self.metrics)
        self.losses = InputLosses(name, stage.input_stream, self.metrics)
        self._replaced: set[str] = set()  # members that are gone and whose partitions were taken over here

    async def on_start(self) -> None:
        """Streams, then the stage."""
        await streams.ensure_streams(self.connection, self._layout)
        await super().on_start()
        writes = (self.stage_settings.output_stream, streams.EVENTS)
        reads = (self.stage_settings.input_stream,)
        keep_streams(self, self._layout, writes=writes, reads=reads, buckets=self.buckets())
        self.spawn(self._publish_events(), "events")

    def on_cut(self, partition: int, cut: InputCut) -> None:
        """Noted, and told where it is a loss."""
        self.losses.cut(partition, cut)

    def on_replaced(self, partition: int, member: str) -> None:  # noqa: ARG002 (one event a member is enough)
        """A partition of a member that is gone is worked on here: told once for each member."""
        if member not in self._replaced:
            self._replaced.add(member)
            self.losses.events.append(DisasterRecoveryActivated(self.name, f"{member} is gone"))

    def take_events(self) -> list[object]:
        """Events since the last call. A subclass that overrides this adds its own."""
        events, self.losses.events = self.losses.events, []
        return events

    async def input_health(self) -> str:
        """Degraded for a while after a loss."""
        return await self.losses.health()

    async def _publish_events(self) -> None:
        while True:
            await asyncio.sleep(_EVENTS_S)
            events = self.take_events()
            if events:
                await self.events_out.publish_soon(events)

    async def on_stop(self) -> None:
        """Publish the events that are left, and wait until they are out."""
        await super().on_stop()
        await self.events_out.publish_soon(self.take_events())
        await self.events_out.close()


__all__ = ["MarketStageService"]
