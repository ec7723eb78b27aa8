CREATE TABLE IF NOT EXISTS market.mark_prices (
  venue LowCardinality(String) CODEC(ZSTD(1)),
  symbol LowCardinality(String) CODEC(ZSTD(1)),
  source LowCardinality(String) CODEC(ZSTD(1)),
  epoch Int64 CODEC(Delta, ZSTD(1)),
  seq Int64 CODEC(Delta, ZSTD(1)),
  ts_event DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_recv DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  ts_pub DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  mark_price Decimal(38, 18) CODEC(ZSTD(1)),
  index_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  estimated_settlement_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
  stream_seq UInt64 CODEC(Delta, ZSTD(1)),
  stream_index UInt32 CODEC(ZSTD(1)),
  writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;
