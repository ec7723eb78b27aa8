"""Streams of the simulated Binance that have a pace of their own: slower depth, the top of a book, klines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from marketprism_adapters.venues.binance.simulated_bars import Klines, intervals
from marketprism_adapters.venues.kit.simulated_bars import Cost
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedPair, SimulatedStep, SimulatedTrade

_DEPTH = re.compile(r"depth(5|10|20)?(?:@(\d+)ms)?")
_PACES_MS: Mapping[str, Mapping[str | None, int]] = {
    "spot": {None: 1_000, "1000": 1_000, "100": 100},
    "futures": {None: 250, "250": 250, "500": 500, "100": 100},
}
_EACH_STEP = "depth@100ms"
_KLINE_MS = {"spot": 2_000, "futures": 250}
_SECONDS_MS = 1_000
_MARK, _MARK_MS = "markPrice", 3_000
Event = tuple[str, dict[str, Any]]  # what comes behind the @ of its stream, and the data


class _Pace:
    """Due at whole multiples of `every_ms`."""

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._due_ms = 0

    def is_due(self, ts_ms: int) -> bool:
        if ts_ms < self._due_ms:
            return False
        self._due_ms = ts_ms - ts_ms % self._every_ms + self._every_ms
        return True


class _Joined:
    """Steps of a book since the last push, as one."""

    def __init__(self) -> None:
        self._first: SimulatedStep | None = None
        self._sides: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def take(self, made: SimulatedStep) -> None:
        self._first = self._first or made
        for side, levels in zip(self._sides, (made.bids, made.asks), strict=True):
            side.update(levels)

    def done(self, made: SimulatedStep) -> SimulatedStep:
        """Up to that step."""
        first = self._first or made
        bids, asks = (list(side.items()) for side in self._sides)
        self._first, self._sides = None, ({}, {})
        return SimulatedStep(first.first_id, made.last_id, first.prev_id, made.ts_ms, bids, asks)


class PacedStreams:
    """Those of one instrument that anybody has asked for."""

    def __init__(self, market: str, pair: SimulatedPair, turnover: Cost) -> None:
        self._market = market
        self._form = "spot" if market == "spot" else "futures"
        self._pair = pair
        self._turnover = turnover
        self._depths: dict[str, tuple[_Pace, _Joined, int]] = {}
        self._klines: dict[str, tuple[_Pace, Klines]] = {}
        self._marks: _Pace | None = None
        self.raw_trades = False

    def watch(self, suffix: str, book: SimulatedBook, ts_ms: int) -> None:
        """Somebody asks for `<symbol>@<suffix>`; one that there is not comes to nothing, as at Binance."""
        depth = _DEPTH.fullmatch(suffix)
        interval = suffix.removeprefix("kline_")
        if suffix == "trade":
            self.raw_trades = True
        elif suffix == _MARK:
            self._marks = self._marks or _Pace(_MARK_MS)
        elif depth is not None and suffix != _EACH_STEP and suffix not in self._depths:
            every_ms = _PACES_MS[self._form].get(depth[2])
            if every_ms is not None:
                self._depths[suffix] = _Pace(every_ms), _Joined(), int(depth[1] or 0)
        elif interval != suffix and interval in intervals(self._market) and suffix not in self._klines:
            pace = _Pace(_SECONDS_MS if interval == "1s" else _KLINE_MS[self._form])
            price = book.best()[0][0]
            self._klines[suffix] = pace, Klines(interval, ts_ms, price, list(book.prints), self._turnover)

    def on_trade(self, made: SimulatedTrade) -> None:
        """A trade goes into every bar."""
        for _, klines in self._klines.values():
            klines.take(made)

    def marks(self, ts_ms: int) -> bool:
        """Whether the mark price is due that comes every three seconds."""
        return self._marks is not None and self._marks.is_due(ts_ms)

    def depths(self, book: SimulatedBook, made: SimulatedStep) -> Iterator[Event]:
        """What is due after that step."""
        for suffix, (pace, joined, levels) in self._depths.items():
            joined.take(made)
            if pace.is_due(made.ts_ms):
                change = joined.done(made)
                yield suffix, self._top(book, change, levels) if levels else self.update(change)

    def update(self, made: SimulatedStep) -> dict[str, Any]:
        """The `depthUpdate` of one step; futures have more fields than spot."""
        of_futures = self._form == "futures"
        return {
            "e": "depthUpdate",
            "E": made.ts_ms,
            **({"T": made.ts_ms} if of_futures else {}),
            "s": self._pair.native,
            "U": made.first_id,
            "u": made.last_id,
            **({"pu": made.prev_id} if of_futures else {}),
            "b": made.bids,
            "a": made.asks,
        }

    def _top(self, book: SimulatedBook, change: SimulatedStep, levels: int) -> dict[str, Any]:
        """The best levels: by themselves on spot, in the form of an update on futures."""
        last_id, _, bids, asks = book.snapshot(levels)
        if self._form == "spot":
            return {"lastUpdateId": last_id, "bids": bids, "asks": asks}
        return self.update(change._replace(bids=bids, asks=asks))

    def klines(self, ts_ms: int) -> Iterator[Event]:
        """Bars that have closed, and those that run when they are due."""
        for suffix, (pace, klines) in self._klines.items():
            for closed in klines.closed(self._pair.native, ts_ms):
                yield suffix, closed
            if pace.is_due(ts_ms):
                yield suffix, klines.running(self._pair.native, ts_ms)
