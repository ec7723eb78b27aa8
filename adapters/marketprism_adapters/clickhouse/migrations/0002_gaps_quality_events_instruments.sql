CREATE TABLE IF NOT EXISTS market.gaps (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_from DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_to DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  cause LowCardinality(String) CODEC(ZSTD(1)),
  trading_day LowCardinality(String) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (symbol, venue, ts_from, cause)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.quality_metrics (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_from DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_to DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  score Int64 CODEC(Delta, ZSTD(1)),
  ticks Int64 CODEC(Delta, ZSTD(1)),
  accepted Int64 CODEC(Delta, ZSTD(1)),
  rejected Int64 CODEC(Delta, ZSTD(1)),
  stale Int64 CODEC(Delta, ZSTD(1)),
  warned Int64 CODEC(Delta, ZSTD(1)),
  anomalies Int64 CODEC(Delta, ZSTD(1)),
  reasons String CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (symbol, venue, ts_from)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.domain_events (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  name LowCardinality(String) CODEC(ZSTD(1)),
  event_id String CODEC(ZSTD(1)),
  data String CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (name, ts_event, event_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.instruments (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  product LowCardinality(String) CODEC(ZSTD(1)),
  class_ LowCardinality(String) CODEC(ZSTD(1)),
  multiplier Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  price_tick Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  underlying LowCardinality(String) CODEC(ZSTD(1)),
  strike Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  option_type LowCardinality(String) CODEC(ZSTD(1)),
  list_day LowCardinality(String) CODEC(ZSTD(1)),
  expire_day LowCardinality(String) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (symbol, venue, ts_event)
SETTINGS non_replicated_deduplication_window = 10000;
