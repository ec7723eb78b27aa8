CREATE TABLE IF NOT EXISTS market.store_identity (
  id String,
  ts_made DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = ReplacingMergeTree
ORDER BY id;

CREATE TABLE IF NOT EXISTS market.store_progress (
  stream LowCardinality(String),
  created String,
  watermark UInt64,
  ts_saved DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = ReplacingMergeTree(ts_saved)
ORDER BY (stream, created);

ALTER TABLE market.dead_letters
  ADD COLUMN kind LowCardinality(String) AFTER payload,
  ADD COLUMN subject String AFTER kind,
  ADD COLUMN redriven Bool DEFAULT false AFTER subject;
