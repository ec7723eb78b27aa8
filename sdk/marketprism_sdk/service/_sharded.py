"""A service that runs an exactly-once stage over the partitions it owns."""

from __future__ import annotations

import asyncio
from typing import Any

from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.partitions import ShardClaimed, ShardDisagreed, Shards
from marketprism_sdk.service._service import Service
from marketprism_sdk.service._service_settings import ServiceSettings
from marketprism_sdk.streams import InputCut, Processor, Stage, StageSettings

log = get_logger(__name__)

_OWNERS_ANSWER_S = 2.0
_LEAVE_S = 4.0  # half of the time to end: what is not given back by then is missed by the peers within a lease

_LATEST_S = 0.5
_COMPARE_S = 0.5
_DISAGREE_S = 5.0  # of record, ownership and work: far longer than any hand-over


class ShardedService(Service):
    """Several instances share `partitions` partitions; each partition is worked on by one at a time.

    Fill `processor`, and `on_cut` and `input_health` where losses of the input matter. The streams of the stage must be
    there before `on_start` is called. Who owns what is in the KV bucket `shards_bucket`; `latest` values are written to
    the KV bucket `latest_bucket` a few times a second, only the last of each key, and expire after `latest_age_s`.
    """

    def __init__(
        self,
        name: str,
        connection: NatsConnection,
        stage: StageSettings,
        *,
        partitions: int,
        shards_bucket: str,
        latest_bucket: str,
        latest_age_s: float = 3_600.0,
        lease: LeaseSettings | None = None,
        version: str = "0",
        instance: str | None = None,
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__(name, connection, version=version, instance=instance, settings=settings)
        self.stage_settings = stage
        self._partitions = partitions
        self._shards_bucket = shards_bucket
        self._latest_bucket = latest_bucket
        self._latest_age_s = latest_age_s
        self._lease = lease or LeaseSettings()
        self.latest: dict[str, bytes] = {}
        self._apart_since: dict[int, float] = {}
        self.stage: Stage
        self._shards: Shards

    # -- for subclasses --------------------------------------------------------------------------------------------

    def processor(self, partition: int, epoch: int) -> Processor:
        """State machine of a partition. A subclass must fill this."""
        raise NotImplementedError(f"{type(self).__name__}: expected a processor of partition {partition}, was none")

    def on_cut(self, partition: int, cut: InputCut) -> None:
        """The stage goes on behind a cut of its input."""

    def on_replaced(self, partition: int, member: str) -> None:
        """A partition was taken over from a member that is gone and did not give it back."""

    def on_traced(self, partition: int, age_s: float) -> None:  # noqa: ARG002 (for subclasses)
        """A sampled message of a partition was processed, `age_s` seconds after it came from its source.

        A subclass that overrides this calls it.
        """
        self.metrics.observe("traced_age_seconds", age_s)

    def on_written(self, seconds: float) -> None:
        """Outputs were written to NATS, so long after the first of them was made."""

    async def input_health(self) -> str:
        """healthy, degraded or unhealthy: of an input that can be read and is there."""
        return "healthy"

    def buckets(self) -> dict[str, float | None]:
        """What the service writes beside its stream, and the age of the entries, seconds."""
        return {self._shards_bucket: None, self._latest_bucket: self._latest_age_s}

    def status(self) -> dict[str, Any]:
        """Partitions of this instance as plain values, for `/status`."""
        return {
            "partitions": sorted(self._shards.owned),
            "working": sorted(self.stage.parts),
            "apart": {str(p): why for p, why in sorted(self._shards.disagreements().items())},
            "positions": {n: p.in_seq for n, p in self.stage.parts.items()},
            "refused": dict(self.stage.input.refused),
            "input_away": self.stage.input.away,
        }

    # -- running ---------------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Buckets, stage, membership. A subclass that overrides this calls it."""
        replicas = self.settings.replicas
        self._latest_kv = await NatsKeyValue.open(
            self.connection, self._latest_bucket, ttl_s=self._latest_age_s, replicas=replicas
        )
        self.stage = Stage(
            self.connection,
            self.stage_settings,
            self.processor,
            self.instance,
            on_lost=self._lost,
            on_commit=self._committed,
            on_traced=self.on_traced,
            on_cut=self.on_cut,
            on_written=self.on_written,
        )
        # Heartbeats and probes have a connection of their own: a busy stage must not delay them.
        self._own_connection = await self.connection.another(f"{self.name}-sessions")
        # What a server that is gone does not answer holds up every partition: then it is asked again.
        owners = await NatsKeyValue.open(
            self._own_connection, self._shards_bucket, replicas=replicas, answer_s=_OWNERS_ANSWER_S
        )
        self._shards = Shards(
            owners,
            self.instance,
            count=self._partitions,
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
        self.http.check("partitions", self._partitions_health)
        self.spawn(self.stage.run(), "stage")
        self.spawn(self._shards.run(), "shards")
        self.spawn(self._write_latest(), "latest")
        self.spawn(self._compare(), "partitions")

    async def _input_health(self) -> str:
        for partition, reason in self.stage.input.refused.items():
            return f"unhealthy: partition {partition}: {reason}"
        if self.stage.input.away:
            return f"unhealthy: {self.stage.input.away}"
        return await self.input_health()

    async def _compare(self) -> None:
        """Say in the registry what is truly worked on, and know since when that is not what the records say."""
        announced: list[int] | None = None
        loop = asyncio.get_running_loop()
        while True:
            now, apart = loop.time(), self._shards.disagreements()
            self._apart_since = {p: self._apart_since.get(p, now) for p in apart}
            working = sorted(self.stage.parts)
            if working != announced and self.registration is not None:
                await self.registration.update(metadata={"partitions": working})
                announced = working
            await asyncio.sleep(_COMPARE_S)

    async def _partitions_health(self) -> str:
        now = asyncio.get_running_loop().time()
        lasting = sorted(p for p, since in self._apart_since.items() if now - since > _DISAGREE_S)
        if not lasting:
            return "healthy"
        named = ", ".join(str(partition) for partition in lasting)
        return f"unhealthy: records and work differ for {_DISAGREE_S:g} s and longer, partitions {named}"

    def _working(self) -> frozenset[int]:
        return frozenset(self.stage.parts)

    def _moved(self, event: object) -> None:
        if isinstance(event, ShardDisagreed):
            self.metrics.count("partition_disagreements_total", reason=event.reason)
            return
        self.metrics.count("partition_moves_total", change=type(event).__name__)
        if isinstance(event, ShardClaimed) and event.replaced:
            self.on_replaced(event.partition, event.replaced)

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
            await self.write_values(self._latest_kv, self.latest)

    async def write_values(self, bucket: NatsKeyValue, values: dict[str, bytes]) -> None:
        """Write and forget; what cannot be written now stays, and is written with its next value or the next turn."""
        for key in list(values):
            value = values.pop(key, None)
            if value is None:  # who drains writes the last ones beside those of the turn
                continue
            try:
                await bucket.put(key, value)
            except SdkError as error:
                values.setdefault(key, value)
                log.debug("latest_value.not_written", key=key, error=str(error))
                return

    async def on_drain(self) -> None:
        """Give the partitions back in order while the stage still commits, then write the last values.

        A subclass that overrides this calls it.
        """
        self.stage.leave()
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self._shards.leave()
                await self.write_values(self._latest_kv, self.latest)
        except (SdkError, TimeoutError) as error:
            log.warning("membership.not_ended", error=reason_of(error), detail="peers will notice")

    async def on_stop(self) -> None:
        """Close the connection of the sessions. A subclass that overrides this calls it."""
        await self._own_connection.close()


__all__ = ["ShardedService"]
