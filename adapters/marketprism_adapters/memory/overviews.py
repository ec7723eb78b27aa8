"""Answers about many instruments at once, from rows in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import assert_never

import pyarrow as pa

from marketprism_application.contracts.kinds import GAP
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, OfMany, QualityOverview
from marketprism_application.contracts.rows import Row
from marketprism_application.queries.arrow_tables import BAR_SERIES, table_of
from marketprism_application.queries.coverage import STORED
from marketprism_application.queries.quality_overview import COLUMNS as OVERVIEW
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.kline import Kline
from marketprism_domain.marketdata.quality import QualityReport

_DAY_NS = 86_400 * 10**9
_SUMS = ("ticks", "accepted", "rejected", "stale", "warned", "anomalies")


def answer(
    bars: Iterable[Bar],
    gaps: Iterable[Gap],
    windows: Iterable[QualityReport],
    asked: Coverage | GapLedger | QualityOverview,
) -> pa.Table:
    """What is asked, of these rows."""
    match asked:
        case Coverage():
            return coverage(bars, gaps, asked)
        case GapLedger():
            return gap_ledger(gaps, asked)
        case QualityOverview():
            return quality_overview(windows, asked)
        case _:
            assert_never(asked)


def coverage(bars: Iterable[Bar], gaps: Iterable[Gap], asked: Coverage) -> pa.Table:
    """Bars and holes by instrument and day."""
    bars = [b for b in bars if b.interval == "1m" and b.trading_day and _chosen(b, asked, b.ts_open)]
    gaps = [g for g in gaps if g.trading_day and _chosen(g, asked, g.ts_from)]
    first = ""
    if asked.from_day is None:
        newest = sorted({bar.trading_day for bar in bars}, reverse=True)[: asked.days]
        first = newest[-1] if newest else ""
    found: dict[tuple[str, str, str], Row] = {}

    def row(record: Bar | Gap) -> Row:
        key = (record.venue, record.symbol, record.trading_day)
        empty = {"bars": 0, "gap_bars": 0, "gaps": 0, "gap_ns": 0}
        return found.setdefault(key, {**dict(zip(("venue", "symbol", "trading_day"), key, strict=True)), **empty})

    for bar in bars:
        if bar.trading_day >= first:
            row(bar)["bars"] += 1
            row(bar)["gap_bars"] += bar.gap
    for gap in gaps:
        if gap.trading_day >= first:
            row(gap)["gaps"] += 1
            row(gap)["gap_ns"] += gap.ts_to - gap.ts_from
    return pa.Table.from_pylist([found[key] for key in sorted(found)], STORED)


def gap_ledger(gaps: Iterable[Gap], asked: GapLedger) -> pa.Table:
    """Rows of the ledger, the newest first."""
    found = [
        gap
        for gap in gaps
        if _chosen(gap, asked, gap.ts_from)
        and asked.cause in ("", gap.cause)
        and (asked.kind is None or gap.kind == asked.kind)
        and (asked.before is None or _key(gap) < tuple(asked.before))
    ]
    return table_of(GAP, sorted(found, key=_key, reverse=True)[: asked.limit])


def quality_overview(windows: Iterable[QualityReport], asked: QualityOverview) -> pa.Table:
    """Windows summed up over spans."""
    chosen = [each for each in windows if _chosen(each, asked, each.ts_from)]
    if asked.ts_from is None:
        newest = max((each.ts_from for each in chosen), default=0)
        chosen = [each for each in chosen if each.ts_from > newest - _DAY_NS]
    spans: dict[tuple[str, str, int], list[QualityReport]] = {}
    for each in chosen:
        spans.setdefault((each.venue, each.symbol, each.ts_from - each.ts_from % asked.width_ns), []).append(each)
    return pa.Table.from_pylist([_span(key, spans[key], asked.width_ns) for key in sorted(spans)], OVERVIEW)


def _span(key: tuple[str, str, int], windows: list[QualityReport], width_ns: int) -> Row:
    sums = {name: sum(getattr(each, name) for each in windows) for name in _SUMS}
    reasons: dict[str, int] = {}
    for each in windows:
        for reason, count in each.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    ticks = sums["ticks"]
    score = sum(each.score * each.ticks for each in windows) / ticks if ticks else 0
    return {
        "venue": key[0],
        "symbol": key[1],
        "ts_from": key[2],
        "ts_to": key[2] + width_ns,
        "windows": len(windows),
        "score": round(score if ticks else sum(each.score for each in windows) / len(windows), 2),
        "lowest": min(each.score for each in windows),
        **sums,
        "reasons": json.dumps(reasons, sort_keys=True, separators=(",", ":")),
    }


def _key(gap: Gap) -> tuple[int, str, str, str, str]:
    return gap.ts_from, gap.symbol, gap.venue, gap.cause, gap.kind


def _chosen(row: Bar | Gap | QualityReport, asked: OfMany, ts: int) -> bool:
    day = getattr(row, "trading_day", None)
    return (
        (not asked.names or row.symbol in asked.names)
        and asked.venue in (None, row.venue)
        and (asked.ts_from is None or ts >= asked.ts_from)
        and (asked.ts_to is None or ts < asked.ts_to)
        and (day is None or asked.from_day is None or day >= asked.from_day)
        and (day is None or asked.to_day is None or day <= asked.to_day)
    )


def bar_series(rows: Mapping[str, Iterable[Bar | Kline]]) -> pa.Table:
    """Each series of bars and klines, by its key; rows by the kind's name."""
    found: dict[tuple[str, str, str, str], list[int]] = {}
    for kind, of_kind in rows.items():
        for row in of_kind:
            found.setdefault((kind, row.venue, row.symbol, row.interval), []).append(row.ts_open)
    listed = [(*key, min(times), max(times), len(times)) for key, times in sorted(found.items())]
    return pa.Table.from_pylist([dict(zip(BAR_SERIES.names, row, strict=True)) for row in listed], BAR_SERIES)
