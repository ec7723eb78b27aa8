"""Read statements: text comes in as parameters, never as part of the statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, assert_never

from marketprism_adapters.clickhouse.sql import bar_days, overviews, tick_bars
from marketprism_adapters.clickhouse.sql.columns import from_engine
from marketprism_adapters.clickhouse.sql.parameters import Params, Statement, as_schema, bounds, days, parameter
from marketprism_adapters.clickhouse.sql.schema import select
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.kinds import INSTRUMENT, KINDS, DataKind
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.contracts.questions import (
    Audit,
    BarSeries,
    BarsOfTicks,
    Daily,
    Instruments,
    Latest,
    Listing,
    Names,
    Records,
    Statistics,
    StoreQuestion,
    Symbols,
)

if TYPE_CHECKING:
    import pyarrow as pa

# A page is a few granules of one instrument: threads cost more than they bring, and belong to the other callers.
_ONE_THREAD = " SETTINGS max_threads = 1"


def statement(question: StoreQuestion) -> Statement | pa.Table:
    """What the engine is asked; the answer itself where the engine need not be asked."""
    match question:
        case Records():
            return records(question)
        case Latest():
            return latest(question)
        case Symbols() | Names() | BarSeries() | Listing():
            return _WHOLE[type(question)]()
        case Audit():
            return audit(question)
        case Daily():
            return bar_days.daily(question)
        case MinuteSpans():
            return bar_days.minute_spans(question)
        case Statistics():
            return statistics(question)
        case Instruments():
            return instruments(question)
        case BarsOfTicks():
            return tick_bars.statement(question)
        case Coverage() | GapLedger() | QualityOverview():
            return overviews.statement(question)
        case _:
            assert_never(question)


def records(query: Records) -> Statement:
    """Rows of one instrument in a range, by time, a page of them."""
    kind = KINDS[query.kind]
    stored = f"t.{kind.time_field}"  # the column itself: its plain name means the number that is selected
    where, params = ["symbol = {symbol:String}"], {"symbol": parameter(query.symbol), "limit": query.limit}
    if query.venue is not None:
        where.append("venue = {venue:String}")
        params["venue"] = parameter(query.venue)
    if query.interval is not None and kind.has_interval:
        where.append("interval = {interval:String}")
        params["interval"] = parameter(query.interval)
    where += bounds(stored, query.ts_from, query.ts_to, params)
    if "trading_day" in kind.fields:
        where += days(query, params)
    source = f"{DATABASE}.{kind.table} AS t FINAL"
    if query.as_of is not None:
        source, where = f"({_stood(kind, query.as_of, where, params)}) AS t", ["1"]
    if query.after is not None:
        where.append(_behind(kind, query.after, params))
    direction = "DESC" if query.last else "ASC"
    # Rows of one instant have an order too: several venues have bars of the same minute.
    chosen = {"symbol"} | ({"venue"} if query.venue is not None else set())
    order = ", ".join(f"t.{name} {direction}" for name in kind.read_order if name not in chosen)
    text = (
        f"SELECT {select(kind, query.fields)} FROM {source} WHERE {' AND '.join(where)} "
        f"ORDER BY {order} LIMIT {{limit:UInt32}}{_ONE_THREAD}"
    )

    def shape(table: pa.Table) -> pa.Table:
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        found = from_engine(kind, table, query.fields)
        return found.take(pa.array(range(found.num_rows - 1, -1, -1), pa.int64())) if query.last else found

    return Statement(text, params, shape)


def held(kind: DataKind) -> str:
    """Oldest and newest time and number of rows of a kind's table, which the engine knows without reading a row: they
    are of the time by which the table is cut into partitions."""
    column = f"t.{kind.partitioned_by}"
    return (
        f"SELECT toUnixTimestamp64Nano(min({column})) AS oldest, toUnixTimestamp64Nano(max({column})) AS newest, "
        f"toInt64(count()) AS rows FROM {DATABASE}.{kind.table} AS t"
    )


def _stood(kind: DataKind, as_of: int, where: Sequence[str], params: Params) -> str:
    """Rows that stood at an instant: of those of one key that were published by then, the newest revision."""
    params["as_of"] = as_of
    newest = ", ".join(f"t.{name} DESC" for name in dict.fromkeys((kind.revised_by, "stream_seq")))
    key = ", ".join(f"t.{name}" for name in kind.order_by)
    return (
        f"SELECT * FROM {DATABASE}.{kind.revisions} AS t FINAL WHERE {' AND '.join(where)} "
        f"AND t.ts_pub <= fromUnixTimestamp64Nano({{as_of:Int64}}, 'UTC') ORDER BY {newest} LIMIT 1 BY {key}"
    )


def _behind(kind: DataKind, key: Sequence[int | str], params: Params) -> str:
    """The condition of rows whose page key comes after all those that begin like `key`."""
    names, values = kind.page_key[: len(key)], []
    for name, value in zip(names, key, strict=False):
        params[f"after_{name}"] = parameter(value) if isinstance(value, str) else value
        given = f"{{after_{name}:{'String' if isinstance(value, str) else 'Int64'}}}"
        values.append(f"fromUnixTimestamp64Nano({given}, 'UTC')" if name == kind.time_field else given)
    return f"({', '.join(f't.{name}' for name in names)}) > ({', '.join(values)})"


def instruments(question: Instruments) -> Statement:
    """Newest terms of the instruments that fit."""
    search = question.search
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
    if question.after is not None:
        where.append("(venue, symbol) > ({after_venue:String}, {after_symbol:String})")
        params["after_venue"], params["after_symbol"] = (parameter(part) for part in question.after)
    if search.at:
        where += bounds("t.ts_event", None, search.at + 1, params)
    text = (
        f"SELECT {select(INSTRUMENT)} FROM {DATABASE}.{INSTRUMENT.table} AS t FINAL WHERE {' AND '.join(where)} "
        "ORDER BY venue, symbol, t.ts_event DESC LIMIT 1 BY venue, symbol LIMIT {limit:UInt32}"
    )
    return Statement(text, params, lambda table: from_engine(INSTRUMENT, table))


_SEARCHED = ("symbol", "product", "underlying", "name")


def statistics(question: Statistics) -> Statement:
    """Sums over an instrument's minute bars. The multiplier is in a tuple because argMax passes over NULL: one that the
    newest terms do not state would be that of older terms."""
    from marketprism_application.queries.statistics import COLUMNS as STATISTICS  # noqa: PLC0415 (loads pyarrow)

    params: Params = {"symbol": parameter(question.symbol)}
    conditions = [*bounds("t.ts_open", question.ts_from, question.ts_to, params), *days(question, params)]
    within = "".join(f" AND {condition}" for condition in conditions)
    text = f"""
