"""Histories of ticks drawn by a seed, and the bars that the live builder makes of them one by one."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import NamedTuple

import pyarrow as pa

from marketprism_application.columns.builder import ColumnBuilder, Notice
from marketprism_application.columns.tick_columns import TickColumns, table_of
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.bars.builder import BarBuilder, BarSettings
from marketprism_domain.bars.state import BuilderState
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.values import NANOS_PER_SECOND
from tests.fakes.ticks import at

INTERVALS = ("1m", "3m", "5m", "15m", "1h", "4h", "1d", "1w")
# Where days begin, break and end: Friday's day, the night of Monday's trading day, a Monday, a half day before a feast.
_ANCHORS = (
    "2025-02-28 08:59:00",
    "2025-02-28 10:14:00",
    "2025-02-28 11:29:00",
    "2025-02-28 14:58:00",
    "2025-02-28 20:59:00",
    "2025-02-28 22:58:00",
    "2025-03-03 08:58:00",
    "2025-03-03 13:29:00",
    "2025-03-03 20:54:00",
    "2025-03-04 09:00:00",
    "2025-03-10 09:00:00",
)
# Milliseconds to the next tick, or back.
_JUMPS = (0, 0, 1, *[250, 500, 500, 500] * 8, 1_000, 20_000, 59_500, 60_000, 180_000, 700_000)
_BACK = (-500, -3_000, -61_000, -200_000)
_HOLES = ("last", "turnover", "high", "low", "open_interest", "open")
# Sections of a day that a venue tells: as the table has it nearly, late, early, in a break, late at the end.
_CHANGES = (("09:00", "10:30"), ("09:02", "10:15"), ("08:30", "10:15"), ("10:15", "10:20"), ("14:00", "15:10"))


class History(NamedTuple):
    """Ticks of one instrument in the order of the log, what was told in between, and how its bars are counted."""

    venue: str
    symbol: str
    ticks: list[Tick]
    told: list[Notice]
    settings: BarSettings
    cuts: list[int]


def history(seed: int, *, most: int = 120) -> History:
    """A history, the same for each seed; at most `most` ticks a stretch of them."""
    dice = Random(seed)
    venue, symbol = dice.choice((("shfe", "rb2505"), ("shfe", "au2506"), ("cffex", "IF2503"), ("bybit", "X")))
    trades = dice.random() < 0.3
    rare = dice.random() < 0.4  # holes in the columns, late ticks
    unit = dice.choice((Decimal(1), Decimal("0.5"), Decimal("0.001"), Decimal("1E-14")))
    ticks: list[Tick] = []
    volume, price, day = 0, 10_000, ""
    high = low = price
    quiet = dice.choice((1, 4, 40))
    for anchor in sorted(dice.sample(_ANCHORS, dice.randint(1, 4))):
        ts = at(anchor)
        for _ in range(dice.randint(1, most)):
            back = rare and dice.random() < 0.02
            when = ts + 1_000_000 * dice.choice(_BACK if back else _JUMPS)
            ts = max(ts, when)
            lots = dice.choice((0, *range(4)))
            price += dice.choice((0, 0, 0, 1, -1, 7, -7)) if dice.randint(1, quiet) == 1 else 0
            if anchor[:10] != day:
                day, volume, high, low = anchor[:10], 0, price, price
            volume += lots
            high, low = max(high, price + dice.choice((0, 0, 0, 4))), min(low, price - dice.choice((0, 0, 0, 4)))
            holes = dice.sample(_HOLES, dice.randint(0, 3)) if rare and dice.random() < 0.1 else ()
            numbers: dict[str, Decimal | None] = {
                "last": price * unit,
                "turnover": volume * price * unit,
                "open_interest": Decimal(dice.choice((0, 5, 5, 6))),
                "open": (price - 2) * unit,
                "high": high * unit,
                "low": low * unit,
            }
            numbers |= dict.fromkeys(holes)
            if trades:
                numbers |= {"traded": Decimal(lots), "traded_turnover": None if holes else lots * price * unit}
                numbers["turnover"] = None
            else:
                numbers["volume"] = Decimal(volume)
            n = len(ticks) + 1
            recv = when + dice.choice((0, 1_000_000, 100 * NANOS_PER_SECOND))
            verdict = "stale" if rare and dice.random() < 0.05 else "valid"
            source = dice.choice("ab") if rare else "a"
            ticks.append(Tick(venue, symbol, source, n // 50, n, when, recv, n, n, day, verdict=verdict, **numbers))
    told: list[Notice] = []
    for _ in range(dice.choice((0, 0, 1, 2))):
        ts = dice.choice(ticks).ts_event
        begin = ts - dice.choice((0, 5, 70, 400, 90_000)) * NANOS_PER_SECOND
        told.append((ts, Gap(venue, symbol, "a", 0, 0, ts, ts, ts, begin, ts, "silence")))
    if venue == "shfe" and dice.random() < 0.2:
        opened, closed = dice.choice(_CHANGES)
        span = at(f"2025-03-03 {opened}:00"), at(f"2025-03-03 {closed}:00")
        told.append((dice.choice(ticks).ts_event, SessionChange(venue, symbol[:2], "20250303", *span)))
    settings = BarSettings(
        dice.choice((INTERVALS, ("1m",), ("5m", "1d"), ("1w", "2h", "1m", "30m"))),
        alignment=dice.choice(("session", "clock")),
        fill_empty=dice.random() < 0.5,
        revision_window_s=dice.choice((0.0, 60.0, 600.0)),
    )
    cuts = sorted(dice.sample(range(len(ticks) + 1), min(len(ticks), dice.randint(0, 3))))
    return History(venue, symbol, ticks, told, settings, cuts)


def placed(told: list[Notice], ticks: list[Tick]) -> list[tuple[int, Notice]]:
    """Each before the first tick by whose time it was known."""
    reached, out = 0, []
    waiting = sorted(told, key=lambda pair: pair[0])
    for n, tick in enumerate(ticks):
        reached = max(reached, tick.ts_event)
        while waiting and waiting[0][0] <= reached:
            out.append((n, waiting.pop(0)))
    return out + [(len(ticks), each) for each in waiting]


def one_by_one(history: History, calendar: MarketCalendar) -> tuple[list[Bar], BuilderState]:
    """What the live builder makes of it, the clock at the end."""
    own = calendar.copy()
    builder = BarBuilder(history.venue, history.symbol, own.schedule(history.venue, history.symbol), history.settings)
    bars: list[Bar] = []
    waiting = placed(history.told, history.ticks)
    for n, tick in enumerate([*history.ticks, None]):
        while waiting and waiting[0][0] == n:
            each = waiting.pop(0)[1][1]
            if isinstance(each, Gap):
                bars += builder.on_gap(each)
            else:
                own.overrule(each)
                builder.sessions_changed()
        if tick is not None:
            bars += builder.on_tick(tick)
    return bars + builder.on_clock(end_of(history)), builder.state()


def end_of(history: History) -> int:
    """An hour and more behind the last tick."""
    return max(tick.ts_event for tick in history.ticks) + 4_000 * NANOS_PER_SECOND


def by_columns(history: History, calendar: MarketCalendar, cuts: list[int]) -> tuple[pa.Table, ColumnBuilder]:
    """What columns make of it, in pieces."""
    builder = ColumnBuilder(history.venue, history.symbol, calendar.copy(), history.settings, schema_of("bar"))
    waiting = placed(history.told, history.ticks)
    for first, last in zip([0, *cuts], [*cuts, len(history.ticks)], strict=True):
        told = [pair for n, pair in waiting if n < last or last == len(history.ticks)]
        waiting = [] if last == len(history.ticks) else [pair for pair in waiting if pair[0] >= last]
        piece = TickColumns.of(history.venue, history.symbol, table_of(history.ticks[first:last]))
        builder.feed(piece, told)
    builder.close_until(end_of(history))
    return builder.table(), builder


def rows_of(bars: list[Bar]) -> list[dict[str, object]]:
    """Bars as an answer has them."""
    return pa.Table.from_pylist([bar._asdict() for bar in bars], schema_of("bar")).to_pylist()
