"""Run in an environment of its own: ticks through vnpy's BarGenerator. Arguments: ticks (npz), runs. Prints one line of JSON.

Seven intervals are one generator of minutes and six of windows that it feeds, as its users chain them; it counts by the
clock, without sections or auctions, in doubles.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import UTC, datetime
from datetime import time as clock
from itertools import chain

import numpy as np
from vnpy.trader.constant import Exchange, Interval
from vnpy.trader.object import TickData
from vnpy.trader.utility import BarGenerator

WINDOWS = ((3, Interval.MINUTE), (5, Interval.MINUTE), (15, Interval.MINUTE), (30, Interval.MINUTE), (1, Interval.HOUR))


class Chain:
    """Generators of one instrument."""

    def __init__(self, longer):
        self.bars = 0
        self.longer = []
        if longer:
            self.longer = [BarGenerator(None, window, self.count, interval) for window, interval in WINDOWS]
            self.longer.append(BarGenerator(None, 1, self.count, Interval.DAILY, clock(15, 0)))
        self.minutes = BarGenerator(self.on_bar)

    def count(self, _):
        self.bars += 1

    def on_bar(self, bar):
        self.bars += 1
        for each in self.longer:
            each.update_bar(bar)


def main():
    """Ticks a CPU second, of one instrument and of 200, of minutes alone and of seven intervals."""
    columns = {name: column.tolist() for name, column in np.load(sys.argv[1]).items()}
    ticks = [
        TickData(
            symbol="x",
            exchange=Exchange.SHFE,
            datetime=datetime.fromtimestamp(ts / 1e9, UTC),
            gateway_name="x",
            last_price=last,
            volume=volume,
            turnover=turnover,
            open_interest=interest,
        )
        for ts, last, volume, turnover, interest in zip(*columns.values(), strict=True)
    ]
    few = ticks[:1_000]
    tasks = {
        "one_symbol_1m": (1, ticks, False),
        "one_symbol_seven": (1, ticks, True),
        "200_symbols_seven": (200, few, True),
    }
    print(json.dumps({name: rate(*task) for name, task in tasks.items()}))


def rate(symbols, ticks, longer):
    """The median of runs; of several symbols each tick comes to all of them."""
    found = []
    for _ in range(int(sys.argv[2])):
        chains = [Chain(longer) for _ in range(symbols)]
        work = list(chain.from_iterable([(each.minutes.update_tick, tick) for each in chains] for tick in ticks))
        started = time.process_time()
        for update, tick in work:
            update(tick)
        found.append(len(work) / (time.process_time() - started))
        assert chains[0].bars
    return round(statistics.median(found))


main()
