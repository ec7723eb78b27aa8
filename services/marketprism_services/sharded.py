"""A service that runs an exactly-once stage over the partitions it owns."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.stream_keeper import keep_streams
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.partitions import ShardDisagreed, Shards
from marketprism_sdk.service import Service, ServiceSettings
from marketprism_sdk.streams import Processor, Stage, StageSettings
from marketprism_services.losses import Losses
from marketprism_services.settings.service_settings import layout_of

log = structlog.get_logger()

_LATEST_S = 0.25
_LATEST_AGE_S = 3_600.0
_COMPARE_S = 0.5
_DISAGREE_S = 5.0  # of record, ownership and work: far longer than any hand-over
_LOSSES_S = 0.5


class ShardedService(Service):
    """Several instances share the partitions; each partition is worked on by one at a time.

    `latest` values are written to a KV bucket a few times a second, only the last of each key.
    """

    def __init__(
        self,
        name: str,
        connection: NatsConnection,
        *,
        shards_bucket: str,
        latest_bucket: str,
        lease: LeaseSettings | None,
        version: str,
        settings: ServiceSettings | None,
    ) -> None:
        super().__init__(name, connection, version=version, settings=settings)
        self._shards_bucket = shards_bucket
        self._latest_bucket = latest_bucket
        self._lease = lease or LeaseSettings()
        self.latest: dict[str, bytes] = {}
        self._apart_since: dict[int, float] = {}
        self.events_out = EventPublisher(connection, name)
        self.losses = Losses(name, self.stage_settings().input_stream, self.metrics)
        self.stage: Stage
        self._shards: Shards

    def stage_settings(self) -> StageSettings:
        """What the stage reads and writes."""
        raise NotImplementedError

    def processor(self, partition: int, epoch: int) -> Processor:
        """State machine of a partition."""
        raise NotImplementedError

    def buckets(self) -> dict[str, float | None]:
        """What the service writes beside its stream, and the age of the entries, seconds."""
        return {self._shards_bucket: None, self._latest_bucket: _LATEST_AGE_S}

    async def on_start(self) -> None:
        """Streams, buckets, stage, membership."""
        replicas, layout = self.settings.replicas, layout_of(self.settings)
        await streams.ensure_streams(self.connection, layout)
        self._latest_kv = await NatsKeyValue.open(
            self.connection, self._latest_bucket, ttl_s=_LATEST_AGE_S, replicas=replicas
        )
        self.stage = Stage(
            self.connection,
            self.stage_settings(),
            self.processor,
            self.instance,
            on_lost=self._lost,
            on_commit=self._committed,
            on_traced=lambda age_s: self.metrics.observe("traced_age_seconds", age_s),
            on_cut=self.losses.cut,
        )
        # Heartbeats and probes have a connection of their own: a busy stage must not delay them.
        self._own_connection = await NatsConnection.open(self.connection.url, name=f"{self.name}-sessions")
        owners = await NatsKeyValue.open(self._own_connection, self._shards_bucket, replicas=replicas)
        self._shards = Shards(
            owners,
            self.instance,
            count=layout.partitions,
            on_own=self.stage.own,
            on_lose=self.stage.disown,
            working=self._working,
            settings=self._lease,
            prober=NatsProber(self._own_connection, self._shards_bucket, self.instance),
            on_event=self._moved,
        )
        self.metrics.watch("partitions_owned", lambda: float(len(self._shards.owned)))
        self.metrics.watch("partitions_worked_on", lambda: float(len(self.stage.parts)))
        self.metrics.watch("partitions_apart", lambda: float(len(self._shards.disagreements())))
        self.metrics.watch("stage_poisoned", lambda: float(sum(p.poisoned for p in self.stage.parts.values())))
        self.metrics.watch("stage_refused", lambda: float(len(self.stage.input.refused)))
        self.http.check("input", self._input_health)
        self.http.status(self.status)
        own = self.stage_settings()
        writes, reads = (own.output_stream, streams.EVENTS), (own.input_stream,)
        keep_streams(self, writes=writes, reads=reads, buckets=self.buckets())
        self.http.check("partitions", self._partitions_health)
        self.spawn(self.stage.run(), "stage")
        self.spawn(self._shards.run(), "shards")
        self.spawn(self._write_latest(), "latest")
        self.spawn(self._compare(), "partitions")
        self.spawn(self._tell_losses(), "losses")

    def status(self) -> dict[str, Any]:
        """What `/status` shows."""
        return {
            "partitions": sorted(self._shards.owned),
            "working": sorted(self.stage.parts),
            "apart": {str(p): why for p, why in sorted(self._shards.disagreements().items())},
            "positions": {n: p.in_seq for n, p in self.stage.parts.items()},
            "refused": dict(self.stage.input.refused),
            "input_away": self.stage.input.away,
        }

    async def _input_health(self) -> str:
        for partition, reason in self.stage.input.refused.items():
            return f"unhealthy: partition {partition}: {reason}"
        if self.stage.input.away:
            return f"unhealthy: {self.stage.input.away}"
        return await self.losses.health()

    async def _tell_losses(self) -> None:
        while True:
            await asyncio.sleep(_LOSSES_S)
            events, self.losses.events = self.losses.events, []
            if events:
                await self.events_out.publish_soon(events)

    async def _compare(self) -> None:
        """Say in the registry what is truly worked on, and know since when that is not what the records say."""
        said: list[int] | None = None
        loop = asyncio.get_running_loop()
        while True:
            now, apart = loop.time(), self._shards.disagreements()
            self._apart_since = {p: self._apart_since.get(p, now) for p in apart}
            working = sorted(self.stage.parts)
            if working != said and self.registration is not None:
                await self.registration.update(metadata={"partitions": working})
                said = working
            await asyncio.sleep(_COMPARE_S)

    async def _partitions_health(self) -> str:
        since = min(self._apart_since.values(), default=float("inf"))
        return "unhealthy" if asyncio.get_running_loop().time() - since > _DISAGREE_S else "healthy"

    def _working(self) -> frozenset[int]:
        return frozenset(self.stage.parts)

    def _moved(self, event: object) -> None:
        if isinstance(event, ShardDisagreed):
            self.metrics.count("partition_disagreements_total", reason=event.reason)
            return
        self.metrics.count("partition_moves_total", what=type(event).__name__)

    def _lost(self, partition: int) -> None:
        self._shards.lost(partition)

    def _committed(self, partitions: int, messages: int, seconds: float) -> None:
        self.metrics.count("stage_commits_total")
        self.metrics.count("stage_messages_total", messages)
        self.metrics.observe("stage_commit_seconds", seconds)
        self.metrics.gauge("stage_partitions", partitions)

    async def _write_latest(self) -> None:
        while True:
            await asyncio.sleep(_LATEST_S)
            await self._flush(self._latest_kv, self.latest)

    async def _flush(self, bucket: NatsKeyValue, values: dict[str, bytes]) -> None:
        """Write and forget; what cannot be written now is written with its next value or the next turn."""
        for key in list(values):
            value = values.pop(key)
            try:
                await bucket.put(key, value)
            except SdkError as error:
                values.setdefault(key, value)
                log.debug("latest value not written", key=key, error=str(error))
                return

    async def on_stop(self) -> None:
        """Give the partitions back in order."""
        try:
            await self._shards.leave()
            await self._flush(self._latest_kv, self.latest)
        except SdkError as error:
            log.warning("membership not ended in order, peers will notice", error=str(error))
        await self._own_connection.close()
        await self.events_out.close()

    async def _stop(self) -> None:
        # The stage must still run while partitions are committed and handed over.
        await self.on_stop()
        self.on_stop = _nothing  # type: ignore[method-assign]
        await super()._stop()


async def _nothing() -> None:
    return None
