"""Two running means in vnpy_ctastrategy's backtester. Arguments: rows (npz), bars or ticks, fast, slow, multiplier, fee
rate, runs. Prints one line of JSON."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from datetime import UTC, datetime

import numpy as np
from vnpy.trader.constant import Exchange, Interval
from vnpy.trader.object import BarData, TickData
from vnpy_ctastrategy import CtaTemplate
from vnpy_ctastrategy.backtesting import BacktestingEngine, BacktestingMode


class DoubleAverage(CtaTemplate):
    """Orders at a price that is always met: they are filled at the next open, or the next bid or ask."""

    author = "benchmark"
    fast = 10
    slow = 30
    parameters = ["fast", "slow"]  # noqa: RUF012 (the peer's form)

    def on_init(self):
        self.of_fast, self.of_slow = deque([0] * self.fast), deque([0] * self.slow)
        self.fast_sum = self.slow_sum = self.seen = self.side = 0

    def on_tick(self, tick):
        self.on_price(tick.last_price)

    def on_bar(self, bar):
        self.on_price(bar.close_price)

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
            self.side = side
            lacking = side - self.pos
            if lacking > 0:
                self.buy(price * 1.5, lacking)
            elif lacking < 0:
                self.short(price * 0.5, -lacking)


def rows(path, kind):
    """Rows as the peer has them; prices are whole, so that its doubles are exact."""
    columns = {name: column.tolist() for name, column in np.load(path).items()}
    common = {"symbol": "x", "exchange": Exchange.SHFE, "gateway_name": "x"}
    if kind == "bars":
        return [
            BarData(
                datetime=datetime.fromtimestamp(ts / 1e9, UTC),
                interval=Interval.MINUTE,
                open_price=first,
                high_price=high,
                low_price=low,
                close_price=last,
                volume=volume,
                **common,
            )
            for ts, first, high, low, last, volume in zip(
                *(columns[name] for name in ("ts", "open", "high", "low", "close", "volume")), strict=True
            )
        ]
    return [
        TickData(
            datetime=datetime.fromtimestamp(ts / 1e9, UTC),
            last_price=last,
            bid_price_1=bid if bid_size else 0,
            bid_volume_1=bid_size,
            ask_price_1=ask if ask_size else 0,
            ask_volume_1=ask_size,
            **common,
        )
        for ts, last, bid, bid_size, ask, ask_size in zip(
            *(columns[name] for name in ("ts", "last", "bid", "bid_size", "ask", "ask_size")), strict=True
        )
    ]


def main():
    path, kind, fast, slow, size, rate, runs = sys.argv[1:]
    data = rows(path, kind)
    best, whole, found = float("inf"), float("inf"), {}
    for _ in range(int(runs)):
        engine = BacktestingEngine()
        engine.output = lambda _: None
        engine.set_parameters(
            vt_symbol="x.SHFE",
            interval=Interval.MINUTE,
            start=data[0].datetime,
            end=data[-1].datetime,
            rate=float(rate),
            slippage=0,
            size=float(size),
            pricetick=1,
            capital=1_000_000,
            mode=BacktestingMode.BAR if kind == "bars" else BacktestingMode.TICK,
        )
        engine.add_strategy(DoubleAverage, {"fast": int(fast), "slow": int(slow)})
        engine.history_data = data
        started = time.process_time()
        engine.run_backtesting()
        ran = time.process_time()
        daily = engine.calculate_result()
        engine.calculate_statistics(output=False)
        best, whole = min(best, ran - started), min(whole, time.process_time() - started)
        found = {
            "orders": engine.limit_order_count,
            "lots": sum(trade.volume for trade in engine.trades.values()),
            "net": round(float(daily["net_pnl"].sum()), 4),
        }
    print(json.dumps({"rows": len(data), "cpu_s": best, "cpu_s_with_result": whole, **found}))


main()
