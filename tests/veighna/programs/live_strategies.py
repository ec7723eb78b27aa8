"""vnpy_ctastrategy's engine with the gateway. Arguments: NATS, prefix of the replay. Says `subscribed` and ends when a line comes in.

The first strategy counts what comes; the second sends an order at its first tick.
"""

import json
import sys
import time

import ending  # noqa: F401 (beside this program)
from vnpy.event import EventEngine
from vnpy.trader.constant import Direction, Exchange, Interval, Offset, OrderType
from vnpy.trader.engine import MainEngine
from vnpy.trader.event import EVENT_CONTRACT, EVENT_LOG, EVENT_ORDER
from vnpy.trader.object import OrderRequest
from vnpy_ctastrategy import CtaStrategyApp, CtaTemplate
from vnpy_ctastrategy.base import EVENT_CTA_LOG
from vnpy_marketprism import MarketPrismGateway


class Counts(CtaTemplate):
    """Loads bars of before, counts ticks, and compares each with the one before."""

    author = "test"

    def on_init(self):
        self.ticks, self.bars, self.volume, self.last, self.back, self.orders = 0, 0, 0.0, None, 0, []
        self.load_bar(1, interval=Interval.MINUTE)

    def on_start(self):
        pass

    def on_bar(self, bar):
        self.bars += 1

    def on_tick(self, tick):
        self.ticks += 1
        if self.last is not None and tick.datetime < self.last.datetime:
            self.back += 1
        self.last = tick


class Orders(Counts):
    """Buys at its first tick."""

    def on_tick(self, tick):
        if self.trading and not self.ticks:
            self.orders = self.buy(tick.ask_price_1, 1)
        super().on_tick(tick)


def waited(what, seconds=60.0):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


events = EventEngine()
logs, contracts, orders = [], {}, []
events.register(EVENT_LOG, lambda event: logs.append(event.data.msg))
events.register(EVENT_CTA_LOG, lambda event: logs.append(event.data.msg))
events.register(EVENT_CONTRACT, lambda event: contracts.setdefault(event.data.vt_symbol, event.data))
events.register(EVENT_ORDER, lambda event: orders.append(event.data.status.name))
main = MainEngine(events)
main.add_gateway(MarketPrismGateway)
engine = main.add_app(CtaStrategyApp)
engine.init_engine()
engine.classes |= {"Counts": Counts, "Orders": Orders}
main.connect({"address": sys.argv[1], "replay": sys.argv[2]}, "MARKETPRISM")
waited(lambda: main.get_contract("ru1901.SHFE") is not None)
engine.add_strategy("Counts", "counts", "ru1901.SHFE", {})
engine.add_strategy("Orders", "orders", "ru1901.SHFE", {})
for future in [engine.init_strategy(name) for name in ("counts", "orders")]:
    future.result()
for name in ("counts", "orders"):
    engine.start_strategy(name)
contract = main.get_contract("ru1901.SHFE")
print("subscribed", flush=True)
sys.stdin.readline()
counts, sends = engine.strategies["counts"], engine.strategies["orders"]
waited(lambda: any("over after" in line for line in logs))
waited(lambda: counts.ticks == sends.ticks)
time.sleep(0.5)  # what came too much would come now
request = OrderRequest("ru1901", Exchange.SHFE, Direction.LONG, OrderType.LIMIT, 1, 12_000, Offset.OPEN)
refused = main.send_order(request, "MARKETPRISM")
waited(lambda: len(orders) >= 2)
found = {
    "ticks": [counts.ticks, sends.ticks],
    "back": counts.back,
    "errors": [line for line in logs if "Traceback" in line],
    "last": [counts.last.datetime.isoformat(), counts.last.last_price, counts.last.volume, counts.last.extra],
    "contract": [contract.size, contract.pricetick, contract.product.name, contract.history_data],
    "orders": orders,
    "names": [refused, sends.orders],
    "logs": logs,
}
main.close()
print(json.dumps(found))
