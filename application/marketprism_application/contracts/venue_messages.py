"""Messages of the kinds that venues send by themselves, ready for the wire: numbers stay the venue's text.

Nothing is converted on the way from a venue's frame to NATS: a parser fills a message, the message is encoded. Readers
decode the same bytes into the kind's record with exact decimals (`codec.decode`).

One class per kind, made from the registry. A message holds `v` and the kind's fields, in its order; positional
construction is the fastest that there is.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Union

import msgspec

from marketprism_application.contracts.kinds import (
    BOOK_TOP,
    FUNDING_RATE,
    KLINE,
    LIQUIDATION,
    OPEN_INTEREST,
    ORDERBOOK,
    TICKER,
    TRADE,
    DataKind,
)
from marketprism_application.contracts.subjects import escape

Text = str  # a decimal number as the venue wrote it, without an exponent
TextLevel = tuple[str, str]


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


def _text_hint(hint: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        return str | None if Decimal in typing.get_args(hint) else hint
    if hint is Decimal:
        return str
    return list[Any] if origin is tuple else hint


def _message_type(kind: DataKind) -> type[Message]:
    own = kind.fields[8:]
    defaults = kind.model._field_defaults
    fields: list[Any] = []
    for name in own:
        hint = _text_hint(kind.types[name])
        fields.append((name, hint, defaults[name]) if name in defaults else (name, hint))
    made = msgspec.defstruct(f"{kind.model.__name__}Message", fields, bases=(Message,), omit_defaults=True)
    return typing.cast("type[Message]", made)


Maker = Callable[..., Message]

TradeMessage: Maker = _message_type(TRADE)
OrderBookMessage: Maker = _message_type(ORDERBOOK)
BookTopMessage: Maker = _message_type(BOOK_TOP)
KlineMessage: Maker = _message_type(KLINE)
TickerMessage: Maker = _message_type(TICKER)
FundingRateMessage: Maker = _message_type(FUNDING_RATE)
OpenInterestMessage: Maker = _message_type(OPEN_INTEREST)
LiquidationMessage: Maker = _message_type(LIQUIDATION)

KIND_OF: dict[Any, DataKind] = {
    TradeMessage: TRADE,
    OrderBookMessage: ORDERBOOK,
    BookTopMessage: BOOK_TOP,
    KlineMessage: KLINE,
    TickerMessage: TICKER,
    FundingRateMessage: FUNDING_RATE,
    OpenInterestMessage: OPEN_INTEREST,
    LiquidationMessage: LIQUIDATION,
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
        interval = message.interval if made is KlineMessage else ""  # type: ignore[attr-defined]
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
    made = type(message)
    if made is KlineMessage:
        of = f"{message.interval}.{message.ts_open}.{message.seq}"  # type: ignore[attr-defined]
    elif made is OrderBookMessage:
        of = f"{message.seq}.{message.form}"  # type: ignore[attr-defined]
    else:
        of = str(message.seq)
    return f"{KIND_OF[made].name}.{message.venue}.{message.symbol}.{of}"
