CREATE TABLE IF NOT EXISTS market.market_ticks (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  source_seq Int64 CODEC(Delta, ZSTD(1)),
  trading_day LowCardinality(String) CODEC(ZSTD(1)),
  last Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  turnover Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  open_interest Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  open Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  high Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  low Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  close Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  settlement Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  pre_close Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  pre_settlement Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  pre_open_interest Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  limit_up Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  limit_down Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  average_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  bids_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  bids_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  asks_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  asks_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
  phase LowCardinality(String) CODEC(ZSTD(1)),
  verdict LowCardinality(String) CODEC(ZSTD(1)),
  quality_score Nullable(Int64) CODEC(ZSTD(1)),
  warnings Array(LowCardinality(String)) CODEC(ZSTD(1)),
  rules_version Nullable(Int64) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.market_bars (
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
  trading_day LowCardinality(String) CODEC(ZSTD(1)),
  open Decimal(38, 18) CODEC(ZSTD(1)),
  high Decimal(38, 18) CODEC(ZSTD(1)),
  low Decimal(38, 18) CODEC(ZSTD(1)),
  close Decimal(38, 18) CODEC(ZSTD(1)),
  volume Decimal(38, 18) CODEC(ZSTD(1)),
  turnover Decimal(38, 18) CODEC(ZSTD(1)),
  open_interest Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  ticks Int64 CODEC(Delta, ZSTD(1)),
  revision Int64 CODEC(Delta, ZSTD(1)),
  gap Bool CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1)),
  row_version UInt64 MATERIALIZED bitShiftLeft(toUInt64(revision), 48) + stream_seq
)
ENGINE = ReplacingMergeTree(row_version)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (symbol, venue, interval, ts_open)
SETTINGS non_replicated_deduplication_window = 10000;
