"""Bybit's frames to items. The topic chooses the type a push is decoded into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from marketprism_adapters.venues.bybit import frames
from marketprism_adapters.venues.bybit.symbols import Names
from marketprism_adapters.venues.kit.instrument_names import other_name
from marketprism_adapters.venues.kit.numbers import (
    NANOS_PER_MS,
    UNREADABLE,
    check_levels,
    identity,
    levels_named,
    nanos,
    number,
    optional,
    unreadable,
)
from marketprism_application.contracts.venue_messages import MarkPriceMessage, TradeMessage
from marketprism_application.venues.protocol import Control, Item, ParseRefused
from marketprism_domain.books.chain import BookChange
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

VENUE = "bybit"
BOOK_DEPTH = 1_000  # levels of the deepest stream, whose numbers (`u`) are those of the books by request
_A_SEQ = 100_000  # room for the trades of one cross sequence: they come in messages of up to 1024
_MAX_SEQ = (1 << 63) // _A_SEQ
_SEQS = 256
_SIDES = {"Buy": "buy", "Sell": "sell"}
_TYPES: dict[str, Any] = {
    "publicTrade": frames.Push[list[frames.Trade]],
    "orderbook": frames.Push[frames.Book],
    "tickers": frames.Push[frames.Ticker],
}
_BEHIND_NS = 10_000_000_000  # a ticker that is older than the newest by less is of the slower of two connections


class _Numbers:
    """Numbers for the trades of one instrument, which have none of their own: the cross sequence of the taker order
    that they are of, and their place in it. A trade that comes once more, by another connection, has its number again.

    The last `_SEQS` sequences are remembered; of an older one the places are counted anew, in the same order.
    """

    def __init__(self) -> None:
        self._places: dict[int, dict[str, int]] = {}

    def of(self, seq: int, trade_id: str) -> int:
        """The number of a trade.

        Raises:
            ParseRefused: no number of a sequence, or no room for so many of one.
        """
        if not 0 < seq < _MAX_SEQ:
            raise ParseRefused("number", f"seq: expected a number from 1 to {_MAX_SEQ - 1}, was {str(seq)[:40]}")
        places = self._places.get(seq)
        if places is None:
            places = self._places[seq] = {}
            if len(self._places) > _SEQS:
                del self._places[next(iter(self._places))]
        place = places.setdefault(trade_id, len(places))
        if place >= _A_SEQ:
            del places[trade_id]
            raise ParseRefused("field", f"seq: expected at most {_A_SEQ} trades of one, was more of {seq}")
        return seq * _A_SEQ + place


class _Prices(NamedTuple):
    """What the tickers of an instrument have said of its mark price; `mark_price` is empty before any has."""

    ts: int  # nanoseconds
    mark_price: str = ""
    index_price: str | None = None
    settlement_price: str | None = None


class BybitParser:
    """Frames of one category. Fulfils `FrameParser`.

    Trades have no number of their own that counts up, only the venue's cross sequence: holes in them are not seen.
    Block trades are on the tape, but not in the book.
    Books count up by one (`u`); a snapshot is sent again when the venue restarts. A ticker is a snapshot and then what
    changes of it: the prices that belong to a mark price are kept until another frame has them.
    """

    def __init__(self, source: str, names: Names) -> None:
        self.source = source
        self.names = names
        self.kinds: frozenset[str] | None = None
        self._prices: dict[str, _Prices] = {}
        self._numbers: dict[str, _Numbers] = {}
        self._decoders = {name: msgspec.json.Decoder(made).decode for name, made in _TYPES.items()}

    def learn(self, instruments: Sequence[InstrumentRecord]) -> None:
        """Learn the symbols of the venue's native names."""
        for each in instruments:
            self.names.learn(each)

    @property
    def scale(self) -> Callable[[str, str], str] | None:
        """None: quantities are amounts, not contracts."""
        return None

    def lost(self) -> None:
        """A price beside a mark price may have changed unread: it is not known until a frame has it."""
        self._prices.clear()

    def money_of(self, symbol: str, price: Decimal, quantity: Decimal) -> Decimal:  # noqa: ARG002 (the port's form)
        """Turnover of a trade."""
        return price * quantity

    def parse(self, frame: bytes, ts_recv: int) -> Sequence[Item]:
        """Items of a frame. Raises ParseRefused."""
        try:
            head = _head.decode(frame)
            if not head.topic:
                return (_answer(head),)
            name, _, rest = head.topic.partition(".")
            decode = self._decoders.get(name)
            if decode is None:
                return (Control("ignored", head.topic, "a topic that is not of this market's kinds", unknown=True),)
            push = decode(frame)
            _check_owner(push, rest.rpartition(".")[2])
            if name == "orderbook":
                return self._book(push, ts_recv, levels_named(rest.partition(".")[0], "topic"))
            return self._ticker(push, ts_recv) if name == "tickers" else self._trades(push, ts_recv)
        except UNREADABLE as error:
            self._prices.clear()  # it may have been a change of them
            raise unreadable(error, "bybit frame") from error

    def _trades(self, push: frames.Push[list[frames.Trade]], ts_recv: int) -> Sequence[Item]:
        made = []
        if not push.data:
            raise ParseRefused("missing", "data: expected at least one trade, there is none")
        for t in push.data:
            side = _SIDES.get(t.S)
            if side is None:
                raise ParseRefused("field", f"S: expected Buy or Sell, was {t.S!r}")
            numbers = self._numbers.get(t.s)
            if numbers is None:
                numbers = self._numbers[t.s] = _Numbers()
            made.append(
                TradeMessage(
                    1,
                    VENUE,
                    self.names.symbol(t.s),
                    self.source,
                    0,
                    numbers.of(t.seq, t.i),
                    nanos(t.T, "T"),
                    ts_recv,
                    0,
                    t.i,
                    number(t.p, "p"),
                    number(t.v, "v"),
                    side,
                    off_book=t.BT,
                )
            )
        return made

    def _book(self, push: frames.Push[frames.Book], ts_recv: int, depth: int) -> Sequence[Item]:
        book = push.data
        check_levels(book.b, "b")
        check_levels(book.a, "a")
        snapshot, last_id = push.type == "snapshot" or book.u == 1, identity(book.u, "u")
        ts = nanos(push.cts, "cts") if push.cts else nanos(push.ts, "ts")
        return (
            BookChange(
                VENUE,
                self.names.symbol(book.s),
                ts,
                ts_recv,
                last_id,
                last_id,
                None if snapshot else last_id - 1,
                book.b,
                book.a,
                snapshot,
                None,
                "",
                depth if snapshot else None,
            ),
        )

    def _ticker(self, push: frames.Push[frames.Ticker], ts_recv: int) -> Sequence[Item]:
        """The mark price, where the frame changes it or a price that belongs to it."""
        t, whole, ts = push.data, push.type == "snapshot", nanos(push.ts, "ts")
        before = self._prices.get(t.symbol, _Prices(0))
        if before.ts - _BEHIND_NS < ts < before.ts:
            return (Control("ignored", push.topic, "a ticker that a newer one has followed"),)
        before = _Prices(ts) if whole else before
        self._prices.pop(t.symbol, None)  # what cannot be read leaves nothing that may be old
        found = _Prices(
            ts,
            optional(t.mark_price, "markPrice") or before.mark_price,
            optional(t.index_price, "indexPrice") or before.index_price,
            _predicted(t.predicted_delivery_price) if t.predicted_delivery_price else before.settlement_price,
        )
        self._prices[t.symbol] = found
        if not found.mark_price or (not whole and found[1:] == before[1:]):
            return (Control("ignored", push.topic, "a ticker that changes no mark price"),)
        head = (1, VENUE, self.names.symbol(t.symbol), self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0)
        return (MarkPriceMessage(*head, *found[1:]),)


def _predicted(text: str) -> str | None:
    """A price of delivery; the venue writes 0 before it has one."""
    found = optional(text, "predictedDeliveryPrice")
    return None if found is None or not Decimal(found) else found


_head = msgspec.json.Decoder(frames.Head)


def _check_owner(push: frames.Push[Any], native: str) -> None:
    """Raises ParseRefused: the data are of another instrument than the topic."""
    data = push.data
    if isinstance(data, list):
        for trade in data:
            if trade.s != native:
                raise other_name("s", native, trade.s)
    elif isinstance(data, frames.Ticker):
        if data.symbol != native:
            raise other_name("symbol", native, data.symbol)
    elif data.s != native:
        raise other_name("s", native, data.s)


def _answer(head: frames.Head) -> Control:
    if head.op in ("pong", "ping"):
        return Control("pong")
    if not head.op and head.success is None:
        return Control("ignored", "", "a frame without a topic", unknown=True)
    if head.success is False:
        return Control("refused", head.req_id, head.ret_msg)
    return Control("unsubscribed" if head.op == "unsubscribe" else "subscribed", head.req_id, head.ret_msg)
