"""Read statements: text comes in as parameters, never as part of the statement."""

from __future__ import annotations

from typing import Any

from marketprism_adapters.clickhouse.sql.schema import select
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.contracts.kinds import INSTRUMENT, DataKind
from marketprism_application.contracts.questions import InstrumentSearch
from marketprism_application.ports.reading import RangeQuery

Params = dict[str, Any]


# A page is a few granules of one instrument: threads cost more than they bring, and belong to the other callers.
_ONE_THREAD = " SETTINGS max_threads = 1"


def parameter(value: str) -> str:
    """Text as a query parameter carries it (tab-separated escapes)."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "")


def _bounds(column: str, ts_from: int | None, ts_to: int | None, params: Params) -> list[str]:
    """Conditions on a stored time. On the column itself, so that the engine can skip partitions: the function is
    applied to the bound."""
    found = []
    for name, operator, value in (("ts_from", ">=", ts_from), ("ts_to", "<", ts_to)):
        if value is not None:
            found.append(f"{column} {operator} fromUnixTimestamp64Nano({{{name}:Int64}}, 'UTC')")
            params[name] = value
    return found


def records(kind: DataKind, query: RangeQuery) -> tuple[str, Params]:
    """Rows of one instrument in a range, by time, a page of them."""
    stored = f"t.{kind.time_field}"  # the column itself: its plain name means the number that is selected
    where, params = ["symbol = {symbol:String}"], {"symbol": parameter(query.symbol), "limit": query.limit}
    if query.venue is not None:
        where.append("venue = {venue:String}")
        params["venue"] = parameter(query.venue)
    if query.interval is not None and "interval" in kind.fields:
        where.append("interval = {interval:String}")
        params["interval"] = parameter(query.interval)
    where += _bounds(stored, query.ts_from, query.ts_to, params)
    if query.after is not None:
        where.append(f"({stored}, t.seq) > (fromUnixTimestamp64Nano({{after_ts:Int64}}, 'UTC'), {{after_seq:Int64}})")
        params["after_ts"], params["after_seq"] = query.after
    direction = "DESC" if query.last else "ASC"
    # Rows of one instant have an order too: several venues have bars of the same minute.
    chosen = {"symbol"} | ({"venue"} if query.venue is not None else set())
    order = ", ".join(f"t.{name} {direction}" for name in kind.read_order if name not in chosen)
    statement = (
        f"SELECT {select(kind)} FROM {DATABASE}.{kind.table} AS t FINAL WHERE {' AND '.join(where)} "
        f"ORDER BY {order} LIMIT {{limit:UInt32}}{_ONE_THREAD}"
    )
    return statement, params


def instruments(search: InstrumentSearch) -> tuple[str, Params]:
    """Newest terms of the instruments that fit."""
    where = ["1"]
    params: Params = {"limit": search.limit}
    if search.text:
        where.append(
            f"({' OR '.join(f'positionCaseInsensitiveUTF8({name}, {{text:String}}) > 0' for name in _SEARCHED)})"
        )
        params["text"] = parameter(search.text)
    for name, value in (("venue", search.venue), ("product", search.product), ("class_", search.class_)):
        if value:
            where.append(f"{name} = {{{name}:String}}")
            params[name] = parameter(value)
    if search.at:
        where += _bounds("t.ts_event", None, search.at + 1, params)
    statement = (
        f"SELECT {select(INSTRUMENT)} FROM {DATABASE}.{INSTRUMENT.table} AS t FINAL WHERE {' AND '.join(where)} "
        "ORDER BY venue, symbol, t.ts_event DESC LIMIT 1 BY venue, symbol LIMIT {limit:UInt32}"
    )
    return statement, params


_SEARCHED = ("symbol", "product", "underlying", "name")


def statistics(symbol: str, ts_from: int | None, ts_to: int | None) -> tuple[str, Params]:
    """Sums over an instrument's minute bars. The multiplier is in a tuple because argMax passes over NULL: one that the
    newest terms do not state would be that of older terms."""
    params: Params = {"symbol": parameter(symbol)}
    bounds = "".join(f" AND {bound}" for bound in _bounds("t.ts_open", ts_from, ts_to, params))
    statement = f"""
