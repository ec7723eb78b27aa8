"""A venue whose time goes faster than the world's: a recording that anybody may read again, or a live market.

It trades futures with a break in the morning, whose snapshots have totals of the day, and instruments that never close,
whose trades come late now and then. What it has said is the truth that everything behind it is compared with.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from decimal import Decimal

from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import SourceBatch, SourceTraits
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.sessions import SessionChange
from tests.fakes.ticks import at
from tests.simulation.loop import Process, current_process
from tests.simulation.world import World

DAY = "20250303"
BEGIN = at("2025-03-03 10:00:00")
BREAK_FROM, BREAK_TO = at("2025-03-03 10:15:00"), at("2025-03-03 10:30:00")
RECORDED_TO = at("2025-03-03 10:47:00")
BEHIND_NS = 181 * 10**9  # so far time goes on behind the last tick: every minute has closed by then
ANNOUNCED = at("2025-03-03 10:20:00")
LATE_OPENING = SessionChange("dce", "m", DAY, at("2025-03-03 10:33:00"), at("2025-03-03 11:30:00"))
SPEED = 250.0
SOURCE = "tape"
FUTURES = (("shfe", "rb2505"), ("shfe", "cu2505"), ("dce", "m2505"))
ALWAYS_OPEN = (("binance", "BTCUSDT"), ("binance", "ETHUSDT"))
_S = 10**9
_LATE = 0.2  # of the trades of a recording
_LOOK_S, _AWAKE_S = 0.02, 0.1


class Tape:
    """Ticks in the order of their receipt, made as they are asked for."""

    def __init__(self, dice: random.Random, *, latest: int, opens: Mapping[str, int]) -> None:
        self._dice, self._latest, self._opens = dice, latest, opens
        self._totals: dict[str, tuple[int, int]] = {}
        self._price: dict[str, int] = {}

    def __iter__(self) -> Iterator[Tick]:
        due: list[tuple[int, str, str]] = []
        for venue, symbol in (*FUTURES, *ALWAYS_OPEN):
            heapq.heappush(due, (BEGIN + self._dice.randrange(20 * _S), venue, symbol))
        seq, was_late = 0, True
        while True:
            ts, venue, symbol = heapq.heappop(due)
            heapq.heappush(due, (self._next(ts, venue), venue, symbol))
            seq += 1
            if (venue, symbol) in FUTURES:
                yield self._snapshot(venue, symbol, seq, ts)
                was_late = False
            else:
                was_late = not was_late and seq > 60 and self._latest > 0 and self._dice.random() < _LATE
                late = self._dice.randrange(6 * _S, self._latest) if was_late else self._dice.randrange(_S // 2)
                yield self._trade(venue, symbol, seq, ts, ts - late)

    def _next(self, ts: int, venue: str) -> int:
        """When an instrument's next tick comes; of futures the last before the break comes with its beginning."""
        after = ts + self._dice.randrange(8 * _S, 30 * _S)
        if venue == ALWAYS_OPEN[0][0] or not BREAK_FROM <= after < BREAK_TO:
            return after
        if ts < BREAK_FROM:
            return BREAK_FROM + _S // 2
        return self._opens.get(venue, BREAK_TO) + self._dice.randrange(20 * _S)

    def _last(self, symbol: str) -> int:
        found = self._price[symbol] = self._price.get(symbol, 3_000) + self._dice.choice((-1, 0, 1, 2))
        return found

    def _snapshot(self, venue: str, symbol: str, seq: int, ts: int) -> Tick:
        last, lots = self._last(symbol), self._dice.randrange(1, 9)
        volume, money = self._totals.get(symbol, (100, 300_000))
        volume, money = self._totals[symbol] = volume + lots, money + lots * last
        numbers = {"volume": Decimal(volume), "turnover": Decimal(money), "open_interest": Decimal(1_000 + seq)}
        return Tick(venue, symbol, SOURCE, 0, 0, ts, ts, 0, seq, DAY, Decimal(last), **numbers)

    def _trade(self, venue: str, symbol: str, seq: int, ts_recv: int, ts_event: int) -> Tick:
        last, lots = self._last(symbol), self._dice.randrange(1, 9)
        numbers = {"traded": Decimal(lots), "traded_turnover": Decimal(lots * last)}
        return Tick(venue, symbol, SOURCE, 0, 0, ts_event, ts_recv, 0, seq, DAY, Decimal(last), **numbers)


