"""`MarketPrismGateway`: VeighNa's live strategies on validated ticks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime

from vnpy.event import EventEngine
from vnpy.trader.constant import Exchange, Status
from vnpy.trader.database import DB_TZ
from vnpy.trader.gateway import BaseGateway
from vnpy.trader.object import (
    BarData,
    CancelRequest,
    HistoryRequest,
    OrderRequest,
    QuoteRequest,
    SubscribeRequest,
)

from marketprism_client import QueryFailed, SyncMarketClient
from marketprism_sdk.errors import SdkError, reason_of
from vnpy_marketprism.door import OF_GATEWAY, WrongSetting, door_of
from vnpy_marketprism.feed import Feed
from vnpy_marketprism.history import History
from vnpy_marketprism.names import EXCHANGE_OF, UnknownName, instrument_of

_REFUSED = "MarketPrism is a source of data and sends no orders; expected a gateway of the broker for them"


class MarketPrismGateway(BaseGateway):
    """Ticks as they were validated and numbered, from NATS or from the API gateway, or those of a replay.

    `address` and `password` (the key of an API gateway), or `user` and `password` of NATS; `ca` is a file of
    certificates, `replay` the prefix of `marketprism replay --prefix`. Ticks that a cut has left out come out of the
    store before the next one, with `refilled` in their `extra`, unless `refill` is off. Contracts come at the
    connection. Orders are refused: they are shown as rejected, and a log line says why.
    """

    default_name = "MARKETPRISM"
    default_setting: dict[str, str | int | float | bool] = {  # noqa: RUF012 (VeighNa's form)
        "address": "nats://127.0.0.1:4222",
        "user": "",
        "password": "",
        "ca": "",
        "replay": "",
        "refill": True,
    }
    exchanges = [*EXCHANGE_OF.values(), Exchange.GLOBAL]  # noqa: RUF012 (VeighNa's form)

    def __init__(self, event_engine: EventEngine, gateway_name: str = default_name) -> None:
        super().__init__(event_engine, gateway_name)
        self._feed: Feed | None = None
        self._client: SyncMarketClient | None = None
        self._orders = itertools.count(1)

    # -- data --------------------------------------------------------------------------------------------------------

    def connect(self, setting: Mapping[str, object]) -> None:
        """Begin to connect, in a thread of its own; log lines say how it goes. What was subscribed stays so."""
        try:
            door = door_of(setting, OF_GATEWAY)
        except WrongSetting as error:
            self.write_log(str(error))
            return
        subscribed = self._feed.subscribed if self._feed is not None else ()
        self.close()
        self._client = door.client()
        refill = setting.get("refill", True) not in (False, 0, "False", "false", "")
        on_tick, on_contract = self.on_tick, self.on_contract
        self._feed = Feed(door, self.gateway_name, on_tick, on_contract, self.write_log, refill=refill)
        for symbol, exchange in subscribed:
            self._feed.subscribe(symbol, exchange, instrument_of(symbol, exchange))
        self._feed.start()

    def close(self) -> None:
        """Leave; nothing more comes."""
        feed, self._feed = self._feed, None
        client, self._client = self._client, None
        if feed is not None:
            feed.stop()
        if client is not None:
            client.close()

    def subscribe(self, req: SubscribeRequest) -> None:
        """Ticks of an instrument from now on; asked twice it comes once."""
        if self._feed is None:
            self.write_log(f"subscribe {req.vt_symbol}: expected a connection first")
            return
        try:
            self._feed.subscribe(req.symbol, req.exchange, instrument_of(req.symbol, req.exchange))
        except UnknownName as error:
            self.write_log(f"subscribe {req.vt_symbol}: {error}")

    def query_history(self, req: HistoryRequest) -> list[BarData]:
        """Stored bars; nothing, and a log line, where they cannot be asked for."""
        if self._client is None:
            self.write_log(f"history of {req.vt_symbol}: expected a connection first")
            return []
        history = History(self._client, self.gateway_name, self.write_log)
        end = req.end if req.end is not None else datetime.now(DB_TZ)
        try:
            return history.bars(req.symbol, req.exchange, req.interval, req.start, end)
        except (QueryFailed, SdkError) as error:
            self.write_log(f"history of {req.vt_symbol}: {reason_of(error)}")
            return []

    # -- what it does not do -----------------------------------------------------------------------------------------

    def send_order(self, req: OrderRequest) -> str:
        """An empty name: the order was not sent. It is shown as rejected."""
        order = req.create_order_data(f"refused-{next(self._orders)}", self.gateway_name)
        order.status = Status.REJECTED
        order.datetime = datetime.now(DB_TZ)
        self.on_order(order)
        self.write_log(f"order of {req.vt_symbol}: {_REFUSED}")
        return ""

    def cancel_order(self, req: CancelRequest) -> None:
        """Nothing was sent that could be cancelled."""
        self.write_log(f"cancel {req.orderid} of {req.vt_symbol}: {_REFUSED}")

    def send_quote(self, req: QuoteRequest) -> str:
        """An empty name: the quote was not sent."""
        self.write_log(f"quote of {req.vt_symbol}: {_REFUSED}")
        return ""

    def cancel_quote(self, req: CancelRequest) -> None:
        """Nothing was sent that could be cancelled."""
        self.write_log(f"cancel {req.orderid} of {req.vt_symbol}: {_REFUSED}")

    def query_account(self) -> None:
        """There is none to be asked for."""

    def query_position(self) -> None:
        """There is none to be asked for."""
