"""How quickly three days of ticks become `TickData`: the best of some runs, in all and in this process alone; and
whether they have what VeighNa's constructor would have made of them."""

import dataclasses
import json
import sys
import time
from datetime import datetime

import ending  # noqa: F401 (beside this program)
from vnpy.trader.constant import Exchange
from vnpy.trader.database import get_database
from vnpy.trader.object import TickData

database = get_database()
runs = []
for _ in range(int(sys.argv[1])):
    started, cpu = time.perf_counter(), time.process_time()
    ticks = database.load_tick_data("ru1901", Exchange.SHFE, datetime(2018, 10, 8), datetime(2018, 10, 11))
    runs.append((time.perf_counter() - started, time.process_time() - cpu))
whole, own = (min(run[which] for run in runs) for which in (0, 1))
fields = [each.name for each in dataclasses.fields(TickData) if each.init]
alike = True
for tick in ticks[::1000]:
    made = TickData(**{name: getattr(tick, name) for name in fields})
    made.extra = tick.extra
    alike = alike and vars(made) == vars(tick)
print(json.dumps({"rows": len(ticks), "alike": alike, "whole_s": whole, "own_s": own}))
