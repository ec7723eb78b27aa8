"""Two running means in the backtesters of vnpy_ctastrategy and vnpy_portfoliostrategy, over what `get_database()` loads:
minutes and ticks of ru1901."""

import json
from collections import deque
from datetime import datetime

import ending  # noqa: F401 (beside this program)
from vnpy.trader.constant import Interval
from vnpy_ctastrategy import CtaTemplate
from vnpy_ctastrategy.backtesting import BacktestingEngine, BacktestingMode
from vnpy_portfoliostrategy import StrategyTemplate
from vnpy_portfoliostrategy.backtesting import BacktestingEngine as PortfolioEngine

VT_SYMBOL = "ru1901.SHFE"
START, END = datetime(2018, 10, 8), datetime(2018, 10, 11)


class Averages:
    """Which side the market is on: 1 while the quick mean is above the slow one, -1 below; None: as it was."""

    def __init__(self, fast, slow):
        self.fast, self.slow = fast, slow
        self.of_fast, self.of_slow = deque([0] * fast), deque([0] * slow)
        self.fast_sum = self.slow_sum = self.seen = self.side = 0

    def turned(self, price):
        self.of_fast.append(price)
        self.of_slow.append(price)
        self.fast_sum += price - self.of_fast.popleft()
        self.slow_sum += price - self.of_slow.popleft()
        self.seen += 1
        above = self.fast_sum * self.slow - self.slow_sum * self.fast
        side = (above > 0) - (above < 0)
        if self.seen < self.slow or not side or side == self.side:
            return None
        self.side = side
        return side


class DoubleAverage(CtaTemplate):
    """Orders at a price that is always met: they are filled at the next open, or the next bid or ask."""

    author = "test"
    fast = 10
    slow = 30
    parameters = ["fast", "slow"]

    def on_init(self):
        self.averages = Averages(self.fast, self.slow)

    def on_tick(self, tick):
        self.on_price(tick.last_price)

    def on_bar(self, bar):
        self.on_price(bar.close_price)

    def on_price(self, price):
        side = self.averages.turned(price)
        if side == 1:
            self.buy(price * 1.5, 1 - self.pos)
        elif side == -1:
            self.short(price * 0.5, 1 + self.pos)


class Portfolio(StrategyTemplate):
    """The same of one instrument of a portfolio."""

    author = "test"

    def on_init(self):
        self.averages = Averages(10, 30)

    def on_start(self):
        pass

    def on_stop(self):
        pass

    def on_bars(self, bars):
        price, has = bars[VT_SYMBOL].close_price, self.get_pos(VT_SYMBOL)
        side = self.averages.turned(price)
        if side == 1:
            self.buy(VT_SYMBOL, price * 1.5, 1 - has)
        elif side == -1:
            self.short(VT_SYMBOL, price * 0.5, 1 + has)


def result(mode, fast, slow):
    engine = BacktestingEngine()
    engine.output = lambda _: None
    engine.set_parameters(
        vt_symbol=VT_SYMBOL,
        interval=Interval.MINUTE,
        start=START,
        end=END,
        rate=0.000045,
        slippage=0,
        size=10,
        pricetick=5,
        capital=1_000_000,
        mode=mode,
    )
    engine.add_strategy(DoubleAverage, {"fast": fast, "slow": slow})
    engine.load_data()
    engine.run_backtesting()
    daily = engine.calculate_result()
    engine.calculate_statistics(output=False)
    return {
        "rows": len(engine.history_data),
        "trades": len(engine.trades),
        "net": round(float(daily["net_pnl"].sum()), 4),
    }


def portfolio():
    engine = PortfolioEngine()
    engine.output = lambda _: None
    of_it = {"rates": 0.000045, "slippages": 0, "sizes": 10, "priceticks": 5}
    engine.set_parameters(
        [VT_SYMBOL],
        Interval.MINUTE,
        START,
        **{name: {VT_SYMBOL: value} for name, value in of_it.items()},
        capital=1_000_000,
        end=END,
    )
    engine.add_strategy(Portfolio, {})
    engine.load_data()
    engine.run_backtesting()
    daily = engine.calculate_result()
    return {
        "rows": len(engine.history_data),
        "trades": len(engine.trades),
        "net": round(float(daily["net_pnl"].sum()), 4),
    }


found = {
    "bars": result(BacktestingMode.BAR, 10, 30),
    "ticks": result(BacktestingMode.TICK, 120, 480),
    "portfolio": portfolio(),
}
print(json.dumps(found))
