"""Stored records once more, on subjects of their own: the way to run a strategy against yesterday."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR, GAP, TICK, VENUE_KINDS, DataKind
from marketprism_application.contracts.replays import ReplayPosition, encode_position, position_subject
from marketprism_application.contracts.subjects import subject_of
from marketprism_application.replay.pace import Pacer
from marketprism_client import MarketClient
from marketprism_domain.marketdata.gap import Gap
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.replay.listeners import Listeners

_FLUSH_EVERY = 500
_POSITION_EVERY_S = 0.5
_ALIVE_S = 1.0  # between positions when nothing is sent, in a night or while the store is asked
_LONGEST_REASON = 200
# In the order of the venue's time, and without an interval: what can be merged record by record. Gaps when noticed.
_IN_STORED_ORDER = (TICK, *(kind for kind in VENUE_KINDS if not kind.has_interval))
_WHEN_NOTICED = (GAP,)
REPLAYED = (*_IN_STORED_ORDER[:1], *_WHEN_NOTICED, *_IN_STORED_ORDER[1:])


@dataclass(frozen=True, slots=True)
class Replay:
    """What is sent again. `speed` None is as fast as it goes; times in nanoseconds, half open.

    `kinds` are those of `REPLAYED`; `bars` the intervals of those that are sent as well, each when it closes.

    Raises:
        ValueError: a kind that cannot be sent again; nothing is asked for at all.
    """

    symbols: Sequence[str]
    ts_from: int | None
    ts_to: int | None
    speed: float | None
    prefix: str
    kinds: Sequence[str] = (TICK.name,)
    bars: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.symbols:
            raise ValueError("symbol: expected at least one, was none")
        known = [kind.name for kind in REPLAYED]
        for name in self.kinds:
            if name not in known:
                raise ValueError(f"kinds: expected some of {', '.join(known)}, was {name!r}")
        if not self.kinds and not self.bars:
            raise ValueError("kinds: expected at least one, or intervals of bars, was none")


class _Record(NamedTuple):
    """A record and when it is due: `rank` decides between those of one instant."""

    ts: int
    rank: int
    kind: DataKind
    record: object


async def replay(
    market: MarketClient,
    connection: NatsConnection,
    wanted: Replay,
    on_record: Callable[[ReplayPosition], None] = lambda _: None,
) -> ReplayPosition:
    """Publish the records of all symbols merged by event time, with their original times; returns where it ended.

    Where it is goes out as well (`contracts.replays`), also while nothing is sent, and at the end, whatever ends it,
    that it is over: who listens with a client stops there. It waits for listeners that answer to its positions
    (`listeners`).

    Raises:
        QueryFailed: the store could not answer. NotConnected.
    """
    subject = position_subject(wanted.prefix)
    progress = _Progress(wanted)
    reason = "interrupted"
    listeners = await Listeners.open(connection)
    alive: asyncio.Task[None] | None = None
    try:
        await connection.publish(subject, encode_position(progress.position()), reply=listeners.subject)
        alive = asyncio.create_task(_show_life(connection, subject, progress, listeners), name="replay-alive")
        pacer = Pacer(wanted.speed)
        async for ts, _, kind, record in _merged(_sources(market, wanted)):
            wait_s = pacer.wait_s(ts)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await connection.publish(f"{wanted.prefix}.{subject_of(kind, record)}", encode(kind, record))
            if progress.sent(kind, ts):
                position = progress.position()
                await connection.publish(subject, encode_position(position), reply=listeners.subject)
                await connection.flush()  # a replay that is as fast as it goes must not outrun the server
                on_record(position)
                await listeners.keep_up(sum(position.sent.values()))
        reason = ""
    except Exception as error:
        reason = reason_of(error)[:_LONGEST_REASON]
        raise
    finally:
        if alive is not None:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)
        await listeners.close()
        await _end(connection, subject, progress.position(ended=True, reason=reason))
    on_record(progress.position())
    return progress.position(ended=True)


async def _show_life(connection: NatsConnection, subject: str, progress: _Progress, listeners: Listeners) -> None:
    """Publish the position again and again, until cancelled: a replay that is killed cannot say so."""
    while True:
        await asyncio.sleep(_ALIVE_S)
        # What is in the way of the records is so for this one; whoever sends them raises it.
        with contextlib.suppress(SdkError):
            await connection.publish(subject, encode_position(progress.position()), reply=listeners.subject)


async def _end(connection: NatsConnection, subject: str, position: ReplayPosition) -> None:
    """Say that it is over. Where the connection is gone nobody can be told; the error that ended it is raised then."""
    try:
        await connection.publish(subject, encode_position(position))
        await connection.flush()
    except SdkError:
        if not position.reason:
            raise


class _Progress:
    """How many were sent, up to when, and whether it is time to say so."""

    def __init__(self, wanted: Replay) -> None:
        self._symbols = tuple(wanted.symbols)
        self._sent: Counter[str] = Counter()
        self._ts: int | None = None
        self._since = 0
        self._published_at = time.monotonic()

    def sent(self, kind: DataKind, ts: int) -> bool:
        """Count a record; True where its place is to be published."""
        self._sent[kind.name] += 1
        self._ts = ts
        self._since += 1
        now = time.monotonic()
        if self._since < _FLUSH_EVERY and now - self._published_at < _POSITION_EVERY_S:
            return False
        self._since, self._published_at = 0, now
        return True

    def position(self, *, ended: bool = False, reason: str = "") -> ReplayPosition:
        """Where it is now."""
        alive_s = 0.0 if ended else _ALIVE_S
        sent = dict(self._sent)
        return ReplayPosition(
            symbols=self._symbols, ts=self._ts, sent=sent, ended=ended, reason=reason, alive_s=alive_s
        )


def _sources(market: MarketClient, wanted: Replay) -> list[AsyncIterator[_Record]]:
    """One for each symbol and interval, and for each symbol and kind. A bar that closes at an instant comes before the
    tick of that instant, which is not in it; so does a gap that is noticed then."""
    bars = [_bars(market, symbol, interval, wanted) for symbol in wanted.symbols for interval in wanted.bars]
    noticed = [kind for kind in _WHEN_NOTICED if kind.name in wanted.kinds]
    gaps = [_gaps(market, symbol, kind, wanted) for symbol in wanted.symbols for kind in noticed]
    kinds = [kind for kind in _IN_STORED_ORDER if kind.name in wanted.kinds]
    return bars + gaps + [_records(market, symbol, kind, wanted) for symbol in wanted.symbols for kind in kinds]


async def _records(market: MarketClient, symbol: str, kind: DataKind, wanted: Replay) -> AsyncIterator[_Record]:
    async for page in market.history.pages(kind.name, symbol, wanted.ts_from, wanted.ts_to):
        for record in page:
            yield _Record(record.ts_event, 1, kind, record)


async def _gaps(market: MarketClient, symbol: str, kind: DataKind, wanted: Replay) -> AsyncIterator[_Record]:
    """Gaps when they were noticed; the ledger has them in the order in which they begin."""
    found: list[Gap] = []
    async for page in market.history.pages(kind.name, symbol, wanted.ts_from, wanted.ts_to):
        found += page
    for gap in sorted(found, key=lambda each: (each.ts_event, each.ts_from)):
        if wanted.ts_to is None or gap.ts_event < wanted.ts_to:
            yield _Record(gap.ts_event, 0, kind, gap)


async def _bars(market: MarketClient, symbol: str, interval: str, wanted: Replay) -> AsyncIterator[_Record]:
    """Bars when they close; those that close behind the end are not known by then."""
    async for page in market.history.pages(BAR.name, symbol, wanted.ts_from, wanted.ts_to, interval=interval):
        for bar in page:
            if wanted.ts_to is None or bar.ts_close <= wanted.ts_to:
                yield _Record(bar.ts_close, 0, BAR, bar)


async def _merged(sources: Sequence[AsyncIterator[_Record]]) -> AsyncIterator[_Record]:
    """By time, rank, then in the order of the sources; one record of each is held."""
    waiting: list[tuple[int, int, int, _Record]] = []
    for number, source in enumerate(sources):
        async for first in source:
            waiting.append((first.ts, first.rank, number, first))
            break
    heapq.heapify(waiting)
    while waiting:
        *_, number, record = heapq.heappop(waiting)
        yield record
        async for following in sources[number]:
            heapq.heappush(waiting, (following.ts, following.rank, number, following))
            break
