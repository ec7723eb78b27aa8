"""The past of a simulated instrument: rows of any time, which are the same whenever they are asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_market import SimulatedPair, SimulatedTrade, Text

_MASK = (1 << 64) - 1
_WEEK_MS, _FIRST_MONDAY_MS = 604_800_000, 345_600_000
LISTED_MS = 1_704_067_200_000  # 2024-01-01


class PastBar(NamedTuple):
    """One bar; what takers bought is the half of it."""

    opened_ms: int
    ends_ms: int
    open: Text
    high: Text
    low: Text
    close: Text
    volume: Text
    turnover: Text
    trades: int
    bought: Text


@dataclass
class SimulatedPast:
    """One instrument from `listed_ms` on. The venue has no bars that open in one of `holes`, (from, before) in
    milliseconds. Trades have numbers from 1 on, one every `trade_every_ms`."""

    pair: SimulatedPair
    listed_ms: int = LISTED_MS
    holes: Sequence[tuple[int, int]] = ()
    trade_every_ms: int = 20_000
    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)

    def bars(self, step_ms: int, first_ms: int, last_ms: int, most: int | None = None) -> list[PastBar]:
        """Those that open from `first_ms` to `last_ms`, the running one included, oldest first, `most` at most."""
        offset = _FIRST_MONDAY_MS if step_ms == _WEEK_MS else 0
        first_ms = max(first_ms, self.listed_ms - step_ms + 1)
        begin = first_ms + (offset - first_ms) % step_ms
        end = min(last_ms, self.now_ms())
        there = (
            opened
            for opened in range(begin, end + 1, step_ms)
            if not any(first <= opened < before for first, before in self.holes)
        )
        return [self._bar(opened, step_ms) for opened in islice(there, most)]

    def _bar(self, opened_ms: int, step_ms: int) -> PastBar:
        noise = _mix(opened_ms ^ step_ms)
        first, last = self._level(opened_ms), self._level(opened_ms + step_ms)
        high, low = max(first, last) + noise % 40, min(first, last) - (noise >> 8) % 40
        volume, trades = (noise >> 16) % 90_000 + 1, (noise >> 40) % 500 + 1
        scale = 10**self.pair.decimals
        return PastBar(
            opened_ms,
            opened_ms + step_ms,
            self._price(first),
            self._price(high),
            self._price(low),
            self._price(last),
            _fixed(volume * 2, 3),
            _fixed(volume * 2 * (first + last) // 2 // scale, 3),
            trades,
            _fixed(volume, 3),
        )

    def _level(self, at_ms: int) -> int:
        return self.pair.start + _mix(at_ms) % 2_000

    def _price(self, steps: int) -> Text:
        return _fixed(steps, self.pair.decimals)

    def newest_id(self) -> int:
        """The number of the newest trade."""
        return max(0, (self.now_ms() - self.listed_ms) // self.trade_every_ms)

    def trade(self, number: int) -> SimulatedTrade:
        """The trade of a number."""
        noise = _mix(number)
        at_ms = self.listed_ms + number * self.trade_every_ms - noise % 7_000
        price, quantity = self._price(self._level(at_ms)), _fixed(noise % 5_000 + 1, 3)
        return SimulatedTrade(number, at_ms, price, quantity, bool(noise & 1))

    def trades(self, first: int, last: int) -> list[SimulatedTrade]:
        """Those of some numbers, as far as there are."""
        return [self.trade(number) for number in range(max(1, first), min(last, self.newest_id()) + 1)]

    def first_id(self, at_ms: int) -> int:
        """The number of the first trade at or after a time."""
        number = max(1, (at_ms - self.listed_ms) // self.trade_every_ms)
        while self.trade(number).ts_ms < at_ms:
            number += 1
        return number

    def rates(self, first_ms: int, last_ms: int, period_ms: int = 28_800_000) -> Iterator[tuple[int, Text]]:
        """Funding rates at their times, oldest first."""
        for at, number in self._times(first_ms, last_ms, period_ms):
            yield at, f"0.000{number % 9 + 1}{number % 10_000:04d}"

    def interests(self, first_ms: int, last_ms: int, period_ms: int = 300_000) -> Iterator[tuple[int, Text]]:
        """Open interest at its times, oldest first."""
        for at, number in self._times(first_ms, last_ms, period_ms):
            yield at, _fixed(80_000_000 + number % 1_000_000, 3)

    def _times(self, first_ms: int, last_ms: int, period_ms: int) -> Iterator[tuple[int, int]]:
        begin = max(first_ms, self.listed_ms)
        for at in range(begin + -begin % period_ms, min(last_ms, self.now_ms()) + 1, period_ms):
            yield at, _mix(at)


class PastPage(NamedTuple):
    """Rows of an answer, in its order, and how the venue wraps them."""

    rows: Sequence[object]
    wrap: Callable[[list[object]], object]


class PastDialect(Protocol):
    """How a market answers requests about the past. `pasts` is by the venue's name of an instrument."""

    market: str
    pasts: Mapping[str, SimulatedPast]

    def answer(self, path: str, query: Mapping[str, str]) -> PastPage | Reply | None:
        """A page, a refusal or a list of instruments; None: it is no request about the past.

        Raises:
            ValueError, KeyError: parameters that make no sense.
        """
        ...


def _mix(number: int) -> int:
    """A number that looks like chance and is always the same (splitmix64)."""
    mixed = (number + 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)


def _fixed(value: int, digits: int) -> Text:
    return f"{value // 10**digits}.{value % 10**digits:0{digits}d}" if digits else str(value)


__all__ = ["LISTED_MS", "PastBar", "PastDialect", "PastPage", "SimulatedPast"]
