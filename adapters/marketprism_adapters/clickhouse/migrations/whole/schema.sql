CREATE TABLE IF NOT EXISTS market.backtest_series
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    ts Nullable(Int64) CODEC(ZSTD(1)),
    name Nullable(String) CODEC(ZSTD(1)),
    value Nullable(String) CODEC(ZSTD(1)),
    more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_equity
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
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

CREATE TABLE IF NOT EXISTS market.backtest_decisions
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    ts Nullable(Int64) CODEC(ZSTD(1)),
    venue Nullable(String) CODEC(ZSTD(1)),
    symbol Nullable(String) CODEC(ZSTD(1)),
    text Nullable(String) CODEC(ZSTD(1)),
    tainted Nullable(Bool) CODEC(ZSTD(1)),
    more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_positions
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
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

CREATE TABLE IF NOT EXISTS market.backtest_orders
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
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

CREATE TABLE IF NOT EXISTS market.backtest_fills
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
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

CREATE TABLE IF NOT EXISTS market.backtest_files
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    name Nullable(String) CODEC(ZSTD(1)),
    data Nullable(String) CODEC(ZSTD(3)),
    more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_stats
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    name Nullable(String) CODEC(ZSTD(1)),
    convention Nullable(String) CODEC(ZSTD(1)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    more String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (record, run, row);

CREATE TABLE IF NOT EXISTS market.backtest_runs
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
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

CREATE TABLE IF NOT EXISTS market.backtests
(
    record String CODEC(ZSTD(1)),
    run Int64 CODEC(Delta(8), ZSTD(1)),
    row Int64 CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
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

CREATE TABLE IF NOT EXISTS market.kline_revisions
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    interval LowCardinality(String) CODEC(ZSTD(1)),
    ts_open DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_close DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
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
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_open)
ORDER BY (symbol, venue, interval, ts_open, ts_pub)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.bar_revisions
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    interval LowCardinality(String) CODEC(ZSTD(1)),
    ts_open DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_close DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    trading_day LowCardinality(String) CODEC(ZSTD(1)),
    open Decimal(38, 18) CODEC(ZSTD(1)),
    high Decimal(38, 18) CODEC(ZSTD(1)),
    low Decimal(38, 18) CODEC(ZSTD(1)),
    close Decimal(38, 18) CODEC(ZSTD(1)),
    volume Decimal(38, 18) CODEC(ZSTD(1)),
    turnover Decimal(38, 18) CODEC(ZSTD(1)),
    open_interest Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    ticks Int64 CODEC(Delta(8), ZSTD(1)),
    revision Int64 CODEC(Delta(8), ZSTD(1)),
    gap Bool CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (symbol, venue, interval, ts_open, revision)
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS market.mark_prices
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    mark_price Decimal(38, 18) CODEC(ZSTD(1)),
    index_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    estimated_settlement_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS market.store_progress
(
    stream LowCardinality(String),
    created String,
    watermark UInt64,
    ts_message Int64 DEFAULT 0,
    ts_saved DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = ReplacingMergeTree(ts_saved)
ORDER BY (stream, created);

CREATE TABLE IF NOT EXISTS market.store_identity
(
    id String,
    ts_made DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = ReplacingMergeTree
ORDER BY id;

CREATE TABLE IF NOT EXISTS market.liquidations
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    side LowCardinality(String) CODEC(ZSTD(1)),
    price Decimal(38, 18) CODEC(ZSTD(1)),
    quantity Decimal(38, 18) CODEC(ZSTD(1)),
    price_of LowCardinality(String) CODEC(ZSTD(1)),
    complete Bool CODEC(ZSTD(1)),
    contracts Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.open_interest
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    open_interest Decimal(38, 18) CODEC(ZSTD(1)),
    contracts Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    value Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.funding_rates
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    rate Decimal(38, 18) CODEC(ZSTD(1)),
    ts_funding DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    interval_s Nullable(Int64) CODEC(ZSTD(1)),
    settled Bool CODEC(ZSTD(1)),
    next_rate Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    mark_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    index_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.tickers
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
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
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS market.klines
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    interval LowCardinality(String) CODEC(ZSTD(1)),
    ts_open DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_close DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
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
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_open)
ORDER BY (symbol, venue, interval, ts_open)
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS market.book_tops
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    valid Bool CODEC(ZSTD(1)),
    depth Int64 CODEC(ZSTD(1)),
    bids_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
    bids_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
    asks_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
    asks_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS market.order_books
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    form LowCardinality(String) CODEC(ZSTD(1)),
    valid Bool CODEC(ZSTD(1)),
    first_id Int64 CODEC(Delta(8), ZSTD(1)),
    prev_id Nullable(Int64) CODEC(ZSTD(1)),
    bids_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
    bids_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
    asks_price Array(Decimal(38, 18)) CODEC(ZSTD(1)),
    asks_quantity Array(Decimal(38, 18)) CODEC(ZSTD(1)),
    bid_floor Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    ask_ceiling Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    cause LowCardinality(String) CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq, form)
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS market.trades
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
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
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS market.dead_letters
(
    ts_dead DateTime64(9, 'UTC') DEFAULT now64(9),
    stream LowCardinality(String),
    stream_seq UInt64,
    stream_index UInt32,
    reason String,
    payload String,
    kind LowCardinality(String),
    subject String,
    redriven Bool DEFAULT false
)
ENGINE = ReplacingMergeTree
ORDER BY (stream, stream_seq, stream_index);

CREATE TABLE IF NOT EXISTS market.instruments
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    product LowCardinality(String) CODEC(ZSTD(1)),
    class_ LowCardinality(String) CODEC(ZSTD(1)),
    multiplier Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    price_tick Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    underlying LowCardinality(String) CODEC(ZSTD(1)),
    strike Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    option_type LowCardinality(String) CODEC(ZSTD(1)),
    list_day LowCardinality(String) CODEC(ZSTD(1)),
    expire_day LowCardinality(String) CODEC(ZSTD(1)),
    name LowCardinality(String) CODEC(ZSTD(1)),
    min_limit_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    max_limit_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    min_market_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    max_market_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    native LowCardinality(String) CODEC(ZSTD(1)),
    base LowCardinality(String) CODEC(ZSTD(1)),
    quote LowCardinality(String) CODEC(ZSTD(1)),
    settle LowCardinality(String) CODEC(ZSTD(1)),
    inverse Bool CODEC(ZSTD(1)),
    quantity_step Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    min_notional Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    status LowCardinality(String) CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (symbol, venue, ts_event)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.domain_events
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    name LowCardinality(String) CODEC(ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    data String CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (name, ts_event, event_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.quality_metrics
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_from DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_to DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    score Int64 CODEC(Delta(8), ZSTD(1)),
    ticks Int64 CODEC(Delta(8), ZSTD(1)),
    accepted Int64 CODEC(Delta(8), ZSTD(1)),
    rejected Int64 CODEC(Delta(8), ZSTD(1)),
    stale Int64 CODEC(Delta(8), ZSTD(1)),
    warned Int64 CODEC(Delta(8), ZSTD(1)),
    anomalies Int64 CODEC(Delta(8), ZSTD(1)),
    reasons String CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (symbol, venue, ts_from)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.gaps
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_from DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_to DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    cause LowCardinality(String) CODEC(ZSTD(1)),
    trading_day LowCardinality(String) CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMM(ts_event)
PRIMARY KEY (symbol, venue, ts_from, cause)
ORDER BY (symbol, venue, ts_from, cause, kind)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS market.market_bars
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    epoch Int64 CODEC(Delta(8), ZSTD(1)),
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    interval LowCardinality(String) CODEC(ZSTD(1)),
    ts_open DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ts_close DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    trading_day LowCardinality(String) CODEC(ZSTD(1)),
    open Decimal(38, 18) CODEC(ZSTD(1)),
    high Decimal(38, 18) CODEC(ZSTD(1)),
    low Decimal(38, 18) CODEC(ZSTD(1)),
    close Decimal(38, 18) CODEC(ZSTD(1)),
    volume Decimal(38, 18) CODEC(ZSTD(1)),
    turnover Decimal(38, 18) CODEC(ZSTD(1)),
    open_interest Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    ticks Int64 CODEC(Delta(8), ZSTD(1)),
    revision Int64 CODEC(Delta(8), ZSTD(1)),
    gap Bool CODEC(ZSTD(1)),
    stream_seq UInt64 CODEC(Delta(8), ZSTD(1)),
    stream_index UInt32 CODEC(ZSTD(1)),
    writer_epoch UInt64 CODEC(ZSTD(1)),
    row_version UInt64 MATERIALIZED bitShiftLeft(toUInt64(revision), 48) + stream_seq
)
ENGINE = ReplacingMergeTree(row_version)
PARTITION BY toYYYYMM(ts_event)
ORDER BY (symbol, venue, interval, ts_open)
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS market.market_ticks
(
    venue LowCardinality(String) CODEC(Default),
    symbol LowCardinality(String) CODEC(Default),
    source LowCardinality(String) CODEC(Default),
    epoch Int64 CODEC(Delta(8), Default),
    seq Int64 CODEC(Delta(8), Default),
    ts_event DateTime64(9, 'UTC') CODEC(Delta(8), Default),
    ts_recv DateTime64(9, 'UTC') CODEC(Delta(8), Default),
    ts_pub DateTime64(9, 'UTC') CODEC(Delta(8), Default),
    source_seq Int64 CODEC(Delta(8), Default),
    trading_day LowCardinality(String) CODEC(Default),
    last Nullable(Decimal(38, 18)) CODEC(Default),
    volume Nullable(Decimal(38, 18)) CODEC(Default),
    turnover Nullable(Decimal(38, 18)) CODEC(Default),
    open_interest Nullable(Decimal(38, 18)) CODEC(Default),
    open Nullable(Decimal(38, 18)) CODEC(Default),
    high Nullable(Decimal(38, 18)) CODEC(Default),
    low Nullable(Decimal(38, 18)) CODEC(Default),
    close Nullable(Decimal(38, 18)) CODEC(Default),
    settlement Nullable(Decimal(38, 18)) CODEC(Default),
    pre_close Nullable(Decimal(38, 18)) CODEC(Default),
    pre_settlement Nullable(Decimal(38, 18)) CODEC(Default),
    pre_open_interest Nullable(Decimal(38, 18)) CODEC(Default),
    limit_up Nullable(Decimal(38, 18)) CODEC(Default),
    limit_down Nullable(Decimal(38, 18)) CODEC(Default),
    average_price Nullable(Decimal(38, 18)) CODEC(Default),
    bids_price Array(Decimal(38, 18)) CODEC(Default),
    bids_quantity Array(Decimal(38, 18)) CODEC(Default),
    asks_price Array(Decimal(38, 18)) CODEC(Default),
    asks_quantity Array(Decimal(38, 18)) CODEC(Default),
    traded Nullable(Decimal(38, 18)),
    traded_turnover Nullable(Decimal(38, 18)),
    phase LowCardinality(String) CODEC(Default),
    verdict LowCardinality(String) CODEC(Default),
    quality_score Nullable(Int64) CODEC(Default),
    warnings Array(LowCardinality(String)) CODEC(Default),
    rules_version Nullable(Int64) CODEC(Default),
    stream_seq UInt64 CODEC(Delta(8), Default),
    stream_index UInt32 CODEC(Default),
    writer_epoch UInt64 CODEC(Default)
)
ENGINE = ReplacingMergeTree(stream_seq)
PARTITION BY toYYYYMMDD(ts_event)
ORDER BY (symbol, venue, ts_event, seq)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 67108864, merge_selector_base = 10;

CREATE VIEW IF NOT EXISTS market.v_bars
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    interval LowCardinality(String),
    ts_open DateTime64(9, 'UTC'),
    ts_close DateTime64(9, 'UTC'),
    trading_day LowCardinality(String),
    open Decimal(38, 18),
    high Decimal(38, 18),
    low Decimal(38, 18),
    close Decimal(38, 18),
    volume Decimal(38, 18),
    turnover Decimal(38, 18),
    open_interest Nullable(Decimal(38, 18)),
    ticks Int64,
    revision Int64,
    gap Bool
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    interval,
    ts_open,
    ts_close,
    trading_day,
    open,
    high,
    low,
    close,
    volume,
    turnover,
    open_interest,
    ticks,
    revision,
    gap
FROM market.market_bars
FINAL;

CREATE VIEW IF NOT EXISTS market.v_book_tops
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    valid Bool,
    depth Int64,
    bids_price Array(Decimal(38, 18)),
    bids_quantity Array(Decimal(38, 18)),
    asks_price Array(Decimal(38, 18)),
    asks_quantity Array(Decimal(38, 18))
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    valid,
    depth,
    bids_price,
    bids_quantity,
    asks_price,
    asks_quantity
FROM market.book_tops
FINAL;

CREATE VIEW IF NOT EXISTS market.v_domain_events
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    name LowCardinality(String),
    event_id String,
    data String
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    name,
    event_id,
    data
FROM market.domain_events
FINAL;

CREATE VIEW IF NOT EXISTS market.v_funding_rates
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    rate Decimal(38, 18),
    ts_funding DateTime64(9, 'UTC'),
    interval_s Nullable(Int64),
    settled Bool,
    next_rate Nullable(Decimal(38, 18)),
    mark_price Nullable(Decimal(38, 18)),
    index_price Nullable(Decimal(38, 18))
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    rate,
    ts_funding,
    interval_s,
    settled,
    next_rate,
    mark_price,
    index_price
FROM market.funding_rates
FINAL;

CREATE VIEW IF NOT EXISTS market.v_gaps
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    ts_from DateTime64(9, 'UTC'),
    ts_to DateTime64(9, 'UTC'),
    cause LowCardinality(String),
    trading_day LowCardinality(String),
    kind LowCardinality(String)
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    ts_from,
    ts_to,
    cause,
    trading_day,
    kind
FROM market.gaps
FINAL;

CREATE VIEW IF NOT EXISTS market.v_instruments
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    product LowCardinality(String),
    class_ LowCardinality(String),
    multiplier Nullable(Decimal(38, 18)),
    price_tick Nullable(Decimal(38, 18)),
    underlying LowCardinality(String),
    strike Nullable(Decimal(38, 18)),
    option_type LowCardinality(String),
    list_day LowCardinality(String),
    expire_day LowCardinality(String),
    name LowCardinality(String),
    min_limit_volume Nullable(Decimal(38, 18)),
    max_limit_volume Nullable(Decimal(38, 18)),
    min_market_volume Nullable(Decimal(38, 18)),
    max_market_volume Nullable(Decimal(38, 18)),
    native LowCardinality(String),
    base LowCardinality(String),
    quote LowCardinality(String),
    settle LowCardinality(String),
    inverse Bool,
    quantity_step Nullable(Decimal(38, 18)),
    min_notional Nullable(Decimal(38, 18)),
    status LowCardinality(String)
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    product,
    class_,
    multiplier,
    price_tick,
    underlying,
    strike,
    option_type,
    list_day,
    expire_day,
    name,
    min_limit_volume,
    max_limit_volume,
    min_market_volume,
    max_market_volume,
    native,
    base,
    quote,
    settle,
    inverse,
    quantity_step,
    min_notional,
    status
FROM market.instruments
FINAL;

CREATE VIEW IF NOT EXISTS market.v_klines
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    interval LowCardinality(String),
    ts_open DateTime64(9, 'UTC'),
    ts_close DateTime64(9, 'UTC'),
    open Decimal(38, 18),
    high Decimal(38, 18),
    low Decimal(38, 18),
    close Decimal(38, 18),
    volume Decimal(38, 18),
    closed Bool,
    turnover Nullable(Decimal(38, 18)),
    trades Nullable(Int64),
    taker_buy_volume Nullable(Decimal(38, 18)),
    first_id Nullable(Int64),
    last_id Nullable(Int64)
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    interval,
    ts_open,
    ts_close,
    open,
    high,
    low,
    close,
    volume,
    closed,
    turnover,
    trades,
    taker_buy_volume,
    first_id,
    last_id
FROM market.klines
FINAL;

CREATE VIEW IF NOT EXISTS market.v_liquidations
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    side LowCardinality(String),
    price Decimal(38, 18),
    quantity Decimal(38, 18),
    price_of LowCardinality(String),
    complete Bool,
    contracts Nullable(Decimal(38, 18))
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    side,
    price,
    quantity,
    price_of,
    complete,
    contracts
FROM market.liquidations
FINAL;

CREATE VIEW IF NOT EXISTS market.v_mark_prices
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    mark_price Decimal(38, 18),
    index_price Nullable(Decimal(38, 18)),
    estimated_settlement_price Nullable(Decimal(38, 18))
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    mark_price,
    index_price,
    estimated_settlement_price
FROM market.mark_prices
FINAL;

CREATE VIEW IF NOT EXISTS market.v_open_interest
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    open_interest Decimal(38, 18),
    contracts Nullable(Decimal(38, 18)),
    value Nullable(Decimal(38, 18))
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    open_interest,
    contracts,
    value
FROM market.open_interest
FINAL;

CREATE VIEW IF NOT EXISTS market.v_order_books
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    form LowCardinality(String),
    valid Bool,
    first_id Int64,
    prev_id Nullable(Int64),
    bids_price Array(Decimal(38, 18)),
    bids_quantity Array(Decimal(38, 18)),
    asks_price Array(Decimal(38, 18)),
    asks_quantity Array(Decimal(38, 18)),
    bid_floor Nullable(Decimal(38, 18)),
    ask_ceiling Nullable(Decimal(38, 18)),
    cause LowCardinality(String)
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    form,
    valid,
    first_id,
    prev_id,
    bids_price,
    bids_quantity,
    asks_price,
    asks_quantity,
    bid_floor,
    ask_ceiling,
    cause
FROM market.order_books
FINAL;

CREATE VIEW IF NOT EXISTS market.v_quality_metrics
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    ts_from DateTime64(9, 'UTC'),
    ts_to DateTime64(9, 'UTC'),
    score Int64,
    ticks Int64,
    accepted Int64,
    rejected Int64,
    stale Int64,
    warned Int64,
    anomalies Int64,
    reasons String
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    ts_from,
    ts_to,
    score,
    ticks,
    accepted,
    rejected,
    stale,
    warned,
    anomalies,
    reasons
FROM market.quality_metrics
FINAL;

CREATE VIEW IF NOT EXISTS market.v_tickers
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    last Nullable(Decimal(38, 18)),
    last_quantity Nullable(Decimal(38, 18)),
    bid Nullable(Decimal(38, 18)),
    bid_quantity Nullable(Decimal(38, 18)),
    ask Nullable(Decimal(38, 18)),
    ask_quantity Nullable(Decimal(38, 18)),
    open Nullable(Decimal(38, 18)),
    high Nullable(Decimal(38, 18)),
    low Nullable(Decimal(38, 18)),
    volume Nullable(Decimal(38, 18)),
    turnover Nullable(Decimal(38, 18)),
    mark_price Nullable(Decimal(38, 18)),
    index_price Nullable(Decimal(38, 18)),
    settlement Nullable(Decimal(38, 18)),
    underlying_price Nullable(Decimal(38, 18)),
    open_interest Nullable(Decimal(38, 18)),
    mark_volatility Nullable(Decimal(38, 18)),
    bid_volatility Nullable(Decimal(38, 18)),
    ask_volatility Nullable(Decimal(38, 18)),
    delta Nullable(Decimal(38, 18)),
    gamma Nullable(Decimal(38, 18)),
    vega Nullable(Decimal(38, 18)),
    theta Nullable(Decimal(38, 18)),
    rho Nullable(Decimal(38, 18))
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    last,
    last_quantity,
    bid,
    bid_quantity,
    ask,
    ask_quantity,
    open,
    high,
    low,
    volume,
    turnover,
    mark_price,
    index_price,
    settlement,
    underlying_price,
    open_interest,
    mark_volatility,
    bid_volatility,
    ask_volatility,
    delta,
    gamma,
    vega,
    theta,
    rho
FROM market.tickers
FINAL;

CREATE VIEW IF NOT EXISTS market.v_ticks
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    source_seq Int64,
    trading_day LowCardinality(String),
    last Nullable(Decimal(38, 18)),
    volume Nullable(Decimal(38, 18)),
    turnover Nullable(Decimal(38, 18)),
    open_interest Nullable(Decimal(38, 18)),
    open Nullable(Decimal(38, 18)),
    high Nullable(Decimal(38, 18)),
    low Nullable(Decimal(38, 18)),
    close Nullable(Decimal(38, 18)),
    settlement Nullable(Decimal(38, 18)),
    pre_close Nullable(Decimal(38, 18)),
    pre_settlement Nullable(Decimal(38, 18)),
    pre_open_interest Nullable(Decimal(38, 18)),
    limit_up Nullable(Decimal(38, 18)),
    limit_down Nullable(Decimal(38, 18)),
    average_price Nullable(Decimal(38, 18)),
    bids_price Array(Decimal(38, 18)),
    bids_quantity Array(Decimal(38, 18)),
    asks_price Array(Decimal(38, 18)),
    asks_quantity Array(Decimal(38, 18)),
    traded Nullable(Decimal(38, 18)),
    traded_turnover Nullable(Decimal(38, 18)),
    phase LowCardinality(String),
    verdict LowCardinality(String),
    quality_score Nullable(Int64),
    warnings Array(LowCardinality(String)),
    rules_version Nullable(Int64)
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    source_seq,
    trading_day,
    last,
    volume,
    turnover,
    open_interest,
    open,
    high,
    low,
    close,
    settlement,
    pre_close,
    pre_settlement,
    pre_open_interest,
    limit_up,
    limit_down,
    average_price,
    bids_price,
    bids_quantity,
    asks_price,
    asks_quantity,
    traded,
    traded_turnover,
    phase,
    verdict,
    quality_score,
    warnings,
    rules_version
FROM market.market_ticks
FINAL;

CREATE VIEW IF NOT EXISTS market.v_trades
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    source LowCardinality(String),
    epoch Int64,
    seq Int64,
    ts_event DateTime64(9, 'UTC'),
    ts_recv DateTime64(9, 'UTC'),
    ts_pub DateTime64(9, 'UTC'),
    trade_id String,
    price Decimal(38, 18),
    quantity Decimal(38, 18),
    side LowCardinality(String),
    contracts Nullable(Decimal(38, 18)),
    first_id Nullable(Int64),
    last_id Nullable(Int64),
    off_book Bool,
    liquidation LowCardinality(String),
    mark_price Nullable(Decimal(38, 18)),
    index_price Nullable(Decimal(38, 18)),
    implied_volatility Nullable(Decimal(38, 18))
)
AS SELECT
    venue,
    symbol,
    source,
    epoch,
    seq,
    ts_event,
    ts_recv,
    ts_pub,
    trade_id,
    price,
    quantity,
    side,
    contracts,
    first_id,
    last_id,
    off_book,
    liquidation,
    mark_price,
    index_price,
    implied_volatility
FROM market.trades
FINAL;
