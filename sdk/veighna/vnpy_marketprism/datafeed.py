"""`Datafeed`: VeighNa's history comes from MarketPrism's store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from vnpy.trader.database import DB_TZ
from vnpy.trader.datafeed import BaseDatafeed
from vnpy.trader.object import BarData, HistoryRequest, TickData
from vnpy.trader.setting import SETTINGS

from marketprism_client import QueryFailed, SyncMarketClient
from marketprism_sdk.errors import SdkError, reason_of
from vnpy_marketprism.door import NAME, OF_DATABASE, OF_DATAFEED, Door, door_of
from vnpy_marketprism.history import History

Output = Callable[[str], object]


class Datafeed(BaseDatafeed):
    """`datafeed.username` is the address, `datafeed.password` the key of the API gateway; without an address it is that
    of the database, where that is MarketPrism too, else the platform of this machine.

    Raises:
        WrongSetting: a setting in `vt_setting.json`, by its name.
    """

    def __init__(self) -> None:
        self._client: SyncMarketClient = door_of_datafeed().client()

    def init(self, output: Output = print) -> bool:
        """Whether the platform answers; why not is put out."""
        try:
            self._client.instruments(limit=1)
        except (QueryFailed, SdkError) as error:
            output(f"MarketPrism: {reason_of(error)}")
            return False
        return True

    def query_bar_history(self, req: HistoryRequest, output: Output = print) -> list[BarData]:
        """Stored bars of a request; nothing, and why, where it cannot be answered."""
        try:
            return self._history(output).bars(req.symbol, req.exchange, req.interval, req.start, _end(req))
        except (QueryFailed, SdkError) as error:
            output(f"MarketPrism: bars of {req.vt_symbol}: {reason_of(error)}")
            return []

    def query_tick_history(self, req: HistoryRequest, output: Output = print) -> list[TickData]:
        """Stored ticks of a request; nothing, and why, where it cannot be answered."""
        try:
            return self._history(output).ticks(req.symbol, req.exchange, req.start, _end(req))
        except (QueryFailed, SdkError) as error:
            output(f"MarketPrism: ticks of {req.vt_symbol}: {reason_of(error)}")
            return []

    def _history(self, output: Output) -> History:
        return History(self._client, "MARKETPRISM", lambda text: output(f"MarketPrism: {text}"))


def door_of_datafeed() -> Door:
    """Where the datafeed gets its rows, by the settings as they are now. Raises WrongSetting."""
    named = SETTINGS.get(OF_DATAFEED.address) or SETTINGS.get(OF_DATAFEED.password)
    if not named and SETTINGS.get("database.name") == NAME:
        return door_of(SETTINGS, OF_DATABASE)
    return door_of(SETTINGS, OF_DATAFEED)


def _end(req: HistoryRequest) -> datetime:
    return req.end if req.end is not None else datetime.now(DB_TZ)
