"""One statement that makes bars of ticks: the aggregator's rules in SQL.

From the inside out: ticks that count, each with its section, session time and minute; whether it carries a trade
(volume or price moved since the tick before); what moved since the trade before; windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketprism_adapters.clickhouse.sql.parameters import Params, Statement, as_schema, parameter
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.contracts.questions import BarsOfTicks

if TYPE_CHECKING:
    import pyarrow as pa

_MINUTE_NS = 60_000_000_000
# Ticks at or just after the last section's end are chosen by their phase, not by this bound.
_EDGE_NS = 3_600_000_000_000

# A tick that bars are made of.
COUNTS = (
    "t.phase IN ('auction', 'continuous', 'section_end') AND t.verdict != 'stale' AND isNotNull(t.last) "
    "AND coalesce(t.traded, t.volume, 0) != 0"
)


def _running(total: str, single: str) -> str:
    """A running total of the trading day; of trades, the sum of those before."""
    return f"if(isNull(r.traded), r.{total}, sum(ifNull(r.{single}, 0)) OVER tape)"


def statement(question: BarsOfTicks) -> Statement | pa.Table:
    """The statement; the empty answer where there are no sections. Sections are in order of time."""
    from marketprism_application.queries.bars_from_ticks import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    if not question.sections:
        return COLUMNS.empty_table()
    width_ns = question.width_ns
    auctions, opens, closes, offsets, days = zip(*question.sections, strict=True)
    params: Params = {
        "symbol": parameter(question.symbol),
        "venue": parameter(question.venue),
        "auctions": list(auctions),
        "opens": list(opens),
        "closes": list(closes),
        "offsets": list(offsets),
        "days": "[" + ",".join(f"'{day}'" for day in days) + "]",
        "ts_from": auctions[0],
        "ts_to": closes[-1] + _EDGE_NS,
        "step": min(width_ns or _MINUTE_NS, _MINUTE_NS),
    }
    window = f"day, intDiv(elapsed, {width_ns:d})" if width_ns else "day"
    order = "ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW"
    placed = f"""
SELECT s.day AS day, t.seq AS seq, t.last AS last, t.volume AS volume, t.turnover AS turnover, t.oi AS oi,
  t.first AS first, t.high AS high, t.low AS low, t.source AS source, t.epoch AS epoch, t.recv AS recv, t.pub AS pub,
  least(greatest(t.ts, s.opened), s.closed - 1) - s.opened AS inside, inside + s.before AS elapsed,
  s.opened + inside - inside % {{step:Int64}} AS step_at
FROM (
  SELECT 1 AS k, toUnixTimestamp64Nano(ts_event) AS ts, seq, last, {_running("volume", "traded")} AS volume,
    {_running("turnover", "traded_turnover")} AS turnover, open_interest AS oi, open AS first,
    high, low, source, epoch, toUnixTimestamp64Nano(ts_recv) AS recv, toUnixTimestamp64Nano(ts_pub) AS pub
  FROM {DATABASE}.market_ticks AS r FINAL
  WHERE symbol = {{symbol:String}} AND venue = {{venue:String}}
    AND ts_event >= fromUnixTimestamp64Nano({{ts_from:Int64}}, 'UTC')
    AND ts_event < fromUnixTimestamp64Nano({{ts_to:Int64}}, 'UTC')
    AND {COUNTS.replace("t.", "r.")}
  WINDOW tape AS (PARTITION BY r.trading_day ORDER BY r.seq)
) AS t ASOF JOIN (
  SELECT 1 AS k, tupleElement(z, 1) AS auction, tupleElement(z, 2) AS opened, tupleElement(z, 3) AS closed,
    tupleElement(z, 4) AS before, tupleElement(z, 5) AS day
  FROM (SELECT arrayJoin(arrayZip({{auctions:Array(Int64)}}, {{opens:Array(Int64)}}, {{closes:Array(Int64)}},
    {{offsets:Array(Int64)}}, {{days:Array(String)}})) AS z)
) AS s ON t.k = s.k AND t.ts >= s.auction"""
    compared = f"""
SELECT *, lagInFrame(volume) OVER d AS was_volume, lagInFrame(last) OVER d AS was_last,
  isNull(was_volume) OR volume != was_volume OR last != was_last AS traded
FROM ({placed}) WINDOW d AS (PARTITION BY day {order})"""
    moved = f"""
SELECT *, lagInFrame(turnover) OVER d AS was_turnover, lagInFrame(high) OVER d AS was_high,
  lagInFrame(low) OVER d AS was_low, row_number() OVER (PARTITION BY day, traded ORDER BY seq) AS number,
  min(if(traded, seq, 9223372036854775807)) OVER (PARTITION BY day, step_at) AS first_trade,
  if(traded AND number = 1, ifNull(first, last), last) AS began,
  greatest(began, if(ifNull(high > last AND (isNull(was_high) OR high > was_high), 0), high, last)) AS highest,
  least(began, if(ifNull(low < last AND (isNull(was_low) OR low < was_low), 0), low, last)) AS lowest
FROM ({compared}) WINDOW d AS (PARTITION BY day, traded {order})"""
    made = f"""
SELECT day AS trading_day, min(step_at) AS start, argMinIf(began, seq, traded) AS open, maxIf(highest, traded) AS high,
  minIf(lowest, traded) AS low, argMaxIf(last, seq, traded) AS close,
  sumIf(assumeNotNull(volume - ifNull(was_volume, 0)), traded) AS volume,
  sumIf(ifNull(turnover - ifNull(was_turnover, 0), 0), traded) AS turnover,
  argMaxIf(oi, seq, ifNull(oi, 0) != 0) AS open_interest, toInt64(count()) AS ticks, argMax(source, seq) AS source,
  argMax(epoch, seq) AS epoch, argMax(recv, seq) AS ts_recv, argMax(pub, seq) AS ts_pub
FROM ({moved}) WHERE seq >= first_trade GROUP BY {window} ORDER BY start"""
    return Statement(made, params, as_schema(COLUMNS))