SELECT venue, symbol, bars, ticks, gaps, ts_from, ts_to, open, high, low, close, volume, turnover, multiplier,
  base, inverse FROM (
  SELECT venue, symbol, toInt64(count()) AS bars, toInt64(sum(t.ticks)) AS ticks, toInt64(countIf(t.gap)) AS gaps,
    toUnixTimestamp64Nano(min(t.ts_open)) AS ts_from, toUnixTimestamp64Nano(max(t.ts_close)) AS ts_to,
    argMin(t.open, t.ts_open) AS open, max(t.high) AS high, min(t.low) AS low, argMax(t.close, t.ts_open) AS close,
    sum(t.volume) AS volume, sum(t.turnover) AS turnover
  FROM {DATABASE}.market_bars AS t FINAL
  WHERE symbol = {{symbol:String}} AND interval = '1m'{within} GROUP BY venue, symbol
) AS b LEFT JOIN (
  SELECT venue, symbol, argMax(tuple(t.multiplier), t.ts_event).1 AS multiplier, argMax(t.base, t.ts_event) AS base,
    argMax(t.inverse, t.ts_event) AS inverse
  FROM {DATABASE}.instruments AS t FINAL WHERE symbol = {{symbol:String}} GROUP BY venue, symbol
) AS i USING (venue, symbol) ORDER BY venue
"""
    return Statement(text, params, as_schema(STATISTICS))


def latest(question: Latest) -> Statement | pa.Table:
    """Newest row of each symbol and venue, the newest first; of several at one instant the first by their key."""
    kind = KINDS[question.kind]
    if not question.symbols:
        from marketprism_application.queries.arrow_tables import schema_of  # noqa: PLC0415 (loads pyarrow)

        return schema_of(kind.name).empty_table()
    names = {f"s{n}": parameter(symbol) for n, symbol in enumerate(question.symbols)}
    listed = ", ".join(f"{{{name}:String}}" for name in names)
    newest = ""
    if "ts_event" in kind.order_by:  # then what a merge or FINAL hides has the time of what it leaves
        # Found by three columns; of the others only what lies around these rows is read. GLOBAL: once, for all shards.
        newest = (
            f" AND (t.symbol, t.venue, t.ts_event) GLOBAL IN (SELECT k.symbol, k.venue, max(k.ts_event) "
            f"FROM {DATABASE}.{kind.table} AS k WHERE k.symbol IN ({listed}) GROUP BY k.symbol, k.venue)"
        )
    text = (
        f"SELECT {select(kind)} FROM {DATABASE}.{kind.table} AS t FINAL WHERE symbol IN ({listed}){newest} "
        f"ORDER BY t.ts_event DESC, t.seq DESC, {', '.join(f't.{name}' for name in kind.order_by)} "
        "LIMIT 1 BY symbol, venue"
    )
    return Statement(text, dict(names), lambda table: from_engine(kind, table))


_SYMBOLS = f"""
SELECT symbol, venue, sum(found) AS ticks, if(ticks > 0, maxIf(first, found > 0), max(first)) AS ts_first,
  if(ticks > 0, maxIf(last, found > 0), max(last)) AS ts_last, sum(made) AS bars
