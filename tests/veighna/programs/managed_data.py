"""vnpy_datamanager's and vnpy_chartwizard's engines on our database and datafeed: list, load, export, download, delete."""

import csv
import json
import time
from datetime import datetime
from pathlib import Path

import ending  # noqa: F401 (beside this program)
from vnpy.event import EventEngine
from vnpy.trader.constant import Exchange, Interval
from vnpy.trader.engine import MainEngine
from vnpy_chartwizard import ChartWizardApp
from vnpy_chartwizard.engine import EVENT_CHART_HISTORY
from vnpy_datamanager import DataManagerApp

START, END = datetime(2018, 10, 8), datetime(2018, 10, 11)
RU = ("ru1901", Exchange.SHFE)

events = EventEngine()
main = MainEngine(events)
manager, wizard = main.add_app(DataManagerApp), main.add_app(ChartWizardApp)
said, charts = [], []
events.register(EVENT_CHART_HISTORY, lambda event: charts.append(len(event.data)))
listed = [
    [each.symbol, each.exchange.value, each.interval.value, each.count, each.start.isoformat(), each.end.isoformat()]
    for each in manager.get_bar_overview()
]
ticks = [
    [each.symbol, each.exchange.value, each.count, each.start.isoformat(), each.end.isoformat()]
    for each in manager.database.get_tick_overview()
]
bars = manager.load_bar_data(*RU, Interval.MINUTE, START, END)
last = bars[-1].datetime
edges = [
    len(manager.load_bar_data(*RU, Interval.MINUTE, bars[3].datetime, bars[5].datetime)),
    len(manager.load_bar_data(*RU, Interval.MINUTE, last.replace(tzinfo=None), END)),
    len(manager.load_bar_data("ru1909", Exchange.SHFE, Interval.MINUTE, START, END)),
    len(manager.load_bar_data("ru1901", Exchange.CFE, Interval.MINUTE, START, END)),
]
hours = manager.load_bar_data(*RU, Interval.HOUR, START, END)
days = manager.load_bar_data(*RU, Interval.DAILY, datetime(2018, 10, 9), datetime(2018, 10, 10))
exported = manager.output_data_to_csv("ru1901.csv", *RU, Interval.MINUTE, START, END)
with Path("ru1901.csv").open() as file:
    rows = list(csv.DictReader(file))
downloaded = [
    manager.download_bar_data(*RU, "1m", START, said.append),
    manager.download_tick_data(*RU, datetime(2018, 10, 10, 22), said.append),
    manager.download_bar_data("nobody", Exchange.SHFE, "1m", START, said.append),
]
deleted = manager.delete_bar_data(*RU, Interval.MINUTE)
wizard.query_history("ru1901.SHFE", Interval.MINUTE, START, END)
until = time.monotonic() + 60
while not charts:
    assert time.monotonic() < until, "no chart"
    time.sleep(0.05)
main.close()
first = bars[0]
print(
    json.dumps(
        {
            "listed": listed,
            "ticks": ticks,
            "bars": len(bars),
            "first": [first.datetime.isoformat(), first.open_price, first.close_price, first.volume, first.extra],
            "edges": edges,
            "hours": [[each.datetime.isoformat(), each.volume] for each in hours],
            "days": [[each.datetime.isoformat(), each.open_price, each.close_price, each.volume] for each in days],
            "exported": [exported, len(rows), rows[0]],
            "downloaded": downloaded,
            "deleted": deleted,
            "initialised": manager.datafeed.init(said.append),
            "charts": charts,
            "said": said,
        }
    )
)
