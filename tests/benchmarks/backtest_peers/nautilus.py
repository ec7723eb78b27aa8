"""Two running means in nautilus_trader's backtest engine. Arguments: rows (npz), bars or ticks, fast, slow, multiplier,
fee rate, runs. Prints one line of JSON. By ticks means are of mids: its quotes have no last price."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from decimal import Decimal

import numpy as np
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from nautilus_trader.model.enums import AccountType, AssetClass, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import FuturesContract
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("X")
ID = InstrumentId(Symbol("x"), VENUE)
BARS = BarType.from_str("x.X-1-MINUTE-LAST-EXTERNAL")


class Means(StrategyConfig, frozen=True):
    fast: int
    slow: int


class DoubleAverage(Strategy):
    def __init__(self, config):
        super().__init__(config)
        self.fast, self.slow = config.fast, config.slow
        self.of_fast, self.of_slow = deque([0] * self.fast), deque([0] * self.slow)
        self.fast_sum = self.slow_sum = self.seen = self.side = self.sent = 0

    def on_start(self):
        self.instrument = self.cache.instrument(ID)
        self.subscribe_bars(BARS)
        self.subscribe_quote_ticks(ID)

    def on_quote_tick(self, tick):
        self.on_price(float(tick.bid_price) + float(tick.ask_price))

    def on_bar(self, bar):
        self.on_price(float(bar.close))

    def on_price(self, price):
        self.of_fast.append(price)
        self.of_slow.append(price)
        self.fast_sum += price - self.of_fast.popleft()
        self.slow_sum += price - self.of_slow.popleft()
        self.seen += 1
        if self.seen < self.slow:
            return
        above = self.fast_sum * self.slow - self.slow_sum * self.fast
        side = 1 if above > 0 else -1
        if above and side != self.side:
            lots = 1 if self.side == 0 else 2
            self.side = side
            self.sent += 1
            order = self.order_factory.market(
                ID, OrderSide.BUY if side > 0 else OrderSide.SELL, Quantity.from_int(lots)
            )
            self.submit_order(order)


def rows(path, kind):
    columns = {name: column.tolist() for name, column in np.load(path).items()}
    if kind == "bars":
        names = ("ts_close", "open", "high", "low", "close", "volume")
        return [
            Bar(BARS, *(Price(each, 0) for each in prices), Quantity(volume, 0), ts, ts)
            for ts, *prices, volume in zip(*(columns[name] for name in names), strict=True)
        ]
    names = ("ts", "bid", "bid_size", "ask", "ask_size")
    return [
        QuoteTick(ID, Price(bid, 0), Price(ask, 0), Quantity(bid_size, 0), Quantity(ask_size, 0), ts, ts)
        for ts, bid, bid_size, ask, ask_size in zip(*(columns[name] for name in names), strict=True)
        if bid_size and ask_size
    ]


def main():
    path, kind, fast, slow, size, rate, runs = sys.argv[1:]
    data = rows(path, kind)
    contract = FuturesContract(
        ID,
        Symbol("x"),
        AssetClass.COMMODITY,
        USD,
        0,
        Price(1, 0),
        Quantity.from_int(int(size)),
        Quantity.from_int(1),
        "x",
        0,
        2**62,
        0,
        0,
        maker_fee=Decimal(rate),
        taker_fee=Decimal(rate),
    )
    best, found = float("inf"), {}
    for _ in range(int(runs)):
        quiet = LoggingConfig(bypass_logging=True)
        engine = BacktestEngine(BacktestEngineConfig(logging=quiet, risk_engine=RiskEngineConfig(bypass=True)))
        engine.add_venue(VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USD)], base_currency=USD)
        engine.add_instrument(contract)
        engine.add_data(data)
        strategy = DoubleAverage(Means(fast=int(fast), slow=int(slow)))
        engine.add_strategy(strategy)
        started = time.process_time()
        engine.run()
        best = min(best, time.process_time() - started)
        fills = engine.trader.generate_fills_report()
        money = float(engine.portfolio.account(VENUE).balance_total(USD).as_decimal())
        profit = engine.portfolio.unrealized_pnl(ID)
        found = {
            "orders": strategy.sent,
            "fills": len(fills),
            "net": round(money - 1_000_000 + (float(profit.as_decimal()) if profit else 0.0), 4),
        }
        engine.dispose()
    print(json.dumps({"rows": len(data), "cpu_s": best, **found}))


main()
