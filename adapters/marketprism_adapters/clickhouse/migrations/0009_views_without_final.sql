CREATE VIEW IF NOT EXISTS market.v_ticks AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, source_seq, trading_day, last, volume,
  turnover, open_interest, open, high, low, close, settlement, pre_close, pre_settlement, pre_open_interest,
  limit_up, limit_down, average_price, bids_price, bids_quantity, asks_price, asks_quantity, traded,
  traded_turnover, phase, verdict, quality_score, warnings, rules_version
FROM market.market_ticks FINAL;

CREATE VIEW IF NOT EXISTS market.v_bars AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, interval, ts_open, ts_close, trading_day,
  open, high, low, close, volume, turnover, open_interest, ticks, revision, gap
FROM market.market_bars FINAL;

CREATE VIEW IF NOT EXISTS market.v_gaps AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, ts_from, ts_to, cause, trading_day, kind
FROM market.gaps FINAL;

CREATE VIEW IF NOT EXISTS market.v_quality_metrics AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, ts_from, ts_to, score, ticks, accepted,
  rejected, stale, warned, anomalies, reasons
FROM market.quality_metrics FINAL;

CREATE VIEW IF NOT EXISTS market.v_domain_events AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, name, event_id, data
FROM market.domain_events FINAL;

CREATE VIEW IF NOT EXISTS market.v_instruments AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, product, class_, multiplier, price_tick,
  underlying, strike, option_type, list_day, expire_day, name, min_limit_volume, max_limit_volume,
  min_market_volume, max_market_volume, native, base, quote, settle, inverse, quantity_step, min_notional,
  status
FROM market.instruments FINAL;

CREATE VIEW IF NOT EXISTS market.v_trades AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, trade_id, price, quantity, side, contracts,
  first_id, last_id, off_book, liquidation, mark_price, index_price, implied_volatility
FROM market.trades FINAL;

CREATE VIEW IF NOT EXISTS market.v_order_books AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, form, valid, first_id, prev_id, bids_price,
  bids_quantity, asks_price, asks_quantity, bid_floor, ask_ceiling, cause
FROM market.order_books FINAL;

CREATE VIEW IF NOT EXISTS market.v_book_tops AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, valid, depth, bids_price, bids_quantity,
  asks_price, asks_quantity
FROM market.book_tops FINAL;

CREATE VIEW IF NOT EXISTS market.v_klines AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, interval, ts_open, ts_close, open, high, low,
  close, volume, closed, turnover, trades, taker_buy_volume, first_id, last_id
FROM market.klines FINAL;

CREATE VIEW IF NOT EXISTS market.v_tickers AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, last, last_quantity, bid, bid_quantity, ask,
  ask_quantity, open, high, low, volume, turnover, mark_price, index_price, settlement, underlying_price,
  open_interest, mark_volatility, bid_volatility, ask_volatility, delta, gamma, vega, theta, rho
FROM market.tickers FINAL;

CREATE VIEW IF NOT EXISTS market.v_funding_rates AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, rate, ts_funding, interval_s, settled,
  next_rate, mark_price, index_price
FROM market.funding_rates FINAL;

CREATE VIEW IF NOT EXISTS market.v_open_interest AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, open_interest, contracts, value
FROM market.open_interest FINAL;

CREATE VIEW IF NOT EXISTS market.v_liquidations AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, side, price, quantity, price_of, complete,
  contracts
FROM market.liquidations FINAL;

CREATE VIEW IF NOT EXISTS market.v_mark_prices AS SELECT
  venue, symbol, source, epoch, seq, ts_event, ts_recv, ts_pub, mark_price, index_price,
  estimated_settlement_price
FROM market.mark_prices FINAL;