class Venue:
    """`said` is what it has said so far, in order. An `exclusive` one lets in one gateway at a time. Trades come
    up to `late_s` late, and not in a live market: there nobody could say what of them is lost."""

    def __init__(self, world: World, *, live: bool, exclusive: bool, late_s: float) -> None:
        self._world = world
        self.live = live
        self.exclusive = exclusive
        self.said: list[Tick] = []
        self.away = False
        self.feeds: dict[Feed, None] = {}
        self._begun_s = world.loop.now_s
        # What the venue says of its hours is in a recording whoever reads it; who comes to a live market later asks.
        self.change: SessionChange | None = None if live or world.loop.dice.random() < 0.5 else LATE_OPENING
        self.opens = {} if self.change is None else {self.change.venue: self.change.ts_open}
        latest = 0 if live else int(late_s) * _S - 10 * _S
        self._tape = iter(Tape(random.Random(world.loop.dice.random()), latest=latest, opens=self.opens))
        self._ended = False
        if exclusive:
            world.later(_LOOK_S, self._count_logins)
        if live:
            self._say_next()
        else:
            for tick in self._tape:
                if tick.ts_recv > RECORDED_TO:
                    break
                self.said.append(tick)

    def changes(self, begin: int, end: int) -> list[tuple[int, SessionChange]]:
        """What it said of its sections before some of these ticks, as a batch of them has it."""
        if self.change is None:
            return []
        place = next(n for n, tick in enumerate(self.said) if tick.ts_recv >= ANNOUNCED)
        return [(place - begin, self.change)] if begin <= place < end else []

    def now_ts(self) -> int:
        """The venue's own time."""
        return BEGIN + int((self._world.loop.now_s - self._begun_s) * SPEED * 1e9)

    def end(self) -> None:
        """Nothing is traded any more."""
        self._ended = True

    def _say_next(self) -> None:
        tick = next(self._tape)
        due_s = self._begun_s + (tick.ts_recv - BEGIN) / 1e9 / SPEED

        def say() -> None:
            if self._ended:
                return
            self.said.append(tick)
            for feed in list(self.feeds):
                feed.hear(tick)
            self._say_next()

        self._world.later(due_s - self._world.loop.now_s, say)

    def _count_logins(self) -> None:
        """Nobody is let in while another is: one that stood still may have had no time yet to log out."""
        there = []
        for feed in self.feeds:
            process = feed.process
            if process is None or not process.alive or process.frozen:
                feed.awake_s = self._world.loop.now_s
            elif self._world.loop.now_s - feed.awake_s > _AWAKE_S * process.slowness:
                there.append(process.name)
        if len(there) > 1:
            self._world.violate(f"the venue counts {len(there)} logins: {', '.join(there)}")
            return
        self._world.later(_LOOK_S, self._count_logins)

    def lose(self) -> str:
        """Every connection ends, and none is made for a while."""
        self.away = True
        for feed in self.feeds:
            feed.lose()
        seconds = self._world.loop.dice.choice((0.05, 0.5, 2.0))

        def back() -> None:
            self.away = False

        self._world.later(seconds, back)
        return f"the venue, for {seconds:g} s"


