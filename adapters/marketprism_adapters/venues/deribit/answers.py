"""Deribit's REST answers (the same JSON-RPC results as over a web socket)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from marketprism_adapters.venues.deribit import frames
from marketprism_adapters.venues.deribit.parse import VENUE, DeribitParser
from marketprism_adapters.venues.deribit.symbols import symbol_of
from marketprism_adapters.venues.kit.instrument_lists import listed
from marketprism_adapters.venues.kit.numbers import (
    NANOS_PER_MS,
    UNREADABLE,
    day_text,
    from_number,
    identity,
    nanos,
    unreadable,
)
from marketprism_application.contracts.venue_messages import FundingRateMessage
from marketprism_application.venues.protocol import Answer, ParseRefused
from marketprism_domain.books.sync import BookSnapshot
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

Parameters = Mapping[str, str]
T = TypeVar("T")
_PERPETUAL = "perpetual"


class Reply(msgspec.Struct, Generic[T]):
    result: T


class _Refusal(msgspec.Struct):
    error: Any = None


class Instrument(msgspec.Struct, rename={"class_": "kind"}):
    instrument_name: str
    class_: str
    base_currency: str
    quote_currency: str
    tick_size: Decimal
    min_trade_amount: Decimal
    is_active: bool = True
    contract_size: Decimal = Decimal(1)
    counter_currency: str = ""
    settlement_currency: str = ""
    settlement_period: str = ""
    instrument_type: str = ""
    expiration_timestamp: int = 0
    creation_timestamp: int = 0
    strike: Decimal | None = None
    option_type: str = ""


class OrderBook(msgspec.Struct):
    instrument_name: str
    change_id: int
    timestamp: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


class Trades(msgspec.Struct):
    trades: list[msgspec.Raw]


class HourFunding(msgspec.Struct):
    timestamp: int
    interest_8h: Decimal
    interest_1h: Decimal
    index_price: Decimal | None = None


class Columns(msgspec.Struct):
    """Bars as columns; `no_data` has none."""

    ticks: list[int] = []
    open: list[Decimal] = []
    high: list[Decimal] = []
    low: list[Decimal] = []
    close: list[Decimal] = []
    volume: list[Decimal] = []
    cost: list[Decimal] = []
    status: str = ""


class DeribitAnswers:
    """Reads the answers."""

    def __init__(self) -> None:
        self._readers: dict[str, Callable[[bytes, Parameters, int, DeribitParser], Answer]] = {
            "get_instruments": self._instruments,
            "get_instrument": self._instruments,
            "get_order_book": self._book,
            "get_last_trades_by_instrument": self._trades,
            "get_last_trades_by_instrument_and_time": self._trades,
            "get_tradingview_chart_data": self._chart,
            "get_funding_rate_history": self._funding,
            "ticker": self._ticker,
        }

    def read(self, path: str, parameters: Parameters, body: bytes, ts_recv: int, parser: DeribitParser) -> Answer:
        """As `Venue.answer` says. Raises ParseRefused."""
        name = path.rstrip("/").rsplit("/", 1)[-1]
        try:
            refusal = msgspec.json.decode(body, type=_Refusal).error
            if refusal is not None:
                raise ParseRefused("refused", f"{path}: {str(refusal)[:300]}")
            reader = self._readers.get(name)
            if reader is None:
                return Answer(ignored="an answer that is of no kind here")
            return reader(body, parameters, ts_recv, parser)
        except UNREADABLE as error:
            raise unreadable(error, path) from error

    @staticmethod
    def _instruments(body: bytes, given: Parameters, ts_recv: int, parser: DeribitParser) -> Answer:  # noqa: ARG004
        found = msgspec.json.decode(body, type=Reply[msgspec.Raw]).result
        rows = msgspec.json.decode(found, type=list[msgspec.Raw]) if bytes(found)[:1] == b"[" else [found]
        return listed(rows, Instrument, lambda each: _record(each, ts_recv), parser, "get_instruments")

    @staticmethod
    def _book(body: bytes, given: Parameters, ts_recv: int, parser: DeribitParser) -> Answer:  # noqa: ARG004
        book = msgspec.json.decode(body, type=Reply[OrderBook]).result
        bids, asks = (
            [(from_number(price) or "", from_number(amount) or "") for price, amount in side]
            for side in (book.bids, book.asks)
        )
        cut_at = int(given.get("depth", "5"))
        snapshot = BookSnapshot(
            identity(book.change_id, "change_id"), nanos(book.timestamp, "timestamp"), ts_recv, bids, asks, cut_at
        )
        return Answer(snapshots=((symbol_of(book.instrument_name), snapshot),))

    @staticmethod
    def _trades(body: bytes, given: Parameters, ts_recv: int, parser: DeribitParser) -> Answer:
        rows = msgspec.json.decode(body, type=Reply[Trades]).result.trades
        return Answer(items=_pushed(parser, f"trades.{given.get('instrument_name', '')}.raw", rows, ts_recv))

    @staticmethod
    def _chart(body: bytes, given: Parameters, ts_recv: int, parser: DeribitParser) -> Answer:
        chart = msgspec.json.decode(body, type=Reply[Columns]).result
        columns = (chart.ticks, chart.open, chart.high, chart.low, chart.close, chart.volume, chart.cost)
        if len({len(column) for column in columns}) > 1:
            lengths = ", ".join(str(len(column)) for column in columns)
            raise ParseRefused("field", f"chart: expected columns of one length, was {lengths}")
        native, resolution = given["instrument_name"], given["resolution"]
        bars = (frames.Chart(*row) for row in zip(*columns, strict=True))
        return Answer(items=[parser.kline(bar, ts_recv, native, resolution, closed=True) for bar in bars])

    @staticmethod
    def _ticker(body: bytes, given: Parameters, ts_recv: int, parser: DeribitParser) -> Answer:
        row = msgspec.json.decode(body, type=Reply[msgspec.Raw]).result
        return Answer(items=_pushed(parser, f"ticker.{given.get('instrument_name', '')}.raw", row, ts_recv))

    @staticmethod
    def _funding(body: bytes, given: Parameters, ts_recv: int, parser: DeribitParser) -> Answer:
        symbol = symbol_of(given["instrument_name"])
        return Answer(
            items=[
                FundingRateMessage(
                    1,
                    VENUE,
                    symbol,
                    parser.source,
                    0,
                    ts // NANOS_PER_MS,
                    ts,
                    ts_recv,
                    0,
                    from_number(row.interest_1h),
                    ts,
                    3600,
                    True,
                    None,
                    None,
                    from_number(row.index_price),
                )
                for row in msgspec.json.decode(body, type=Reply[list[HourFunding]]).result
                for ts in (nanos(row.timestamp, "timestamp"),)
            ]
        )


def _pushed(parser: DeribitParser, channel: str, data: object, ts_recv: int) -> Any:
    params = {"channel": channel, "data": data}
    return parser.parse(msgspec.json.encode({"method": "subscription", "params": params}), ts_recv)


def _record(each: Instrument, ts: int) -> InstrumentRecord:
    quote = each.counter_currency or each.quote_currency
    linear = each.instrument_type == "linear" or each.class_ == "spot" or "_" in each.instrument_name
    inverse = not linear and each.class_ == "future"
    class_ = "swap" if each.settlement_period == _PERPETUAL else each.class_
    return InstrumentRecord(
        VENUE, symbol_of(each.instrument_name), VENUE, 0, 0, ts, ts, 0, f"{each.base_currency}-{quote}", class_,
        each.contract_size, each.tick_size, "" if each.strike is None else f"{each.base_currency}-{quote}", each.strike,
        each.option_type, day_text(each.creation_timestamp),
        "" if class_ == "swap" else day_text(each.expiration_timestamp),
        min_limit_volume=each.min_trade_amount, native=each.instrument_name, base=each.base_currency, quote=quote,
        settle=each.settlement_currency or each.base_currency, inverse=inverse, quantity_step=each.min_trade_amount,
        status="trading" if each.is_active else "delisted",
    )  # fmt: skip
