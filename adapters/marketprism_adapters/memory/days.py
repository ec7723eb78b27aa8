"""Answers about days and spans of time: what ticks and bars in memory there are in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from typing import Any, TypeAlias

import pyarrow as pa

from marketprism_adapters.memory.tick_bars import counts
from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.questions import Daily, Records, Statistics
from marketprism_application.contracts.rows import Row
from marketprism_application.queries.arrow_tables import MINUTE_SPANS, SYMBOLS
from marketprism_application.queries.daily import COLUMNS as DAYS
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import Interval

_EXACT_DIGITS = 60
_DAY_S = 86_400
OfOne: TypeAlias = Records | Daily | Statistics | MinuteSpans


def symbols(ticks: Iterable[Tick], bars: Iterable[Bar]) -> pa.Table:
    """What is there of each symbol and venue."""
    found: dict[tuple[str, str], Row] = {}
    made: dict[tuple[str, str], Row] = {}
    for tick in ticks:
        _count(found, tick, tick.ts_event, tick.ts_event)["ticks"] += 1
    for bar in bars:
        _count(made, bar, bar.ts_open, bar.ts_close)["bars"] += 1
    for key, row in made.items():
        found[key] = found[key] | {"bars": row["bars"]} if key in found else row
    return pa.Table.from_pylist([found[key] for key in sorted(found)], SYMBOLS)


def _count(rows: dict[tuple[str, str], Row], each: Tick | Bar, first: int, last: int) -> Row:
    empty = {"symbol": each.symbol, "venue": each.venue, "ticks": 0, "ts_first": first, "ts_last": last, "bars": 0}
    row = rows.setdefault((each.venue, each.symbol), empty)
    row["ts_first"], row["ts_last"] = min(row["ts_first"], first), max(row["ts_last"], last)
    return row


def daily(ticks: Iterable[Tick], bars: Iterable[Bar], gaps: Iterable[Gap], asked: Daily) -> pa.Table:
    """Trading days of one instrument."""
    bars = [bar for bar in bars if wanted(bar, asked, bar.ts_open)]
    gaps = [gap for gap in gaps if wanted(gap, asked, gap.ts_from)]
    days: dict[tuple[str, str], list[Any]] = {}
    for tick in ticks:
        if tick.trading_day and wanted(tick, asked, tick.ts_event):
            days.setdefault((tick.venue, tick.trading_day), []).append(tick)
    found = {key: _day(each) for key, each in days.items()}
    rows = []
    for (venue, day), row in sorted((_days_of_bars(bars) | found).items()):
        holes = [gap.ts_to - gap.ts_from for gap in gaps if (gap.venue, gap.trading_day) == (venue, day)]
        minutes = sum((bar.venue, bar.trading_day, bar.interval) == (venue, day, "1m") for bar in bars)
        rows.append(row | {"bars": minutes, "gaps": len(holes), "gap_ns": sum(holes)})
    return pa.Table.from_pylist(rows, DAYS)


def _days_of_bars(bars: Iterable[Bar]) -> dict[tuple[str, str], Row]:
    """A row per venue and day, of its shortest bars."""
    found: dict[tuple[str, str], dict[int, list[Bar]]] = {}
    for bar in sorted(bars, key=lambda bar: bar.ts_open):
        width = Interval.parse(bar.interval).seconds
        if bar.trading_day and width <= _DAY_S:
            found.setdefault((bar.venue, bar.trading_day), {}).setdefault(width, []).append(bar)
    return {key: _day_of_bars(widths[min(widths)]) for key, widths in found.items()}


def _day_of_bars(bars: Sequence[Bar]) -> Row:
    return {
        "venue": bars[0].venue,
        "symbol": bars[0].symbol,
        "trading_day": bars[0].trading_day,
        "ticks": 0,
        "ts_first": bars[0].ts_open,
        "ts_last": max(bar.ts_close for bar in bars),
        "first": bars[0].open,
        "high": max(bar.high for bar in bars),
        "low": min(bar.low for bar in bars),
        "last": bars[-1].close,
        "volume": total(bar.volume for bar in bars),
        "turnover": total(bar.turnover for bar in bars),
    }


def _prices(ticks: list[Any]) -> dict[str, Any]:
    """First, high, low and last of ticks in their order, with the venue's own open, high and low."""
    priced = [tick for tick in ticks if tick.last is not None]
    return {
        "first": (priced[0].last if priced[0].open is None else priced[0].open) if priced else None,
        "high": max((price for t in priced for price in (t.last, t.high) if price is not None), default=None),
        "low": min((price for t in priced for price in (t.last, t.low) if price is not None), default=None),
        "last": priced[-1].last if priced else None,
    }


def _day(ticks: list[Any]) -> dict[str, Any]:
    ticks = sorted(ticks, key=lambda tick: tick.seq)
    counted = [tick for tick in ticks if counts(tick)]
    prices = _prices(counted) if counted else _prices([t._replace(open=None, high=None, low=None) for t in ticks])
    times = [tick.ts_event for tick in ticks]
    return {
        "venue": ticks[0].venue,
        "symbol": ticks[0].symbol,
        "trading_day": ticks[0].trading_day,
        "ticks": len(ticks),
        "ts_first": min(times),
        "ts_last": max(times),
        **prices,
        "volume": max((tick.volume for tick in ticks if tick.volume is not None), default=None),
        "turnover": max((tick.turnover for tick in ticks if tick.turnover is not None), default=None),
    }


def minute_spans(bars: Iterable[Bar], asked: MinuteSpans) -> pa.Table:
    """First and last opening of minutes by spans of the clock."""
    found: dict[tuple[str, str, int], Row] = {}
    for bar in bars:
        if bar.interval == "1m" and asked.venue in (None, bar.venue) and wanted(bar, asked, bar.ts_open):
            first = {
                "venue": bar.venue,
                "trading_day": bar.trading_day,
                "ts_first": bar.ts_open,
                "ts_last": bar.ts_open,
            }
            row = found.setdefault((bar.venue, bar.trading_day, bar.ts_open // asked.width_ns), first)
            row["ts_first"], row["ts_last"] = min(row["ts_first"], bar.ts_open), max(row["ts_last"], bar.ts_open)
    rows = sorted(found.values(), key=lambda row: (row["ts_first"], row["venue"]))
    return pa.Table.from_pylist(rows[-asked.limit :] if asked.last else rows[: asked.limit], MINUTE_SPANS)


def wanted(row: Any, query: OfOne, ts: int) -> bool:
    return (
        row.symbol == query.symbol
        and (query.ts_from is None or ts >= query.ts_from)
        and (query.ts_to is None or ts < query.ts_to)
        and (query.from_day is None or getattr(row, "trading_day", query.from_day) >= query.from_day)
        and (query.to_day is None or getattr(row, "trading_day", query.to_day) <= query.to_day)
    )


def total(values: Iterable[Decimal]) -> Decimal:
    """The exact sum: Python's own would round at 28 digits, a column holds 38."""
    with localcontext(prec=_EXACT_DIGITS):
        return sum(values, Decimal(0))
