CREATE TABLE IF NOT EXISTS market.bar_revisions (
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
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (symbol, venue, interval, ts_open, revision)
SETTINGS non_replicated_deduplication_window = 10000;

INSERT INTO market.bar_revisions (
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, interval, ts_open, ts_close, trading_day, open,
  high, low, close, volume, turnover, open_interest, ticks, revision, gap, stream_seq, stream_index,
  writer_epoch
)
SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, interval, ts_open, ts_close, trading_day, open,
  high, low, close, volume, turnover, open_interest, ticks, revision, gap, stream_seq, stream_index,
  writer_epoch
FROM market.market_bars SETTINGS max_partitions_per_insert_block = 0;

CREATE TABLE IF NOT EXISTS market.kline_revisions (
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
PARTITION BY toYYYYMM(ts_open)
ORDER BY (symbol, venue, interval, ts_open, ts_pub)
SETTINGS non_replicated_deduplication_window = 10000;

INSERT INTO market.kline_revisions (
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, interval, ts_open, ts_close, open, high, low,
  close, volume, closed, turnover, trades, taker_buy_volume, first_id, last_id, stream_seq, stream_index,
  writer_epoch
)
SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, interval, ts_open, ts_close, open, high, low,
  close, volume, closed, turnover, trades, taker_buy_volume, first_id, last_id, stream_seq, stream_index,
  writer_epoch
FROM market.klines WHERE closed SETTINGS max_partitions_per_insert_block = 0;
