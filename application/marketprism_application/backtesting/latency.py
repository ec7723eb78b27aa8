"""How long an order is on its way: always as long, by the time of day, or as long as the market's own rows were."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.numbers_of_texts import decimal_of
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.sessions.trading_days import CHINA_OFFSET_NS, NANOS_PER_DAY

_UNITS: Final = {"ms": 1_000_000, "us": 1_000, "ns": 1, "s": 1_000_000_000}
_MEASURED: Final = "measured"


class Latency(NamedTuple):
    """`fixed` nanoseconds; from a time of day on those of `by_time`; and, where `measured`, what the newest row of the
    instrument took from the venue to whoever received it."""

    fixed: int = 0
    by_time: tuple[tuple[int, int], ...] = ()  # from nanoseconds of the day, in the market's own time
    measured: bool = False

    @classmethod
    def parse(cls, text: str) -> Latency:
        """A latency as `600ms`, `5 s`, a number of milliseconds, `09:00=5ms,21:00=20ms`, `measured` or `measured+2ms`.

        Raises:
            BacktestError: it is none of them.
        """
        measured = text.startswith(_MEASURED)
        rest = text.removeprefix(_MEASURED).removeprefix("+") if measured else text
        if "=" in rest:
            return cls(0, tuple(sorted(_row(part) for part in rest.split(","))), measured)
        return cls(_nanos(rest) if rest or not measured else 0, (), measured)

    def of(self, market: Market, now: int) -> int:
        """Nanoseconds from a decision on an instrument until it is at the venue."""
        found = self.fixed
        if self.by_time:
            time = (now + (CHINA_OFFSET_NS if is_chinese(market.venue) else 0)) % NANOS_PER_DAY
            before = [nanos for since, nanos in self.by_time if since <= time]
            found = before[-1] if before else self.by_time[-1][1]  # before the first time the last one of the day holds
        return found + (_feed_latency(market, now) if self.measured else 0)

    @property
    def is_none(self) -> bool:
        """Whether every order is there at once."""
        return self == Latency()

    def __str__(self) -> str:
        parts = [_MEASURED] if self.measured else []
        rows = [f"{_clock_of(since)}={nanos}ns" for since, nanos in self.by_time]
        parts += [",".join(rows)] if rows else [f"{self.fixed}ns"] if self.fixed or not parts else []
        return "+".join(parts)


def _feed_latency(market: Market, now: int) -> int:
    """What the newest row of an instrument took, 0 before the first; clocks that are apart give no less than 0."""
    for columns in (market.data.ticks, market.data.books):
        if columns is not None:
            row = int(np.searchsorted(columns.ts, now, side="right")) - 1
            return max(0, int(columns.ts_recv[row] - columns.ts[row])) if row >= 0 else 0
    return 0


def _row(text: str) -> tuple[int, int]:
    clock, _, nanos = text.partition("=")
    parts = clock.strip().split(":")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts) or int(parts[0]) > 23:
        raise BacktestError(f"latency: expected HH:MM=TIME with commas between, was {text!r}")
    hours, minutes, seconds = (*map(int, parts), 0)[:3]
    return (hours * 3_600 + minutes * 60 + seconds) * 1_000_000_000, _nanos(nanos)


def _clock_of(nanos: int) -> str:
    seconds = nanos // 1_000_000_000
    return f"{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _nanos(text: str) -> int:
    """A time as `600ms`, `5 s` or a number of milliseconds."""
    factor, number = Decimal(1_000_000), text
    for unit, nanos in _UNITS.items():
        if text.endswith(unit) and text.removesuffix(unit).strip().replace(".", "", 1).isdecimal():
            factor, number = Decimal(nanos), text.removesuffix(unit).strip()
            break
    found = decimal_of("latency", number) * factor
    if found < 0:
        raise BacktestError(f"latency: expected 0 or more, was {text}")
    return int(found)


__all__ = ["Latency"]
