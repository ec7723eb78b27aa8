"""Run in an environment of its own: vnpy_datamanager's engine with vnpy_binance's spot gateway, into vnpy_sqlite.

Arguments: the URL of the venue, a time in seconds, bases. The gateway's REST client is connected, its sockets are not.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from vnpy.event import Event, EventEngine
from vnpy.trader.constant import Exchange
from vnpy.trader.engine import MainEngine
from vnpy.trader.event import EVENT_LOG
from vnpy_binance import BinanceSpotGateway, spot_gateway
from vnpy_datamanager import DataManagerApp

_CONTRACTS_S = 30.0


def main() -> int:
    """Download each instrument in turn, as its window does for one; 1 where one has no rows."""
    url, begin, *bases = sys.argv[1:]
    spot_gateway.REAL_REST_HOST = url
    events = EventEngine()
    events.register(EVENT_LOG, _print)
    engine = MainEngine(events)
    gateway = engine.add_gateway(BinanceSpotGateway)
    manager = engine.add_app(DataManagerApp)
    gateway.rest_api.connect("", "", "REAL", "", 0)
    names = [f"{base}USDT_SPOT_BINANCE" for base in bases]
    until = time.monotonic() + _CONTRACTS_S
    while not all(engine.get_contract(f"{name}.GLOBAL") for name in names):
        if time.monotonic() > until:
            print("no contracts")
            return 1
        time.sleep(0.01)
    start = datetime.fromtimestamp(int(begin), UTC)
    counts = [manager.download_bar_data(name, Exchange.GLOBAL, "1m", start, print) for name in names]
    print("downloaded", counts)
    gateway.rest_api.stop()
    events.stop()
    return 0 if all(counts) else 1


def _print(event: Event) -> None:
    print(event.data.msg)


sys.exit(main())
