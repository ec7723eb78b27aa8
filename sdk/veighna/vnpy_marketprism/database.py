"""`Database`: VeighNa's database is MarketPrism's store."""

from __future__ import annotations

from datetime import datetime

from vnpy.trader.constant import Exchange, Interval
from vnpy.trader.database import BarOverview, BaseDatabase, TickOverview
from vnpy.trader.logger import logger
from vnpy.trader.object import BarData, TickData
from vnpy.trader.setting import SETTINGS

from vnpy_marketprism.door import OF_DATABASE, door_of
from vnpy_marketprism.history import History
from vnpy_marketprism.overview import bar_overviews, tick_overviews
from vnpy_marketprism.recorded import TickSaver
from vnpy_marketprism.saving import FOLDER, BarSaver, folder_of

_LOGGER = logger.bind(gateway_name="MarketPrism")


class Database(BaseDatabase):
    """Bars and ticks are loaded as Arrow tables from the read side. Bars are saved by import jobs, where
    `database.database` names the folder for them; ticks of other gateways wait there, and nothing is deleted: a line in
    the log says so.

    Methods raise QueryFailed (marketprism_client) or SdkError (marketprism_sdk.errors) where the platform does not
    answer: an empty list would be taken for an empty store.

    Raises:
        WrongSetting: a setting in `vt_setting.json`, by its name.
    """

    def __init__(self) -> None:
        folder = folder_of(SETTINGS.get(FOLDER))
        self.client = door_of(SETTINGS, OF_DATABASE).client()
        self._history = History(self.client, "DB", _LOGGER.warning)
        self._saver = BarSaver(self.client, folder, _LOGGER.warning)
        self._ticks = TickSaver(folder, _LOGGER.warning)

    def save_bar_data(self, bars: list[BarData], stream: bool = False) -> bool:  # noqa: ARG002 (VeighNa's form)
        """Whether all of them are stored now, or were before; what differs from a stored bar does not replace it."""
        return self._saver.save(bars)

    def save_tick_data(self, ticks: list[TickData], stream: bool = False) -> bool:  # noqa: ARG002 (VeighNa's form)
        """Whether all of them are in the store, as those that MarketPrism's gateway sent are. Others wait in a database
        of VeighNa's form, where `database.database` names a folder, for `marketprism data recordings`."""
        return self._ticks.save(ticks)

    def load_bar_data(
        self, symbol: str, exchange: Exchange, interval: Interval, start: datetime, end: datetime
    ) -> list[BarData]:
        """Bars from `start` to `end`, both included, each in its last revision."""
        return self._history.bars(symbol, exchange, interval, start, end)

    def load_tick_data(self, symbol: str, exchange: Exchange, start: datetime, end: datetime) -> list[TickData]:
        """Validated ticks from `start` to `end`, both included."""
        return self._history.ticks(symbol, exchange, start, end)

    def delete_bar_data(self, symbol: str, exchange: Exchange, interval: Interval) -> int:
        """0: nothing is deleted from here."""
        return self._not_deleted(f"{interval.value} bars of {symbol}.{exchange.value}")

    def delete_tick_data(self, symbol: str, exchange: Exchange) -> int:
        """0: nothing is deleted from here."""
        return self._not_deleted(f"ticks of {symbol}.{exchange.value}")

    def get_bar_overview(self) -> list[BarOverview]:
        """What there is of bars of minutes, hours, days and weeks."""
        return bar_overviews(self.client)

    def get_tick_overview(self) -> list[TickOverview]:
        """What there is of ticks."""
        return tick_overviews(self.client)

    def _not_deleted(self, what: str) -> int:
        _LOGGER.warning(f"delete {what}: refused, others use the store too; store.keep_days says how long rows stay")
        return 0
