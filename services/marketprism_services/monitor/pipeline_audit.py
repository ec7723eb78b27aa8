"""Looks of the reconciliation: what the streams hold, what the stages have taken, what lies in the tables.

Cheap at any number of instruments: the server counts, by partition and by stream; messages are read only where a count
does not fit, to say which instruments it is about.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import structlog

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.pipeline_probe import STAGES, PipelineProbe, Progress, instruments_of
from marketprism_adapters.remote.tally import RemoteTally
from marketprism_application.contracts.codec import ContractError
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.monitoring.reconciliation import Compared, Counted, Problem, Reconciler, StageSeen
from marketprism_application.ports.storage import TickKey
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import count_from, leader_next, next_of
from marketprism_sdk.nats.jetstream import leader_info

log = structlog.get_logger()

COUNT_EVERY_S = 10.0
_PACKED, _PUBLISHED = "market.packed.*", "market.tick.*"
_LOOKED_THROUGH = 2_000  # packed messages of one range, when something is missing in it
_ASKED_AT_ONCE = 2_000  # ticks of one question
_SURE, _PAUSE_S = 3, 0.3  # counts that do not fit are made again: replicas that answer may be late
_FIRST_LOOK_S = 5.0


class PipelineAudit:
    """One onlooker. `look` reads and judges; every `COUNT_EVERY_S` the counts of all that moved are compared too.

    The table is compared beside the looks: a store that is away or busy makes nobody blind. `close` ends that.
    """

    def __init__(
        self,
        probe: PipelineProbe,
        tally: RemoteTally | None,
        reconciler: Reconciler | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe = probe
        self._tally = tally
        self._reconciler = reconciler or Reconciler()
        self._clock = clock
        self._counted_at = float("-inf")
        self._comparing: asyncio.Task[None] | None = None
        self.progress = Progress()
        self.verified = 0  # ticks that were published and are in the table, or were set aside, as far as compared

    @property
    def _connection(self) -> NatsConnection:
        return self._probe.connection

    async def look(self, *, wait: bool = True) -> list[Problem]:
        """What is wrong now; without `wait` what the table lacks is told by a later look. Raises SdkError: NATS does
        not answer."""
        progress = self.progress = await self._probe.read()
        now = self._clock()
        if now - self._counted_at >= COUNT_EVERY_S:
            self._counted_at = now
            for stage in STAGES:
                await self._count_stage([seen for seen in progress.stages if seen.stage == stage])
            await self._compare(self._tally, progress)
        if wait and self._comparing is not None:
            await asyncio.wait([self._comparing])
        return self._reconciler.look(progress.stages, progress.stores, self._clock())

    async def _compare(self, tally: RemoteTally | None, progress: Progress) -> None:
        """Begin to hold the table against its stream, unless that goes on already."""
        if self._comparing is not None:
            if not self._comparing.done():
                return
            await self._comparing  # what nobody expected of it is raised here
        if tally is not None:
            self._comparing = asyncio.create_task(self._count_ticks(tally, progress), name="table compared")

    async def close(self) -> None:
        """Cancel a comparison that is running, and wait for its end."""
        if self._comparing is not None:
            self._comparing.cancel()
            await asyncio.gather(self._comparing, return_exceptions=True)

    async def _count_stage(self, partitions: list[StageSeen]) -> None:
        moved = [(seen, base) for seen in partitions if (base := self._reconciler.base_of(seen)) is not None]
        moved = [(seen, base) for seen, base in moved if base != seen.done]
        if not moved:
            return
        stream = STAGES[moved[0][0].stage][0]
        first = int((await leader_info(self._connection, stream, _FIRST_LOOK_S))["state"]["first_seq"])
        await asyncio.gather(*(self._count_partition(seen, base, first) for seen, base in moved))

    async def _count_partition(self, seen: StageSeen, base: int, first: int) -> None:
        stream, prefix, _ = STAGES[seen.stage]
        subject = f"{prefix}{seen.partition}"
        messages = await self._between(stream, subject, base, seen.done)
        for _ in range(_SURE - 1):
            if not self._reconciler.too_many(seen, messages):
                break
            await asyncio.sleep(_PAUSE_S)
            messages = min(messages, await self._between(stream, subject, base, seen.done))
        held = await next_of(self._connection, stream, subject, base + 1) if messages else None
        names = () if held is None else instruments_of(held)
        self._reconciler.counted(seen, Counted(base, seen.done, messages, first), names, self._clock())

    async def _between(self, stream: str, subject: str, base: int, done: int) -> int:
        """Messages behind `base` up to `done`. What comes meanwhile makes it less, as the server answers in order."""
        behind_base, behind_done = await asyncio.gather(
            count_from(self._connection, stream, subject, base + 1),
            count_from(self._connection, stream, subject, done + 1),
        )
        return max(0, behind_base - behind_done)

    async def _count_ticks(self, tally: RemoteTally, progress: Progress) -> None:
        try:
            await self._compare_ticks(tally, progress)
        except SdkError as error:
            log.warning("table.not_compared", error=reason_of(error))

    async def _compare_ticks(self, tally: RemoteTally, progress: Progress) -> None:
        info = await leader_info(self._connection, streams.TICKS, _FIRST_LOOK_S)
        first = int(info["state"]["first_seq"])
        watermark = next(seen.watermark for seen in progress.stores if seen.stream == streams.TICKS)
        base = self._reconciler.stored_base(first, watermark)
        if watermark <= base:
            return
        published, there = await asyncio.gather(
            self._between(streams.TICKS, _PUBLISHED, base, watermark), tally.of(TICK.name, base + 1, watermark)
        )
        missing: Counter[str] = Counter()
        looked_to = watermark
        if there.rows + there.dead < published:
            looked_to, missing = await self._missing(tally, base, watermark)
        if not missing and looked_to == watermark:
            self.verified += published
        compared = Compared(base, looked_to, missing)
        self._reconciler.compared(streams.TICKS, compared, self._clock())

    async def _missing(self, tally: RemoteTally, base: int, watermark: int) -> tuple[int, Counter[str]]:
        """Which ticks of a range have no row, by instrument; and up to where the range was looked through."""
        at, missing = base, Counter[str]()
        places: dict[TickKey, int] = {}
        for _ in range(_LOOKED_THROUGH):
            held = await next_of(self._connection, streams.TICKS, _PACKED, at + 1)
            if held is None:
                # A replica that lags has none either: what the leader has is looked at the next time.
                further = await leader_next(self._connection, streams.TICKS, _PACKED, at + 1)
                at = watermark if further is None or further > watermark else at
                break
            if held.seq > watermark:
                at = watermark
                break
            at = held.seq
            try:
                ticks = decode_packed(held.data).ticks
            except ContractError as error:
                log.warning("packed_message.malformed", seq=held.seq, error=str(error))
                continue
            places.update((TickKey(tick.venue, tick.symbol, tick.ts_event, tick.seq), at) for tick in ticks)
            if len(places) >= _ASKED_AT_ONCE:
                missing += await _absent(tally, places)
                places = {}
        return at, missing + await _absent(tally, places)


async def _absent(tally: RemoteTally, places: dict[TickKey, int]) -> Counter[str]:
    """Ticks without a row that were not set aside, by instrument; each with the place of its message."""
    found = Counter[str]()
    if not places:
        return found
    absent = await tally.absent(list(places))
    by_place: dict[int, list[TickKey]] = {}
    for key in absent:
        by_place.setdefault(places[key], []).append(key)
    aside = (await tally.of(TICK.name, min(by_place), max(by_place))).dead if by_place else 0
    for place, keys in by_place.items():
        dead = (await tally.of(TICK.name, place, place)).dead if aside else 0
        if len(keys) > dead:
            found.update(f"{key.venue}.{key.symbol}" for key in keys)
    return found


async def problems_now(
    probe: PipelineProbe, tally: RemoteTally | None, pause_s: float = 2.0
) -> tuple[list[Problem], Progress]:
    """What two looks find, `pause_s` apart: for who asks once and has no memory. Raises SdkError."""
    audit = PipelineAudit(probe, tally, Reconciler(still_s=pause_s * 0.9))
    found = await audit.look()
    waiting = [seen.waiting for seen in audit.progress.stages] + [seen.waiting for seen in audit.progress.stores]
    beyond = any(seen.done > seen.end > 0 for seen in audit.progress.stages)
    beyond |= any(seen.watermark > seen.end > 0 for seen in audit.progress.stores)
    if beyond or any(wait.messages for wait in waiting):
        await asyncio.sleep(pause_s)
        found = await audit.look()
    return found, audit.progress


__all__ = ["COUNT_EVERY_S", "PipelineAudit", "problems_now"]