class Feed:
    """What both are alike; `MarketSource` of one gateway."""

    traits = SourceTraits(named=True)
    source = SOURCE

    def __init__(self, venue: Venue, dice: random.Random) -> None:
        self._venue, self._dice = venue, dice
        self.process: Process | None = current_process()
        self.awake_s = 0.0  # when it was last known to stand still
        self._lost = False
        self._came = asyncio.Event()

    async def connect(self) -> None:
        """Raises SourceError while the venue is away."""
        await asyncio.sleep(self._dice.uniform(0, 0.02))
        if self._venue.away:
            raise SourceError("venue: away", retryable=True)
        self._lost = False
        self._venue.feeds[self] = None

    async def instruments(self) -> Sequence[InstrumentRecord]:
        return [
            InstrumentRecord(venue, symbol, SOURCE, 0, 0, BEGIN, BEGIN, 0, symbol.rstrip("0123456789"), kind)
            for kind, listed in (("future", FUTURES), ("spot", ALWAYS_OPEN))
            for venue, symbol in listed
        ]

    def lose(self) -> None:
        """The connection is gone."""
        self._lost = True
        self._came.set()

    def hear(self, tick: Tick) -> None:
        """The venue says something."""

    def _raise_if_lost(self) -> None:
        if self._lost:
            raise SourceError("venue: the connection is lost", retryable=True)

    async def close(self) -> None:
        self._venue.feeds.pop(self, None)
        self.lose()


class Recording(Feed):
    """Reads the tape from its beginning, each tick when it is due."""

    traits = SourceTraits(named=True, paced=True)

    def __init__(self, venue: Venue, dice: random.Random) -> None:
        super().__init__(venue, dice)
        self._known: Mapping[str, int] = {}

    def read_over(self, known: Mapping[str, int]) -> None:
        """Up to there nothing is waited for."""
        self._known = dict(known)

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        del after
        said, place, known = self._venue.said, 0, self._known.get(SOURCE, 0)
        while place < len(said):
            self._raise_if_lost()
            now, end = self._venue.now_ts(), min(len(said), place + self._dice.randrange(1, 40))
            begin = place
            while place < end and (said[place].ts_recv <= now or said[place].source_seq <= known):
                place += 1
            if place > begin:
                ticks, changes = said[begin:place], self._venue.changes(begin, place)
                yield SourceBatch(ticks, ticks[-1].ts_recv, {SOURCE: ticks[-1].source_seq}, changes=changes)
            else:
                await asyncio.sleep(self._dice.uniform(0.001, 0.05))
        yield SourceBatch([], said[-1].ts_recv + BEHIND_NS, {SOURCE: said[-1].source_seq}, finished=True)


class Live(Feed):
    """Hears what is said while it is connected, and nothing of before."""

    traits = SourceTraits(named=True, live=True)

    def __init__(self, venue: Venue, dice: random.Random) -> None:
        super().__init__(venue, dice)
        self._heard: list[Tick] = []
        self.live_since = 0
        self.last_data_s = 0.0
        self.skipped: dict[str, int] = {}
        self.dropped = self.deepest = 0

    async def connect(self) -> None:
        await super().connect()
        self._heard.clear()
        self.live_since = self._venue.now_ts()

    def hear(self, tick: Tick) -> None:
        if self.process is not None and not self.process.alive:
            self._venue.feeds.pop(self, None)
            return
        if not self._lost:
            self._heard.append(tick)
            self._came.set()

    async def subscribe(self, patterns: Sequence[str]) -> tuple[int, int]:
        return len(patterns), 0

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        del after
        position = 0
        while True:
            self._raise_if_lost()
            if not self._heard:
                self._came.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self._came.wait()
                except TimeoutError:
                    pass
                self._raise_if_lost()
            count = self._dice.randrange(1, 20)
            ticks, self._heard = self._heard[:count], self._heard[count:]
            position = ticks[-1].source_seq if ticks else position
            clock = ticks[-1].ts_recv if self._heard and ticks else self._venue.now_ts()
            yield SourceBatch(ticks, clock, {SOURCE: position} if position else {})


class Exclusive(Live):
    """As `Live`, of a venue that counts who is logged in."""

    traits = SourceTraits(named=True, live=True, exclusive=True)


def feed_of(venue: Venue, dice: random.Random) -> Feed:
    """The source of a gateway."""
    if not venue.live:
        return Recording(venue, dice)
    return (Exclusive if venue.exclusive else Live)(venue, dice)
