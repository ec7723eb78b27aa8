"""Bars that vnpy_datamanager imports, and what the database says of them: minutes, days, those of a crypto venue, and
others in the place of stored ones."""

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path

import ending  # noqa: F401 (beside this program)
from vnpy.event import EventEngine
from vnpy.trader.constant import Exchange, Interval
from vnpy.trader.database import DB_TZ
from vnpy.trader.engine import MainEngine
from vnpy.trader.object import BarData
from vnpy_datamanager import DataManagerApp

HEADS = ("datetime", "open", "high", "low", "close", "volume", "turnover", "open_interest")
OPENED = datetime(2019, 5, 6, 9)
CU = ("cu1905", Exchange.SHFE)

main = MainEngine(EventEngine())
manager = main.add_app(DataManagerApp)
database = manager.database
with Path("cu1905.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(HEADS)
    for n in range(60):
        writer.writerow([OPENED + timedelta(minutes=n), 47000, 47010, 46990, 47010, n + 1, 235000.5, 180000 + n])
counted = manager.import_data_from_csv("cu1905.csv", *CU, Interval.MINUTE, "Asia/Shanghai", *HEADS, "")[2]
minutes = database.load_bar_data(*CU, Interval.MINUTE, OPENED, OPENED + timedelta(hours=2))
again = database.save_bar_data(minutes)
minutes[7].close_price = 46_990
differing = database.save_bar_data(minutes)
stays = database.load_bar_data(*CU, Interval.MINUTE, minutes[7].datetime, minutes[7].datetime)[0].close_price


def bar(symbol, exchange, interval, moment, price):
    prices = dict.fromkeys(("open_price", "high_price", "low_price", "close_price"), price)
    return BarData("T", symbol, exchange, moment, interval, volume=5, turnover=10, open_interest=3, **prices)


of_days = [
    bar("cu1905", Exchange.SHFE, Interval.DAILY, datetime(2019, 5, day, tzinfo=DB_TZ), 47_000 + 10 * day)
    for day in (6, 7, 8)
]
saved_days = database.save_bar_data(of_days)
days = database.load_bar_data(*CU, Interval.DAILY, datetime(2019, 5, 7), datetime(2019, 5, 8))
of_coins = [
    bar("BTC-USDT_BINANCE", Exchange.GLOBAL, Interval.HOUR, datetime(2024, 1, 1, 8 + n, tzinfo=DB_TZ), 42_000.5 + n)
    for n in range(3)
]
saved_coins = database.save_bar_data(of_coins)
coins = database.load_bar_data(
    "BTC-USDT_BINANCE", Exchange.GLOBAL, Interval.HOUR, datetime(2024, 1, 1), datetime(2024, 1, 2)
)
listed = [[each.symbol, each.exchange.value, each.interval.value, each.count] for each in database.get_bar_overview()]
main.close()
print(
    json.dumps(
        {
            "counted": counted,
            "minutes": len(minutes),
            "first": [minutes[0].datetime.isoformat(), minutes[0].open_price, minutes[0].turnover, minutes[0].extra],
            "saves": [again, differing, saved_days, saved_coins],
            "stays": stays,
            "days": [[each.datetime.isoformat(), each.close_price, each.extra] for each in days],
            "coins": [[each.datetime.isoformat(), each.close_price] for each in coins],
            "listed": listed,
        }
    )
)
