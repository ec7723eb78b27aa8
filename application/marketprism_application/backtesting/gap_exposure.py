"""What gaps of the data have to do with a result: fills in them, decisions that looked at them, positions held through
them, minutes that are not there, and how far off the result could be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from marketprism_application.backtesting.agenda import changes
from marketprism_application.backtesting.columns import (
    CONTINUOUS,
    NO_PRICE,
    BarColumns,
    Columns,
    Hole,
    Ints,
)
from marketprism_application.backtesting.desk import Decision
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.orders import Fill, RoundTrip
from marketprism_application.backtesting.settings import NANOS_PER_MINUTE
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.values import Interval

_SIGMAS = 3.0
_FULL_DAY_MINUTES = 1_440


class GapExposure(NamedTuple):
    """Four exposures of a result to gaps, the worst of them as a share, and bounds of the result."""

    fills: int
    fills_in_gaps: int
    decisions: int
    tainted_decisions: int
    positions: int
    held_through: int
    minutes: int
    minutes_missing: int
    share: float
    tainted_profit: Decimal
    net_low: Decimal
    net_high: Decimal


class SessionTime:
    """Session time of an instrument over the range of its rows: breaks, nights and holidays do not count."""

    def __init__(self, market: Market) -> None:
        times = [columns for name, columns in market.data.series() if name != "mark"]
        first = min((int(_starts(each)[0]) for each in times), default=0)
        last = max((int(each.time[-1]) for each in times), default=0)
        market.data.let_go()
        opens, closes = [], []
        begun = 0
        for change in changes(market.schedule, first, last) if times else ():
            if begun and change.ts > max(first, begun) and begun < last:
                opens.append(begun)
                closes.append(change.ts)
            begun = change.ts if change.phase == CONTINUOUS else 0
        if opens and (closes[0] - opens[0]) >= _FULL_DAY_MINUTES * NANOS_PER_MINUTE:  # it never closes
            opens[0], closes[-1] = max(opens[0], first), min(closes[-1], last)
        self.opens, self.closes = np.array(opens, dtype=np.int64), np.array(closes, dtype=np.int64)
        self.before = np.r_[0, np.cumsum(self.closes - self.opens)]

    @property
    def minutes(self) -> int:
        """Session minutes in the range."""
        return int(self.before[-1] // NANOS_PER_MINUTE)

    def at(self, ts: int) -> int:
        """Session time that has passed at an instant, nanoseconds."""
        place = int(np.searchsorted(self.opens, ts, side="right"))
        if not place:
            return 0
        return int(self.before[place - 1] + min(ts, int(self.closes[place - 1])) - self.opens[place - 1])


def _starts(columns: Columns) -> Ints:
    return columns.ts_open if isinstance(columns, BarColumns) else columns.time


def flagged_spans(market: Market) -> list[tuple[int, int]]:
    """Windows of bars of the finest interval that are flagged, and holes of the ledger."""
    found = [(hole.ts_from, hole.ts_to) for hole in market.data.holes]
    for columns in list(market.data.bars.values())[:1]:
        found += [(int(columns.ts_open[row]), int(columns.ts_close[row])) for row in np.flatnonzero(columns.gap)]
    return found


def tainted(decisions: Sequence[Decision], markets: Sequence[Market], lookback_ns: int) -> list[bool]:
    """Whether the lookback of each decision overlaps a gap or a flagged bar of its instrument."""
    spans = []
    for market in markets:
        time = SessionTime(market)
        spans.append((time, [(start, time.at(end)) for start, end in flagged_spans(market)]))
    found = []
    for decision in decisions:
        time, of_market = spans[decision.rank]
        since = time.at(decision.ts) - lookback_ns if of_market else 0
        found.append(any(start < decision.ts and end > since for start, end in of_market))
    return found


def exposure(
    fills: Sequence[Fill],
    decisions: Sequence[bool],
    trips: Sequence[RoundTrip],
    markets: Sequence[Market],
    net: Decimal,
) -> GapExposure:
    """The exposures of a run whose decisions are marked as tainted or not."""
    in_gaps = sum(fill.gap == "inside" for fill in fills)
    through = sum(trip.held_through for trip in trips)
    minutes, missing = 0, 0
    bound = ZERO
    for market in markets:
        if market.data.leads:
            continue
        total, absent = minutes_of(market)
        minutes, missing = minutes + total, missing + absent
        bound += _bound(market, fills)
    tainted_count = sum(decisions)
    shares = [
        part / whole
        for part, whole in (
            (in_gaps, len(fills)),
            (tainted_count, len(decisions)),
            (through, len(trips)),
            (missing, minutes),
        )
        if whole
    ]
    spoilt = sum((trip.net for trip in trips if trip.tainted or trip.held_through), ZERO)
    return GapExposure(
        len(fills),
        in_gaps,
        len(decisions),
        tainted_count,
        len(trips),
        through,
        minutes,
        missing,
        max(shares, default=0.0),
        spoilt,
        net - bound,
        net + bound,
    )


def minutes_of(market: Market) -> tuple[int, int]:
    """Session minutes of an instrument in the range of its rows, and those of them without data."""
    time = SessionTime(market)
    for columns in list(market.data.bars.values())[:1]:
        interval = Interval.parse(columns.interval)
        if interval.unit in "dw":
            return time.minutes, 0
        there = int(np.sum(columns.ts_close - columns.ts_open) // NANOS_PER_MINUTE)
        market.data.let_go()
        return time.minutes, max(0, time.minutes - there)
    absent = sum(max(0, time.at(hole.ts_to) - time.at(hole.ts_from)) for hole in market.data.holes)
    return time.minutes, absent // NANOS_PER_MINUTE


def overlaps(holes: Sequence[Hole], ts_from: int, ts_to: int) -> bool:
    """Whether a time span overlaps a gap."""
    return any(hole.ts_from < ts_to and hole.ts_to > ts_from for hole in holes)


def _bound(market: Market, fills: Sequence[Fill]) -> Decimal:
    """How far off the result can be: in each gap the price moves by three deviations of its time, against what was
    held through it, and where nothing was, against the largest position of the run; inside the limits of the day."""
    if not market.data.holes:
        return ZERO
    mine = [fill for fill in fills if fill.symbol == market.symbol]
    most = max((abs(fill.held) for fill in mine), default=ZERO)
    deviation = _deviation_a_minute(market)
    time = SessionTime(market)
    total = ZERO
    for hole in market.data.holes:
        held = next((fill.held for fill in reversed(mine) if fill.ts_known <= hole.ts_from), ZERO)
        minutes = max(0, time.at(hole.ts_to) - time.at(hole.ts_from)) / NANOS_PER_MINUTE
        far = _SIGMAS * deviation * math.sqrt(minutes)
        move = Decimal(str(round(min(far, _room(market, hole)), 6)))
        total += (abs(held) or most) * market.instrument.terms.multiplier * move * market.unit
    return total


def _room(market: Market, hole: Hole) -> float:
    """How far the price could go in a gap inside the limits of its day, in units; endless where those are not known."""
    ticks = market.data.ticks
    if ticks is None or market.schedule.trading_day_of(hole.ts_from) != market.schedule.trading_day_of(hole.ts_to):
        return math.inf
    row = int(np.searchsorted(ticks.ts, hole.ts_from, side="right")) - 1
    last, upper, lower = (int(each[row]) for each in (ticks.last, ticks.limit_up, ticks.limit_down))
    if row < 0 or NO_PRICE in (last, upper, lower):
        return math.inf
    return float(max(upper - last, last - lower))


def _deviation_a_minute(market: Market) -> float:
    """Deviation of the price over a minute, in units."""
    for columns in list(market.data.bars.values())[:1]:
        length = Interval.parse(columns.interval).nanos / NANOS_PER_MINUTE
        moves = np.diff(columns.close)
        return float(moves.std()) / math.sqrt(length) if len(moves) else 0.0
    ticks = market.data.ticks
    if ticks is None:
        return 0.0
    last, ts = ticks.last[ticks.last != NO_PRICE], ticks.ts[ticks.last != NO_PRICE]
    edges = np.flatnonzero(np.diff(ts // NANOS_PER_MINUTE))
    moves = np.diff(last[edges])
    return float(moves.std()) if len(moves) else 0.0
