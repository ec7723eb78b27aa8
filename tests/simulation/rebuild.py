"""Bars of ticks, made once more in the plainest way: what the product's bars are compared with.

Nothing of the product's is used but the forms of its rows; sections, windows and sums are written down anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from tests.fakes.ticks import at
from tests.simulation.venue import BREAK_FROM, BREAK_TO

_MINUTE = 60 * 10**9
_DAY = 86_400 * 10**9
_OPENED = at("2025-03-03 09:00:00")  # the night before has whole hours, so that windows of 30 minutes begin here
Key = tuple[str, str, int]  # symbol, interval, opening


@dataclass
class Plain:
    """What is compared of a bar."""

    ts_close: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal
    ticks: int
    open_interest: Decimal | None
    gap: bool = False

    def differs(self, bar: Bar) -> str:
        """In which field, and how; empty where it is the same."""
        for name, mine in vars(self).items():
            if mine != getattr(bar, name):
                return f"{name}: expected {mine}, was {getattr(bar, name)}"
        return ""


def bars_of(
    symbol: str, ticks: Sequence[Tick], gaps: Iterable[Gap], lengths: Sequence[int], opens: int = BREAK_TO
) -> dict[Key, Plain]:
    """Every bar of an instrument, of so many minutes, as the last of its ticks leaves it. Ticks in their order; `opens`
    is when futures go on behind the break."""
    minutes = _minutes(ticks)
    found: dict[Key, Plain] = {}
    is_future = ticks[0].traded is None if ticks else False
    for length in lengths:
        for start, minute in sorted(minutes.items()):
            begin, end = _window(start, length, opens if is_future else 0)
            key = (symbol, f"{length}m", begin)
            if (bar := found.get(key)) is None:
                found[key] = Plain(end, *list(vars(minute).values())[1:-1])
            else:
                bar.high, bar.low, bar.close = max(bar.high, minute.high), min(bar.low, minute.low), minute.close
                bar.volume, bar.turnover = bar.volume + minute.volume, bar.turnover + minute.turnover
                bar.ticks += minute.ticks
                bar.open_interest = minute.open_interest
    holes = [(gap.ts_from, gap.ts_to) for gap in gaps]
    for (_, _, begin), bar in found.items():
        bar.gap = any(start < bar.ts_close and begin <= end for start, end in holes)
    return found


def _minutes(ticks: Sequence[Tick]) -> dict[int, Plain]:
    """By opening; a tick that is late goes into its minute, and nowhere where that one had none."""
    found: dict[int, Plain] = {}
    newest, volume, turnover = 0, Decimal(0), Decimal(0)
    for tick in ticks:
        ts = tick.ts_event
        if tick.traded is None and BREAK_FROM <= ts < BREAK_TO:
            ts = BREAK_FROM - 1  # what comes with the end of a section is of its last minute
        start = ts - ts % _MINUTE
        if start < newest and start not in found:
            continue
        newest = max(newest, start)
        if tick.traded is None:
            grown, money = (tick.volume or Decimal(0)) - volume, (tick.turnover or Decimal(0)) - turnover
            volume, turnover = volume + grown, turnover + money
        else:
            grown, money = tick.traded, tick.traded_turnover or Decimal(0)
        last = tick.last
        assert last is not None
        if (bar := found.get(start)) is None:
            found[start] = Plain(start + _MINUTE, last, last, last, last, grown, money, 1, tick.open_interest)
        else:
            bar.high, bar.low, bar.close = max(bar.high, last), min(bar.low, last), last
            bar.volume, bar.turnover, bar.ticks = bar.volume + grown, bar.turnover + money, bar.ticks + 1
            bar.open_interest = tick.open_interest
    return found


def _window(start: int, length: int, opens: int) -> tuple[int, int]:
    """Of a bar of so many minutes; those of futures are counted in minutes of trading, across the break."""
    if not opens:
        begin = start - start % _DAY % (length * _MINUTE)
        return begin, begin + length * _MINUTE
    pause = opens - BREAK_FROM
    place = (start - _OPENED - (pause if start >= opens else 0)) // _MINUTE
    first = place - place % length

    def at_minute(number: int) -> int:
        ts = _OPENED + number * _MINUTE
        return ts if ts < BREAK_FROM else ts + pause

    return at_minute(first), at_minute(first + length - 1) + _MINUTE
