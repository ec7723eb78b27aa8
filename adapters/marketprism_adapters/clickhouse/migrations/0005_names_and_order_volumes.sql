ALTER TABLE market.instruments
  ADD COLUMN name LowCardinality(String) CODEC(ZSTD(1)) AFTER expire_day,
  ADD COLUMN min_limit_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)) AFTER name,
  ADD COLUMN max_limit_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)) AFTER min_limit_volume,
  ADD COLUMN min_market_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)) AFTER max_limit_volume,
  ADD COLUMN max_market_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)) AFTER min_market_volume;
