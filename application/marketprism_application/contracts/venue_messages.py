"""Messages of the kinds that venues send by themselves, ready for the wire: numbers stay the venue's text.

Nothing is converted on the way from a venue's frame to NATS: a parser fills a message, the message is encoded. Readers
decode the same bytes into the kind's record with exact decimals (`codec.decode`).

One class per kind. A message holds `v` and the kind's fields, in its order (a test compares the two); positional
construction is the fastest that there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from marketprism_application.contracts.kinds import (
    BOOK_TOP,
    FUNDING_RATE,
    KLINE,
    LIQUIDATION,
    MARK_PRICE,
    OPEN_INTEREST,
    ORDERBOOK,
    TICKER,
    TRADE,
    DataKind,
)
from marketprism_application.contracts.subjects import escape

Text = str  # a decimal number as the venue wrote it, without an exponent
TextLevel = tuple[str, str]
Levels = Sequence[Sequence[str]]  # (price, quantity), best first


class Message(msgspec.Struct):
    """What every message begins with."""

    v: int
    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int


class TradeMessage(Message, omit_defaults=True):
    """A trade of the venue's tape. See `marketdata` for what each field means."""

    trade_id: str
    price: str
    quantity: str
    side: str
    contracts: str | None = None
    first_id: int | None = None
    last_id: int | None = None
    off_book: bool = False
    liquidation: str = ""
    mark_price: str | None = None
    index_price: str | None = None
    implied_volatility: str | None = None


class OrderBookMessage(Message, omit_defaults=True):
    """A whole book, or what changed of it. See `marketdata` for what each field means."""

    form: str
    valid: bool
    first_id: int = 0
    prev_id: int | None = None
    bids: Levels = ()
    asks: Levels = ()
    bid_floor: str | None = None
    ask_ceiling: str | None = None
    cause: str = ""


class BookTopMessage(Message, omit_defaults=True):
    """The best levels of a book, conflated. See `marketdata` for what each field means."""

    valid: bool
    depth: int
    bids: Levels = ()
    asks: Levels = ()


class KlineMessage(Message, omit_defaults=True):
    """The venue's own bar, also while it runs. See `marketdata` for what each field means."""

    interval: str
    ts_open: int
    ts_close: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    closed: bool
    turnover: str | None = None
    trades: int | None = None
    taker_buy_volume: str | None = None
    first_id: int | None = None
    last_id: int | None = None


class TickerMessage(Message, omit_defaults=True):
    """The venue's summary of an instrument, with greeks for options. See `marketdata` for what each field means."""

    last: str | None = None
    last_quantity: str | None = None
    bid: str | None = None
    bid_quantity: str | None = None
    ask: str | None = None
    ask_quantity: str | None = None
    open: str | None = None
    high: str | None = None
    low: str | None = None
    volume: str | None = None
    turnover: str | None = None
    mark_price: str | None = None
    index_price: str | None = None
    settlement: str | None = None
    underlying_price: str | None = None
    open_interest: str | None = None
    mark_volatility: str | None = None
    bid_volatility: str | None = None
    ask_volatility: str | None = None
    delta: str | None = None
    gamma: str | None = None
    vega: str | None = None
    theta: str | None = None
    rho: str | None = None


class FundingRateMessage(Message, omit_defaults=True):
    """What longs pay shorts of a perpetual. See `marketdata` for what each field means."""

    rate: str
    ts_funding: int | None = None
    interval_s: int | None = None
    settled: bool = False
    next_rate: str | None = None
    mark_price: str | None = None
    index_price: str | None = None


class OpenInterestMessage(Message, omit_defaults=True):
    """Contracts that are open. See `marketdata` for what each field means."""

    open_interest: str
    contracts: str | None = None
    value: str | None = None


class LiquidationMessage(Message, omit_defaults=True):
    """A position that the venue closed. See `marketdata` for what each field means."""

    side: str
    price: str
    quantity: str
    price_of: str
    complete: bool
    contracts: str | None = None


class MarkPriceMessage(Message, omit_defaults=True):
    """What the venue values positions at. See `marketdata` for what each field means."""

    mark_price: str
    index_price: str | None = None
    estimated_settlement_price: str | None = None


KIND_OF: dict[type[Message], DataKind] = {
    TradeMessage: TRADE,
    OrderBookMessage: ORDERBOOK,
    BookTopMessage: BOOK_TOP,
    KlineMessage: KLINE,
    TickerMessage: TICKER,
    FundingRateMessage: FUNDING_RATE,
    OpenInterestMessage: OPEN_INTEREST,
    LiquidationMessage: LIQUIDATION,
    MarkPriceMessage: MARK_PRICE,
}

_encoder = msgspec.msgpack.Encoder()


def kind_of(message: Message) -> DataKind:
    """Kind of a message."""
    return KIND_OF[type(message)]


def encode_message(message: Message) -> bytes:
    """The public message: the same bytes that `codec.encode` makes of the record."""
    return _encoder.encode(message)


def record_of(message: Message) -> Any:
    """The record with exact decimals, for callers that need values rather than text."""
    from marketprism_application.contracts.codec import decode  # noqa: PLC0415 (codec needs no messages)

    return decode(kind_of(message), encode_message(message))


class Subjects:
    """Subjects of messages, each made once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], str] = {}

    def of(self, message: Message) -> str:
        """Where a message is published."""
        made = type(message)
        interval = message.interval if isinstance(message, KlineMessage) else ""
        key = (made, message.venue, message.symbol, interval)
        found = self._known.get(key)
        if found is None:
            template = KIND_OF[made].subject
            found = template.format(
                venue=escape(message.venue), symbol=escape(message.symbol), interval=escape(interval)
            )
            self._known[key] = found
        return found


def message_id(message: Message) -> str:
    """What names the message among all collectors of its venue: two of them publish it once."""
    if isinstance(message, KlineMessage):
        of = f"{message.interval}.{message.ts_open}.{message.seq}"
    elif isinstance(message, OrderBookMessage):
        of = f"{message.seq}.{message.form}"
    else:
        of = str(message.seq)
    return f"{KIND_OF[type(message)].name}.{message.venue}.{message.symbol}.{of}"
