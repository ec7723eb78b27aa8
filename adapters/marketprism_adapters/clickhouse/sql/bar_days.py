"""Statements about days and spans of time: what ticks and bars of one instrument there are in them."""

from __future__ import annotations

from marketprism_adapters.clickhouse.sql import tick_bars
from marketprism_adapters.clickhouse.sql.parameters import Params, Statement, as_schema, bounds, days, parameter
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.questions import Daily

_DAY_S = 86_400
_UNITS = "transform(right(interval, 1), ['s', 'm', 'h', 'd'], [1, 60, 3600, 86400], 1000000)"
_WIDTH_S = f"toUInt32OrZero(substring(interval, 1, length(interval) - 1)) * {_UNITS}"


def daily(question: Daily) -> Statement:
    """Ticks, prices, bars and gaps of one instrument by trading day. Prices are those that a day bar has: of the ticks
    that bars are made of, with the venue's own open, high and low; of a day without such a tick, of all its ticks. Of a
    day without ticks they are those of its shortest bars, and its times the first opening and the last end of these."""
    from marketprism_application.queries.daily import COLUMNS as DAYS  # noqa: PLC0415 (loads pyarrow)

    params: Params = {"symbol": parameter(question.symbol)}
    counts = tick_bars.COUNTS
    ticks, bars, gaps = (
        "".join(
            f" AND {condition}"
            for condition in (*bounds(column, question.ts_from, question.ts_to, params), *days(question, params))
        )
        for column in ("t.ts_event", "t.ts_open", "t.ts_from")
    )
    text = f"""
SELECT venue, symbol, trading_day, ticks, ts_first, ts_last, first, high, low, last, volume, turnover,
  toInt64(coalesce(b.bars, 0)) AS bars, toInt64(coalesce(g.gaps, 0)) AS gaps, toInt64(coalesce(g.gap_ns, 0)) AS gap_ns
FROM (
  SELECT * FROM (
    SELECT venue, symbol, trading_day, toInt64(count()) AS ticks, toUnixTimestamp64Nano(min(t.ts_event)) AS ts_first,
      toUnixTimestamp64Nano(max(t.ts_event)) AS ts_last,
      coalesce(argMinOrNullIf(ifNull(t.open, t.last), t.seq, {counts}), argMin(t.last, t.seq)) AS first,
      coalesce(maxOrNullIf(greatest(ifNull(t.high, t.last), t.last), {counts}), max(t.last)) AS high,
      coalesce(minOrNullIf(least(ifNull(t.low, t.last), t.last), {counts}), min(t.last)) AS low,
      coalesce(argMaxOrNullIf(t.last, t.seq, {counts}), argMax(t.last, t.seq)) AS last,
      max(t.volume) AS volume, max(t.turnover) AS turnover
    FROM {DATABASE}.market_ticks AS t FINAL
    WHERE symbol = {{symbol:String}} AND trading_day != ''{ticks} GROUP BY venue, symbol, trading_day
    UNION ALL
    SELECT venue, symbol, trading_day, ticks, ts_first, ts_last, first, high, low, last, volume, turnover FROM (
      SELECT venue, symbol, trading_day, interval, toInt64(0) AS ticks,
        toUnixTimestamp64Nano(min(t.ts_open)) AS ts_first, toUnixTimestamp64Nano(max(t.ts_close)) AS ts_last,
        argMin(t.open, t.ts_open) AS first, max(t.high) AS high,
        min(t.low) AS low, argMax(t.close, t.ts_open) AS last, sum(t.volume) AS volume, sum(t.turnover) AS turnover
      FROM {DATABASE}.market_bars AS t FINAL
      WHERE symbol = {{symbol:String}} AND trading_day != '' AND {_WIDTH_S} BETWEEN 1 AND {_DAY_S}{bars}
      GROUP BY venue, symbol, trading_day, interval ORDER BY {_WIDTH_S} LIMIT 1 BY venue, trading_day
    )
  ) ORDER BY ticks DESC LIMIT 1 BY venue, trading_day
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
    return Statement(text, params, as_schema(DAYS))


def minute_spans(question: MinuteSpans) -> Statement:
    """First and last opening of minutes by spans of the clock. Without FINAL, of which no bound depends."""
    from marketprism_application.queries.arrow_tables import MINUTE_SPANS  # noqa: PLC0415 (loads pyarrow)

    params: Params = {"symbol": parameter(question.symbol), "width": question.width_ns, "limit": question.limit}
    where = ["t.symbol = {symbol:String}", "t.interval = '1m'"]
    if question.venue is not None:
        where.append("t.venue = {venue:String}")
        params["venue"] = parameter(question.venue)
    where += [*bounds("t.ts_open", question.ts_from, question.ts_to, params), *days(question, params)]
    direction = "DESC" if question.last else "ASC"
    text = f"""
SELECT venue, trading_day, ts_first, ts_last FROM (
  SELECT t.venue AS venue, t.trading_day AS trading_day, toUnixTimestamp64Nano(min(t.ts_open)) AS ts_first,
    toUnixTimestamp64Nano(max(t.ts_open)) AS ts_last
  FROM {DATABASE}.market_bars AS t WHERE {" AND ".join(where)}
  GROUP BY venue, trading_day, intDiv(toUnixTimestamp64Nano(t.ts_open), {{width:Int64}})
  ORDER BY ts_first {direction}, venue {direction} LIMIT {{limit:UInt32}}
) ORDER BY ts_first, venue
"""
    return Statement(text, params, as_schema(MINUTE_SPANS))
