"""The same ticks through other bar builders, where they are installed."""

from __future__ import annotations

import importlib.util
import time
from datetime import datetime, timedelta
from typing import Any

from marketprism_domain.marketdata.tick import Tick


def vnpy_bars(ticks: list[Tick]) -> float | None:
    """Ticks a second of vnpy's BarGenerator (1m only), None when vnpy is not installed."""
    if importlib.util.find_spec("vnpy") is None:
        return None
    from vnpy.trader.constant import Exchange  # noqa: PLC0415
    from vnpy.trader.object import TickData  # noqa: PLC0415
    from vnpy.trader.utility import BarGenerator  # noqa: PLC0415

    start = datetime(2018, 10, 9)  # noqa: DTZ001 (the peer's form)
    made: list[Any] = [
        TickData(
            symbol=tick.symbol,
            exchange=Exchange.SHFE,
            datetime=start + timedelta(microseconds=(tick.ts_event - ticks[0].ts_event) // 1000),
            gateway_name="x",
            last_price=float(tick.last or 0),
            volume=float(tick.volume or 0),
            turnover=float(tick.turnover or 0),
        )
        for tick in ticks
    ]
    generator = BarGenerator(lambda _: None)
    started = time.perf_counter()
    for tick_data in made:
        generator.update_tick(tick_data)
    return len(made) / (time.perf_counter() - started)
