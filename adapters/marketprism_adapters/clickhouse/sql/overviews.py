"""Statements about many instruments at once: one statement each, over bars and ledgers, never over ticks."""

from __future__ import annotations

from typing import assert_never

from marketprism_adapters.clickhouse.sql.columns import from_engine
from marketprism_adapters.clickhouse.sql.parameters import Params, Statement, as_schema, bounds, parameter
from marketprism_adapters.clickhouse.sql.schema import select
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.contracts.kinds import GAP
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, OfMany, QualityOverview


def statement(question: Coverage | GapLedger | QualityOverview) -> Statement:
    """What the engine is asked."""
    match question:
        case Coverage():
            return coverage(question)
        case GapLedger():
            return gap_ledger(question)
        case QualityOverview():
            return quality_overview(question)
        case _:
            assert_never(question)


def coverage(question: Coverage) -> Statement:
    """Bars and holes by instrument and day. Without a first day, of the newest days that any of them has a bar of."""
    from marketprism_application.queries.coverage import STORED  # noqa: PLC0415 (loads pyarrow)

    params: Params = {}
    bars = [*_chosen(question, "t.ts_open", params), "t.interval = '1m'", "t.trading_day != ''"]
    gaps = [*_chosen(question, "t.ts_from", params), "t.trading_day != ''"]
    if question.from_day is None:
        # Found without FINAL, of which no day depends, and before the rows are read: months that are older are skipped.
        params["days"] = question.days
        newest = (
            f"FROM (SELECT t.trading_day AS day, min(t.ts_event) AS first FROM {DATABASE}.market_bars AS t "
            f"WHERE {' AND '.join(bars)} GROUP BY day ORDER BY day DESC LIMIT {{days:UInt32}})"
        )
        bars += [f"t.trading_day >= (SELECT min(day) {newest})", f"t.ts_event >= (SELECT min(first) {newest})"]
        gaps.append(f"t.trading_day >= (SELECT min(day) {newest})")
    text = f"""
SELECT venue, symbol, trading_day, toInt64(sum(bars)) AS bars, toInt64(sum(gap_bars)) AS gap_bars,
  toInt64(sum(gaps)) AS gaps, toInt64(sum(gap_ns)) AS gap_ns
FROM (
  SELECT t.venue AS venue, t.symbol AS symbol, t.trading_day AS trading_day, count() AS bars,
    countIf(t.gap) AS gap_bars, 0 AS gaps, toInt64(0) AS gap_ns
  FROM {DATABASE}.market_bars AS t FINAL WHERE {" AND ".join(bars)} GROUP BY venue, symbol, trading_day
  UNION ALL
  SELECT t.venue AS venue, t.symbol AS symbol, t.trading_day AS trading_day, 0 AS bars, 0 AS gap_bars,
    count() AS gaps, sum(toUnixTimestamp64Nano(t.ts_to) - toUnixTimestamp64Nano(t.ts_from)) AS gap_ns
  FROM {DATABASE}.gaps AS t FINAL WHERE {" AND ".join(gaps)} GROUP BY venue, symbol, trading_day
)
GROUP BY venue, symbol, trading_day ORDER BY venue, symbol, trading_day
"""
    return Statement(text, params, as_schema(STORED))


def gap_ledger(question: GapLedger) -> Statement:
    """Rows of the ledger, the newest first."""
    params: Params = {"limit": question.limit}
    where = _chosen(question, "t.ts_from", params)
    for name, value in (("cause", question.cause or None), ("kind", question.kind)):
        if value is not None:
            where.append(f"t.{name} = {{{name}:String}}")
            params[name] = parameter(value)
    if question.before is not None:
        ts_from, *texts = question.before
        params["before"] = ts_from
        params |= {f"before_{n}": parameter(text) for n, text in enumerate(texts)}
        given = ", ".join(f"{{before_{n}:String}}" for n in range(len(texts)))
        instant = "fromUnixTimestamp64Nano({before:Int64}, 'UTC')"
        where.append(f"(t.ts_from, t.symbol, t.venue, t.cause, t.kind) < ({instant}, {given})")
    text = (
        f"SELECT {select(GAP)} FROM {DATABASE}.{GAP.table} AS t FINAL WHERE {' AND '.join(where)} "
        "ORDER BY t.ts_from DESC, t.symbol DESC, t.venue DESC, t.cause DESC, t.kind DESC LIMIT {limit:UInt32}"
    )
    return Statement(text, params, lambda table: from_engine(GAP, table))


_SUMMED = "sumMap(arrayMap(x -> x.1, t.pairs), arrayMap(x -> toUInt64(x.2), t.pairs))"


def quality_overview(question: QualityOverview) -> Statement:
    """Windows summed up over spans; without a beginning, of the day before the newest of them ends."""
    from marketprism_application.queries.quality_overview import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    params: Params = {"width": question.width_ns}
    where = _chosen(question, "t.ts_from", params, days=False)
    if question.ts_from is None:
        newest = f"SELECT max(t.ts_from) FROM {DATABASE}.quality_metrics AS t WHERE {' AND '.join(where)}"
        where.append(f"t.ts_from > ({newest}) - INTERVAL 1 DAY")
    text = f"""
SELECT venue, symbol, ts_span AS ts_from, ts_span + {{width:Int64}} AS ts_to, toInt64(count()) AS windows,
  round(if(sum(t.ticks) = 0, avg(t.score), sum(t.score * t.ticks) / sum(t.ticks)), 2) AS score,
  toInt64(min(t.score)) AS lowest, toInt64(sum(t.ticks)) AS ticks, toInt64(sum(t.accepted)) AS accepted,
  toInt64(sum(t.rejected)) AS rejected, toInt64(sum(t.stale)) AS stale, toInt64(sum(t.warned)) AS warned,
  toInt64(sum(t.anomalies)) AS anomalies,
  toJSONString(mapFromArrays({_SUMMED}.1, arrayMap(x -> toUInt32(x), {_SUMMED}.2))) AS reasons
FROM (
  SELECT venue, symbol, score, ticks, accepted, rejected, stale, warned, anomalies,
    JSONExtractKeysAndValues(t.reasons, 'UInt32') AS pairs,
    toUnixTimestamp64Nano(t.ts_from) - toUnixTimestamp64Nano(t.ts_from) % {{width:Int64}} AS ts_span
  FROM {DATABASE}.quality_metrics AS t FINAL WHERE {" AND ".join(where)}
) AS t GROUP BY venue, symbol, ts_span ORDER BY venue, symbol, ts_span
"""
    return Statement(text, params, as_schema(COLUMNS))


def _chosen(question: OfMany, column: str, params: Params, *, days: bool = True) -> list[str]:
    """Conditions on the instrument and the time; their values go into `params`."""
    where = ["1"]
    if question.names:
        listed = {f"s{n}": parameter(symbol) for n, symbol in enumerate(question.names)}
        params |= listed
        where.append(f"t.symbol IN ({', '.join(f'{{{name}:String}}' for name in listed)})")
    if question.venue is not None:
        where.append("t.venue = {venue:String}")
        params["venue"] = parameter(question.venue)
    where += bounds(column, question.ts_from, question.ts_to, params)
    if days:
        for name, operator, value in (("from_day", ">=", question.from_day), ("to_day", "<=", question.to_day)):
            if value is not None:
                where.append(f"t.trading_day {operator} {{{name}:String}}")
                params[name] = parameter(value)
    return where
