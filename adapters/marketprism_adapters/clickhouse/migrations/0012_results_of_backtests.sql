CREATE TABLE IF NOT EXISTS market.backtests (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  kind Nullable(String) CODEC(ZSTD(1)),
  state Nullable(String) CODEC(ZSTD(1)),
  user Nullable(String) CODEC(ZSTD(1)),
  strategy Nullable(String) CODEC(ZSTD(1)),
  code Nullable(String) CODEC(ZSTD(1)),
  error Nullable(String) CODEC(ZSTD(1)),
  key Nullable(String) CODEC(ZSTD(1)),
  digest Nullable(String) CODEC(ZSTD(1)),
  same_as Nullable(String) CODEC(ZSTD(1)),
  params Nullable(String) CODEC(ZSTD(1)),
  instruments Nullable(String) CODEC(ZSTD(1)),
  interval Nullable(String) CODEC(ZSTD(1)),
  run_settings Nullable(String) CODEC(ZSTD(1)),
  document Nullable(String) CODEC(ZSTD(3)),
  created_at Nullable(Int64) CODEC(ZSTD(1)),
  ts_from Nullable(Int64) CODEC(ZSTD(1)),
  ts_to Nullable(Int64) CODEC(ZSTD(1)),
  as_of Nullable(Int64) CODEC(ZSTD(1)),
  started_at Nullable(Int64) CODEC(ZSTD(1)),
  ended_at Nullable(Int64) CODEC(ZSTD(1)),
  runs Nullable(Int64) CODEC(ZSTD(1)),
  done Nullable(Int64) CODEC(ZSTD(1)),
  failed Nullable(Int64) CODEC(ZSTD(1)),
  rows_read Nullable(Int64) CODEC(ZSTD(1)),
  cpu_s Nullable(Float64) CODEC(ZSTD(1)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_runs (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  state Nullable(String) CODEC(ZSTD(1)),
  digest Nullable(String) CODEC(ZSTD(1)),
  params Nullable(String) CODEC(ZSTD(1)),
  code Nullable(String) CODEC(ZSTD(1)),
  error Nullable(String) CODEC(ZSTD(1)),
  counts Nullable(String) CODEC(ZSTD(1)),
  document Nullable(String) CODEC(ZSTD(3)),
  net Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  gross Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  fees Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  funding Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_stats (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  name Nullable(String) CODEC(ZSTD(1)),
  convention Nullable(String) CODEC(ZSTD(1)),
  value Nullable(Float64) CODEC(ZSTD(1)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_files (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  name Nullable(String) CODEC(ZSTD(1)),
  data Nullable(String) CODEC(ZSTD(3)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_fills (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  number Nullable(Int64) CODEC(ZSTD(1)),
  order_number Nullable(Int64) CODEC(ZSTD(1)),
  ts Nullable(Int64) CODEC(ZSTD(1)),
  ts_known Nullable(Int64) CODEC(ZSTD(1)),
  evidence_ts Nullable(Int64) CODEC(ZSTD(1)),
  evidence_seq Nullable(Int64) CODEC(ZSTD(1)),
  trading_day Nullable(String) CODEC(ZSTD(1)),
  venue Nullable(String) CODEC(ZSTD(1)),
  symbol Nullable(String) CODEC(ZSTD(1)),
  side Nullable(String) CODEC(ZSTD(1)),
  tag Nullable(String) CODEC(ZSTD(1)),
  gap Nullable(String) CODEC(ZSTD(1)),
  evidence_series Nullable(String) CODEC(ZSTD(1)),
  evidence_venue Nullable(String) CODEC(ZSTD(1)),
  evidence_symbol Nullable(String) CODEC(ZSTD(1)),
  quantity Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  price Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  fee Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  profit Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  held Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  taker Nullable(Bool) CODEC(ZSTD(1)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_orders (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  number Nullable(Int64) CODEC(ZSTD(1)),
  ts Nullable(Int64) CODEC(ZSTD(1)),
  ts_done Nullable(Int64) CODEC(ZSTD(1)),
  venue Nullable(String) CODEC(ZSTD(1)),
  symbol Nullable(String) CODEC(ZSTD(1)),
  side Nullable(String) CODEC(ZSTD(1)),
  kind Nullable(String) CODEC(ZSTD(1)),
  tif Nullable(String) CODEC(ZSTD(1)),
  state Nullable(String) CODEC(ZSTD(1)),
  code Nullable(String) CODEC(ZSTD(1)),
  tag Nullable(String) CODEC(ZSTD(1)),
  quantity Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  filled Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  limit_price Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  stop_price Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_positions (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  sign Nullable(Int64) CODEC(ZSTD(1)),
  ts_entry Nullable(Int64) CODEC(ZSTD(1)),
  ts_exit Nullable(Int64) CODEC(ZSTD(1)),
  venue Nullable(String) CODEC(ZSTD(1)),
  symbol Nullable(String) CODEC(ZSTD(1)),
  tag Nullable(String) CODEC(ZSTD(1)),
  quantity Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  entry Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  exit Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  profit Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  fees Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  funding Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  mae Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  mfe Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  seconds Nullable(Float64) CODEC(ZSTD(1)),
  held_through Nullable(Bool) CODEC(ZSTD(1)),
  tainted Nullable(Bool) CODEC(ZSTD(1)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_decisions (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  ts Nullable(Int64) CODEC(ZSTD(1)),
  venue Nullable(String) CODEC(ZSTD(1)),
  symbol Nullable(String) CODEC(ZSTD(1)),
  text Nullable(String) CODEC(ZSTD(1)),
  tainted Nullable(Bool) CODEC(ZSTD(1)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_equity (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  date Nullable(String) CODEC(ZSTD(1)),
  trading_day Nullable(String) CODEC(ZSTD(1)),
  ts Nullable(Int64) CODEC(ZSTD(1)),
  held Nullable(Int64) CODEC(ZSTD(1)),
  equity Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  cash Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  open_profit Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  returns Nullable(Float64) CODEC(ZSTD(1)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_series (
  record String CODEC(ZSTD(1)),
  run Int64 CODEC(Delta, ZSTD(1)),
  row Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(Delta, ZSTD(1)),
  ts Nullable(Int64) CODEC(ZSTD(1)),
  name Nullable(String) CODEC(ZSTD(1)),
  value Nullable(String) CODEC(ZSTD(1)),
  more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);