SELECT venue, symbol, bars, ticks, gaps, ts_from, ts_to, open, high, low, close, volume, turnover, multiplier,
  base, inverse FROM (
  SELECT venue, symbol, toInt64(count()) AS bars, toInt64(sum(t.ticks)) AS ticks, toInt64(countIf(t.gap)) AS gaps,
    toUnixTimestamp64Nano(min(t.ts_open)) AS ts_from, toUnixTimestamp64Nano(max(t.ts_close)) AS ts_to,
    argMin(t.open, t.ts_open) AS open, max(t.high) AS high, min(t.low) AS low, argMax(t.close, t.ts_open) AS close,
    sum(t.volume) AS volume, sum(t.turnover) AS turnover
  FROM {DATABASE}.market_bars AS t FINAL
  WHERE symbol = {{symbol:String}} AND interval = '1m'{bounds} GROUP BY venue, symbol
) AS b LEFT JOIN (
  SELECT venue, symbol, argMax(tuple(t.multiplier), t.ts_event).1 AS multiplier, argMax(t.base, t.ts_event) AS base,
    argMax(t.inverse, t.ts_event) AS inverse
  FROM {DATABASE}.instruments AS t FINAL WHERE symbol = {{symbol:String}} GROUP BY venue, symbol
) AS i USING (venue, symbol) ORDER BY venue
"""
    return statement, params


def latest(kind: DataKind, symbols: list[str]) -> tuple[str, Params]:
    """Newest row of each symbol and venue, the newest first; of several at one instant the first by their key."""
    names = {f"s{n}": parameter(symbol) for n, symbol in enumerate(symbols)}
    listed = ", ".join(f"{{{name}:String}}" for name in names)
    statement = (
        f"SELECT {select(kind)} FROM {DATABASE}.{kind.table} AS t FINAL WHERE symbol IN ({listed}) "
        f"ORDER BY t.ts_event DESC, t.seq DESC, {', '.join(f't.{name}' for name in kind.order_by)} "
        "LIMIT 1 BY symbol, venue"
    )
    return statement, dict(names)


SYMBOLS = f"""
SELECT symbol, venue, ticks, ts_first, ts_last, bars FROM (
  SELECT symbol, venue, count() AS ticks, toUnixTimestamp64Nano(min(ts_event)) AS ts_first,
    toUnixTimestamp64Nano(max(ts_event)) AS ts_last
  FROM {DATABASE}.market_ticks FINAL GROUP BY symbol, venue
) AS t LEFT JOIN (
  SELECT symbol, venue, count() AS bars FROM {DATABASE}.market_bars FINAL GROUP BY symbol, venue
) AS b USING (symbol, venue) ORDER BY venue, symbol
"""


# Rows as they lie in the tables, without what a merge or FINAL would hide.
ROWS_OF_TICKS = f"""SELECT count() AS found, uniqExact(venue, symbol, source, source_seq) AS different
FROM {DATABASE}.market_ticks"""
ROWS_OF_BARS = f"""SELECT count() AS found, uniqExact(venue, symbol, interval, ts_open, revision) AS different,
uniqExact(venue, symbol, interval, ts_open) AS windows FROM {DATABASE}.market_bars"""


def audit(sources: list[str]) -> tuple[str, Params]:
    """Per source: rows as they lie there, distinct ticks, rows as they are read, bars as they are read."""
    names = {f"s{n}": parameter(source) for n, source in enumerate(sources)}
    listed = ", ".join(f"{{{name}:String}}" for name in names)
    statement = f"""
SELECT source, stored, distinct_ticks, read_back, bars FROM (
  SELECT source, count() AS stored, uniqExact(symbol, venue, source_seq) AS distinct_ticks
  FROM {DATABASE}.market_ticks WHERE source IN ({listed}) GROUP BY source
) AS a LEFT JOIN (
  SELECT source, count() AS read_back FROM {DATABASE}.market_ticks FINAL WHERE source IN ({listed}) GROUP BY source
) AS b USING (source) LEFT JOIN (
  SELECT source, count() AS bars FROM {DATABASE}.market_bars FINAL WHERE source IN ({listed}) GROUP BY source
) AS c USING (source) ORDER BY source
"""
    return statement, dict(names)


def daily(symbol: str, ts_from: int | None, ts_to: int | None) -> tuple[str, Params]:
    """Ticks, prices, bars and gaps of one instrument by trading day."""
    params: Params = {"symbol": parameter(symbol)}
    ticks, bars, gaps = (
        "".join(f" AND {bound}" for bound in _bounds(column, ts_from, ts_to, params))
        for column in ("t.ts_event", "t.ts_open", "t.ts_from")
    )
    statement = f"""
SELECT venue, symbol, trading_day, ticks, ts_first, ts_last, first, high, low, last, volume, turnover,
  toInt64(coalesce(b.bars, 0)) AS bars, toInt64(coalesce(g.gaps, 0)) AS gaps, toInt64(coalesce(g.gap_ns, 0)) AS gap_ns
FROM (
  SELECT venue, symbol, trading_day, toInt64(count()) AS ticks, toUnixTimestamp64Nano(min(t.ts_event)) AS ts_first,
    toUnixTimestamp64Nano(max(t.ts_event)) AS ts_last, argMin(t.last, t.seq) AS first, max(t.last) AS high,
    min(t.last) AS low, argMax(t.last, t.seq) AS last, max(t.volume) AS volume, max(t.turnover) AS turnover
  FROM {DATABASE}.market_ticks AS t FINAL
  WHERE symbol = {{symbol:String}} AND trading_day != ''{ticks} GROUP BY venue, symbol, trading_day
) AS d LEFT JOIN (
  SELECT venue, symbol, trading_day, count() AS bars FROM {DATABASE}.market_bars AS t FINAL
  WHERE symbol = {{symbol:String}} AND interval = '1m'{bars} GROUP BY venue, symbol, trading_day
) AS b USING (venue, symbol, trading_day) LEFT JOIN (
  SELECT venue, symbol, trading_day, count() AS gaps,
    sum(toUnixTimestamp64Nano(t.ts_to) - toUnixTimestamp64Nano(t.ts_from)) AS gap_ns
  FROM {DATABASE}.gaps AS t FINAL
  WHERE symbol = {{symbol:String}}{gaps} GROUP BY venue, symbol, trading_day
) AS g USING (venue, symbol, trading_day) ORDER BY venue, trading_day
"""
    return statement, params
