"""Bars that VeighNa saves: a file in the folder that the data service imports from, and the job that stores it."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from vnpy.trader.constant import Interval
from vnpy.trader.object import BarData

from marketprism_client import QueryFailed, SyncMarketClient
from marketprism_sdk.errors import SdkError, reason_of
from vnpy_marketprism.door import WrongSetting
from vnpy_marketprism.names import BY_DAY, Instrument, UnknownName, instrument_of, interval_of
from vnpy_marketprism.times import date_of, nanoseconds_of

Warn = Callable[[str], object]
FOLDER = "database.database"
_VEIGHNAS_OWN = "database.db"  # the file of SQLite, which stands there unless somebody writes something else
_WIDTHS = {"1m": 60, "1h": 3_600, "1d": 86_400, "1w": 7 * 86_400}
_NUMBERS = ("open", "high", "low", "close", "volume", "turnover", "open_interest")
_ATTRIBUTES = ("open_price", "high_price", "low_price", "close_price", "volume", "turnover", "open_interest")


def folder_of(setting: object) -> Path | None:
    """The folder of imports as this machine sees it; None where the setting names none.

    Raises:
        WrongSetting: there is no such folder.
    """
    if setting in (None, "", _VEIGHNAS_OWN):
        return None
    if not isinstance(setting, str) or not Path(setting).is_dir():
        raise WrongSetting(FOLDER, "the folder that the data service has as data.import_folder, or nothing", setting)
    return Path(setting)


class BarSaver:
    """Stores bars by import jobs. What is stored already and differs stays, and is said."""

    def __init__(self, client: SyncMarketClient, folder: Path | None, warn: Warn) -> None:
        self._client, self._folder, self._warn = client, folder, warn

    def save(self, bars: Sequence[BarData]) -> bool:
        """Whether all of them are stored now, or were before; why not is warned of."""
        if not bars:
            return True
        first = bars[0]
        name = f"save {len(bars)} bars of {first.symbol}.{first.exchange.value}"
        if self._folder is None:
            self._warn(f"{name}: refused, setting {FOLDER}: expected the data service's folder of imports, was none")
            return False
        try:
            return self._saved(bars, self._folder, name)
        except (UnknownName, QueryFailed, SdkError, OSError) as error:
            self._warn(f"{name}: refused, {reason_of(error)}")
            return False

    def _saved(self, bars: Sequence[BarData], folder: Path, name: str) -> bool:
        instrument, interval = instrument_of(bars[0].symbol, bars[0].exchange), interval_of(bars[0].interval)
        path = folder / f"veighna-{secrets.token_hex(8)}.csv"
        try:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                # Of a day VeighNa knows the date alone: when it began, the importer finds out.
                of_days = instrument.chinese and interval in BY_DAY
                writer.writerows((_days if of_days else _instants)(bars, instrument, interval))
            job = self._client.data.imports(path.name)
            shown = job.wait()
        finally:
            path.unlink(missing_ok=True)
        results = [each for task in shown.series for each in _series(task.result)]
        refused = [str(each["refused"]) for each in results if each.get("refused")]
        differing = sum(int(str(each.get("conflicts") or 0)) for each in results)
        if refused:
            self._warn(f"{name}: refused, {'; '.join(refused)[:300]}")
        if differing:
            self._warn(f"{name}: {differing} differ from stored ones, which stay (marketprism data import --replace)")
        return not refused and not differing


def _series(result: object) -> list[dict[str, object]]:
    found = result.get("series", []) if isinstance(result, dict) else []
    return [each for each in found if isinstance(each, dict)]


def _instants(bars: Sequence[BarData], instrument: Instrument, interval: str) -> list[list[object]]:
    """Rows as MarketPrism itself exports them."""
    rows: list[list[object]] = [["venue", "symbol", "interval", "ts_event", "ts_open", "ts_close", *_NUMBERS]]
    if not instrument.chinese:
        rows[0].append("closed")  # bars of the venue itself
    for bar in bars:
        opened = nanoseconds_of(bar.datetime)
        closed = opened + _WIDTHS[interval] * 1_000_000_000
        row = [*instrument, interval, closed, opened, closed, *_values(bar)]
        rows.append(row if instrument.chinese else [*row, "true"])
    return rows


def _days(bars: Sequence[BarData], instrument: Instrument, interval: str) -> list[list[object]]:
    """Rows as VeighNa exports them."""
    word = Interval.DAILY if interval == "1d" else Interval.WEEKLY
    rows: list[list[object]] = [["symbol", "exchange", "interval", "datetime", *_NUMBERS]]
    for bar in bars:
        day = f"{date_of(bar.datetime)} 00:00:00"
        rows.append([instrument.symbol, instrument.venue.upper(), word.value, day, *_values(bar)])
    return rows


def _values(bar: BarData) -> list[object]:
    """Numbers by their shortest texts, which are those that they were made of."""
    return [repr(float(getattr(bar, name))) for name in _ATTRIBUTES]
