CREATE TABLE IF NOT EXISTS market.dead_letters (
  ts_dead DateTime64(9, 'UTC') DEFAULT now64(9),
  stream LowCardinality(String),
  stream_seq UInt64,
  stream_index UInt32,
  reason String,
  payload String
)
ENGINE = ReplacingMergeTree
ORDER BY (stream, stream_seq, stream_index);
