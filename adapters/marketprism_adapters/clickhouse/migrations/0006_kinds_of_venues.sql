ALTER TABLE market.market_ticks
  ADD COLUMN traded Nullable(Decimal(38, 18)) AFTER asks_quantity,
  ADD COLUMN traded_turnover Nullable(Decimal(38, 18)) AFTER traded;

ALTER TABLE market.gaps
  ADD COLUMN kind LowCardinality(String) CODEC(ZSTD(1)) AFTER trading_day,
  MODIFY ORDER BY (symbol, venue, ts_from, cause, kind);

ALTER TABLE market.instruments
  ADD COLUMN native LowCardinality(String) CODEC(ZSTD(1)) AFTER max_market_volume,
  ADD COLUMN base LowCardinality(String) CODEC(ZSTD(1)) AFTER native,
  ADD COLUMN quote LowCardinality(String) CODEC(ZSTD(1)) AFTER base,
  ADD COLUMN settle LowCardinality(String) CODEC(ZSTD(1)) AFTER quote,
  ADD COLUMN inverse Bool CODEC(ZSTD(1)) AFTER settle,
  ADD COLUMN quantity_step Nullable(Decimal(38, 18)) CODEC(ZSTD(1)) AFTER inverse,
  ADD COLUMN min_notional Nullable(Decimal(38, 18)) CODEC(ZSTD(1)) AFTER quantity_step,
  ADD COLUMN status LowCardinality(String) CODEC(ZSTD(1)) AFTER min_notional;

CREATE TABLE IF NOT EXISTS market.trades (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  trade_id String CODEC(ZSTD(1)),
  price Decimal(38, 18) CODEC(ZSTD(1)),
  quantity Decimal(38, 18) CODEC(ZSTD(1)),
  side LowCardinality(String) CODEC(ZSTD(1)),
  contracts Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  first_id Nullable(Int64) CODEC(ZSTD(1)),
  last_id Nullable(Int64) CODEC(ZSTD(1)),
  off_book Bool CODEC(ZSTD(1)),
  liquidation LowCardinality(String) CODEC(ZSTD(1)),
  mark_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  index_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  implied_volatility Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.order_books (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  form LowCardinality(String) CODEC(ZSTD(1)),
  valid Bool CODEC(ZSTD(1)),
  first_id Int64 CODEC(Delta, ZSTD(1)),
  prev_id Nullable(Int64) CODEC(ZSTD(1)),
  bids_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  bids_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  asks_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  asks_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  bid_floor Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  ask_ceiling Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  cause LowCardinality(String) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq, form)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.book_tops (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  valid Bool CODEC(ZSTD(1)),
  depth Int64 CODEC(ZSTD(1)),
  bids_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  bids_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  asks_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  asks_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.klines (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  interval LowCardinality(String) CODEC(ZSTD(1)),
  ts_open DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_close DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  open Decimal(38, 18) CODEC(ZSTD(1)),
  high Decimal(38, 18) CODEC(ZSTD(1)),
  low Decimal(38, 18) CODEC(ZSTD(1)),
  close Decimal(38, 18) CODEC(ZSTD(1)),
  volume Decimal(38, 18) CODEC(ZSTD(1)),
  closed Bool CODEC(ZSTD(1)),
  turnover Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  trades Nullable(Int64) CODEC(ZSTD(1)),
  taker_buy_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  first_id Nullable(Int64) CODEC(ZSTD(1)),
  last_id Nullable(Int64) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_open)
ORDER BY (symbol, venue, interval, ts_open)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.tickers (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  last Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  last_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  bid Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  bid_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  ask Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  ask_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  open Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  high Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  low Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  turnover Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  mark_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  index_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  settlement Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  underlying_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  open_interest Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  mark_volatility Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  bid_volatility Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  ask_volatility Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  delta Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  gamma Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  vega Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  theta Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  rho Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.funding_rates (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  rate Decimal(38, 18) CODEC(ZSTD(1)),
  ts_funding DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  interval_s Nullable(Int64) CODEC(ZSTD(1)),
  settled Bool CODEC(ZSTD(1)),
  next_rate Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  mark_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  index_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.open_interest (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  open_interest Decimal(38, 18) CODEC(ZSTD(1)),
  contracts Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  value Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.liquidations (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  side LowCardinality(String) CODEC(ZSTD(1)),
  price Decimal(38, 18) CODEC(ZSTD(1)),
  quantity Decimal(38, 18) CODEC(ZSTD(1)),
  price_of LowCardinality(String) CODEC(ZSTD(1)),
  complete Bool CODEC(ZSTD(1)),
  contracts Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;
