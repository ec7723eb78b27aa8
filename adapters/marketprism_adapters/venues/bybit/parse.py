"""Bybit's frames to items. The topic chooses the type a push is decoded into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from marketprism_adapters.venues.bybit import frames
from marketprism_adapters.venues.bybit.symbols import Names
from marketprism_adapters.venues.numbers import UNREADABLE, check_levels, ms, number, unreadable
from marketprism_application.contracts.messages import TradeMessage
from marketprism_application.venue import Control, Item, ParseRefused
from marketprism_domain.book_chain import BookChange
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

VENUE = "bybit"
_SIDES = {"Buy": "buy", "Sell": "sell"}
_TYPES: dict[str, Any] = {"publicTrade": frames.Push[list[frames.Trade]], "orderbook": frames.Push[frames.Book]}


class BybitParser:
    """Frames of one category. Fulfils `FrameParser`.

    Trades have no number of their own that counts up, only the venue's cross sequence: holes in them are not seen.
    Books count up by one (`u`); a snapshot is sent again when the venue restarts.
    """

    def __init__(self, source: str, names: Names) -> None:
        self.source = source
        self.names = names
        self._decoders = {name: msgspec.json.Decoder(made).decode for name, made in _TYPES.items()}

    def learn(self, instruments: Sequence[InstrumentRecord]) -> None:
        """Names."""
        for each in instruments:
            self.names.learn(each)

    @property
    def scale(self) -> Callable[[str, str], str] | None:
        """Amounts are amounts."""
        return None

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
                return (Control("ignored", head.topic, "a topic that is not of this market's kinds"),)
            push = decode(frame)
            if name == "orderbook":
                return self._book(push, ts_recv, int(rest.partition(".")[0]))
            return self._trades(push, ts_recv)
        except UNREADABLE as error:
            raise unreadable(error, "bybit frame") from error

    def _trades(self, push: frames.Push[list[frames.Trade]], ts_recv: int) -> Sequence[Item]:
        made = []
        for place, t in enumerate(push.data):
            side = _SIDES.get(t.S)
            if side is None:
                raise ParseRefused("field", f"S: expected Buy or Sell, was {t.S!r}")
            made.append(TradeMessage(
                1, VENUE, self.names.symbol(t.s), self.source, 0, t.seq * 1_000 + place, ms(t.T), ts_recv, 0, t.i,
                number(t.p, "p"), number(t.v, "v"), side,
            ))  # fmt: skip
        return made

    def _book(self, push: frames.Push[frames.Book], ts_recv: int, depth: int) -> Sequence[Item]:
        book = push.data
        check_levels(book.b, "b")
        check_levels(book.a, "a")
        snapshot = push.type == "snapshot" or book.u == 1
        return (BookChange(
            VENUE, self.names.symbol(book.s), ms(push.cts or push.ts), ts_recv, book.u, book.u,
            None if snapshot else book.u - 1, book.b, book.a, snapshot, None, "", depth if snapshot else None,
        ),)  # fmt: skip


_head = msgspec.json.Decoder(frames.Head)


def _answer(head: frames.Head) -> Control:
    if head.op in ("pong", "ping"):
        return Control("pong")
    if head.success is False:
        return Control("refused", head.req_id, head.ret_msg)
    return Control("unsubscribed" if head.op == "unsubscribe" else "subscribed", head.req_id, head.ret_msg)