FROM (
  SELECT symbol, venue, toInt64(count()) AS found, toUnixTimestamp64Nano(min(ts_event)) AS first,
    toUnixTimestamp64Nano(max(ts_event)) AS last, toInt64(0) AS made
  FROM {DATABASE}.market_ticks FINAL GROUP BY symbol, venue
  UNION ALL
  SELECT symbol, venue, toInt64(0) AS found, toUnixTimestamp64Nano(min(ts_open)) AS first,
    toUnixTimestamp64Nano(max(ts_close)) AS last, toInt64(count()) AS made
  FROM {DATABASE}.market_bars FINAL GROUP BY symbol, venue
) GROUP BY symbol, venue ORDER BY venue, symbol
"""


def symbols() -> Statement:
    """Ticks and bars of each symbol and venue, and the bounds of its ticks, without any those of its bars."""
    from marketprism_application.queries.arrow_tables import SYMBOLS  # noqa: PLC0415 (loads pyarrow)

    return Statement(_SYMBOLS, {}, as_schema(SYMBOLS))


_NAMES = f"""
SELECT symbol, venue, max(stored) = 1 AS stored FROM (
  SELECT symbol, venue, 1 AS stored FROM {DATABASE}.market_ticks GROUP BY symbol, venue
  UNION ALL SELECT symbol, venue, 1 AS stored FROM {DATABASE}.market_bars GROUP BY symbol, venue
  UNION ALL SELECT symbol, venue, 0 AS stored FROM {DATABASE}.instruments GROUP BY symbol, venue
) GROUP BY symbol, venue ORDER BY venue, symbol
"""


def names() -> Statement:
    """Every symbol and venue that a row names."""
    from marketprism_application.queries.arrow_tables import NAMES  # noqa: PLC0415 (loads pyarrow)

    return Statement(_NAMES, {}, as_schema(NAMES))


_OF_BARS = "toUnixTimestamp64Nano(min(ts_open)) AS ts_first, toUnixTimestamp64Nano(max(ts_open)) AS ts_last"
_BAR_SERIES = f"""
SELECT kind, venue, symbol, interval, ts_first, ts_last, rows FROM (
  SELECT 'bar' AS kind, venue, symbol, interval, {_OF_BARS}, count() AS rows
  FROM {DATABASE}.market_bars FINAL GROUP BY venue, symbol, interval
  UNION ALL SELECT 'kline' AS kind, venue, symbol, interval, {_OF_BARS}, count() AS rows
  FROM {DATABASE}.klines FINAL GROUP BY venue, symbol, interval
) ORDER BY kind, venue, symbol, interval
"""


def bar_series() -> Statement:
    """Series of bars and klines, with their bounds and how many rows each has."""
    from marketprism_application.queries.arrow_tables import BAR_SERIES  # noqa: PLC0415 (loads pyarrow)

    return Statement(_BAR_SERIES, {}, as_schema(BAR_SERIES))


_TERMS = "product, class_, underlying, option_type, expire_day, name, native, quote"
_LISTING = f"""
SELECT symbol, venue, stored, ts_last, open_interest, {_TERMS} FROM (
  SELECT symbol, venue, max(stored) = 1 AS stored,
    if(max(ts_tick) > 0, max(ts_tick), nullIf(max(ts_bar), 0)) AS ts_last
  FROM (
    SELECT symbol, venue, 1 AS stored, toUnixTimestamp64Nano(max(ts_event)) AS ts_tick, toInt64(0) AS ts_bar
    FROM {DATABASE}.market_ticks GROUP BY symbol, venue
    UNION ALL SELECT symbol, venue, 1 AS stored, toInt64(0) AS ts_tick, toUnixTimestamp64Nano(max(ts_close)) AS ts_bar
    FROM {DATABASE}.market_bars GROUP BY symbol, venue
    UNION ALL SELECT symbol, venue, 0 AS stored, toInt64(0) AS ts_tick, toInt64(0) AS ts_bar
    FROM {DATABASE}.instruments GROUP BY symbol, venue
  ) GROUP BY symbol, venue
) AS k LEFT JOIN (
  SELECT symbol, venue, {_TERMS} FROM {DATABASE}.instruments AS t FINAL
  ORDER BY venue, symbol, t.ts_event DESC LIMIT 1 BY venue, symbol
) AS i USING (symbol, venue) LEFT JOIN (
  SELECT symbol, venue, argMax(tuple(t.open_interest), t.ts_open).1 AS open_interest
  FROM {DATABASE}.market_bars AS t FINAL WHERE interval = '1d' GROUP BY symbol, venue
) AS b USING (symbol, venue) ORDER BY venue, symbol
"""


def listing() -> Statement:
    """Every symbol and venue that a row names, with the words of its newest terms. The open interest is in a tuple
    because argMax passes over NULL."""
    from marketprism_application.queries.arrow_tables import LISTING  # noqa: PLC0415 (loads pyarrow)

    return Statement(_LISTING, {}, as_schema(LISTING))


# Rows as they lie in the tables, without what a merge or FINAL would hide.
ROWS_OF_TICKS = f"""SELECT count() AS found, uniqExact(venue, symbol, source, source_seq) AS different
FROM {DATABASE}.market_ticks"""
ROWS_OF_BARS = f"""SELECT count() AS found, uniqExact(venue, symbol, interval, ts_open, revision) AS different,
uniqExact(venue, symbol, interval, ts_open) AS windows FROM {DATABASE}.market_bars"""


_WHOLE: dict[type[StoreQuestion], Callable[[], Statement]] = {
    Symbols: symbols,
    Names: names,
    BarSeries: bar_series,
    Listing: listing,
}


def audit(question: Audit) -> Statement | pa.Table:
    """Per source: rows as they lie there, distinct ticks, rows as they are read, bars as they are read."""
    from marketprism_application.queries.arrow_tables import AUDIT  # noqa: PLC0415 (loads pyarrow)

    if not question.sources:
        return AUDIT.empty_table()
    names = {f"s{n}": parameter(source) for n, source in enumerate(question.sources)}
    listed = ", ".join(f"{{{name}:String}}" for name in names)
    text = f"""
SELECT source, stored, distinct_ticks, read_back, bars FROM (
  SELECT source, count() AS stored, uniqExact(symbol, venue, source_seq) AS distinct_ticks
  FROM {DATABASE}.market_ticks WHERE source IN ({listed}) GROUP BY source
) AS a LEFT JOIN (
  SELECT source, count() AS read_back FROM {DATABASE}.market_ticks FINAL WHERE source IN ({listed}) GROUP BY source
) AS b USING (source) LEFT JOIN (
  SELECT source, count() AS bars FROM {DATABASE}.market_bars FINAL WHERE source IN ({listed}) GROUP BY source
) AS c USING (source) ORDER BY source
"""
    return Statement(text, dict(names), as_schema(AUDIT))
