"""One simulated instrument through one trading day."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal

from marketprism_adapters.synthetic.plan import SimulatedInstrument
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.values import NANOS_PER_SECOND, BookLevel

_LIMIT = Decimal("0.08")


class SimulatedDay:
    """Random walk on the price grid with an auction, volume, turnover, open interest and five levels a side."""

    def __init__(self, instrument: SimulatedInstrument, settlement: Decimal, seed: str, source: str) -> None:
        self._it = instrument
        self._random = random.Random(seed)
        self._source = source
        self._settlement = settlement
        grid = instrument.price_tick
        self.limit_up = settlement + (settlement * _LIMIT // grid) * grid
        self.limit_down = settlement - (settlement * _LIMIT // grid) * grid
        self.last = settlement + grid * self._random.randint(-5, 5)
        self._open: Decimal | None = None
        self._high = self._low = self.last
        self._volume = 0
        self._turnover = Decimal(0)
        self._interest = 100_000

    def ticks(self, sessions: tuple[Session, ...], rate: float) -> Iterator[Tick]:
        """Snapshots of the day, in time order; `source_seq` is 0 and set by the venue."""
        step = int(NANOS_PER_SECOND / rate)
        for session in sessions:
            if session.ts_auction < session.ts_open:
                self._trade(self._random.randint(50, 500))
                yield self._tick(session.ts_open - 60 * NANOS_PER_SECOND, session.trading_day)
            for ts in range(session.ts_open, session.ts_close, step):
                if self._random.random() < 0.25:
                    continue
                if self._random.random() < 0.6:
                    self._move()
                    self._trade(self._random.randint(1, 40))
                yield self._tick(ts, session.trading_day)

    def _move(self) -> None:
        moved = self.last + self._it.price_tick * self._random.choice((-1, 0, 0, 1))
        self.last = min(self.limit_up, max(self.limit_down, moved))

    def _trade(self, lots: int) -> None:
        self._open = self._open or self.last
        self._high = self.last if self._volume == 0 else max(self._high, self.last)
        self._low = self.last if self._volume == 0 else min(self._low, self.last)
        self._volume += lots
        self._turnover += self.last * lots * self._it.multiplier
        self._interest += self._random.randint(-lots, lots)

    def _tick(self, ts: int, trading_day: str) -> Tick:
        grid = self._it.price_tick
        bids = tuple(BookLevel(self.last - grid * n, Decimal(self._random.randint(1, 200))) for n in range(1, 6))
        asks = tuple(BookLevel(self.last + grid * n, Decimal(self._random.randint(1, 200))) for n in range(1, 6))
        return Tick(
            self._it.venue,
            self._it.symbol,
            self._source,
            0,
            0,
            ts,
            ts,
            0,
            0,
            trading_day,
            self.last,
            Decimal(self._volume),
            self._turnover,
            Decimal(self._interest),
            self._open,
            self._high,
            self._low,
            pre_settlement=self._settlement,
            pre_close=self._settlement,
            limit_up=self.limit_up,
            limit_down=self.limit_down,
            bids=bids,
            asks=asks,
        )
