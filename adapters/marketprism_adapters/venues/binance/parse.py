"""Binance's frames to items. One pass over each frame: its stream's name chooses the type it is decoded into."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from marketprism_adapters.venues.binance import frames
from marketprism_adapters.venues.binance.amounts import Amounts
from marketprism_adapters.venues.binance.numbering import OTHER, TRADES, Handler, Numbering
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
from marketprism_application.contracts.kinds import FUNDING_RATE, MARK_PRICE, DataKind
from marketprism_application.contracts.venue_messages import (
    BookTopMessage,
    FundingRateMessage,
    KlineMessage,
    LiquidationMessage,
    MarkPriceMessage,
    Message,
    TickerMessage,
    TradeMessage,
)
from marketprism_application.venues.protocol import Control, Item, ParseRefused, Quote
from marketprism_domain.books.chain import BookChange
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

VENUE = "binance"
_HEAD = b'{"stream":"'
_MAX_STREAMS = 20_000
_SHORTEST_PAIR = 4
_MAX_ID = (1 << 63) - 1
_SHORT_BOTH = 19  # characters of a price and a quantity that have room whatever they are
_MOST_STEPS = 10_000_000  # ids that one depth frame covers: of the busiest books it is some thousands
_NUMBERS = b'0123456789.,"[]{}:ab'  # what the levels of a depth frame are made of
_too_long = re.compile(rb'"[0-9.]{20}').search  # a number that there may be no room for
ON_BOOK = frozenset({"MARKET", ""})


class BinanceParser:
    """Frames of one market. Fulfils `FrameParser`."""

    def __init__(self, market: str, source: str, amounts: Amounts | None = None) -> None:
        self.market = market
        self.source = source
        self.amounts = amounts or Amounts(market)
        self.kinds: frozenset[str] | None = None
        self._by_stream: dict[bytes, Handler] = {}
        self._numbering = Numbering()
        self._by_event: dict[str, Callable[[Any, int], Sequence[Item]]] = {
            "aggTrade": self._agg_trade, "trade": self._trade, "depthUpdate": self._depth,
            "bookTicker": self._book_ticker, "markPriceUpdate": self._mark_price, "24hrTicker": self._day_ticker,
            "kline": self._kline, "forceOrder": self._force_order,
        }  # fmt: skip

    def is_asked(self, kind: DataKind) -> bool:
        """Whether items of that kind are wanted."""
        return self.kinds is None or kind.name in self.kinds

    def learn(self, instruments: Sequence[InstrumentRecord]) -> None:
        """Names and contract sizes."""
        self.amounts.learn(instruments)

    @property
    def scale(self) -> Callable[[str, str], str] | None:
        """COIN-M counts contracts, the other markets amounts."""
        return self.amounts.scale if self.market == "coinm" else None

    def lost(self) -> None:
        """Nothing is made of several frames."""

    def money_of(self, symbol: str, price: Decimal, quantity: Decimal) -> Decimal:  # noqa: ARG002 (the port's form)
        """Turnover of a trade: the quantity of a COIN-M contract is its money."""
        return quantity if self.market == "coinm" else price * quantity

    def parse(self, frame: bytes, ts_recv: int) -> Sequence[Item]:
        """Items of a frame. Raises ParseRefused."""
        end = frame.find(b'"', 11, 120) if frame.startswith(_HEAD) else -1
        handler = self._by_stream.get(frame[11:end]) if end > 0 else None
        try:
            if handler is not None:
                return handler(frame, ts_recv)
            return self._first(frame, ts_recv)
        except UNREADABLE as error:
            raise unreadable(error, f"{self.market} frame") from error

    # -- which type --------------------------------------------------------------------------------------------------

    def _first(self, frame: bytes, ts_recv: int) -> Sequence[Item]:
        """A stream that was not seen before, or a frame without one."""
        head = _head.decode(frame) if frame[:1] == b"{" else None
        if head is None:
            raise ParseRefused("malformed", f"{self.market} frame: expected an object, was {frame[:20]!r}")
        if not head.stream:
            return self._bare(frame, ts_recv)
        made = self._handler(head.stream)
        if made is None:
            return (Control("ignored", head.stream, "a stream that is not of this market's kinds", unknown=True),)
        items = made(frame, ts_recv)
        native, _, event = head.stream.partition("@")
        if event in TRADES and not self._numbering.tells(native.upper(), event, items, ts_recv):
            items = OTHER
            other = f"{native}@{'trade' if event == 'aggTrade' else 'aggTrade'}".encode()
            if other in self._by_stream:
                self._by_stream[other] = self._numbering.watched(other.decode(), self._by_stream[other])
            made = self._numbering.watched(head.stream, made)
        if not head.generated and len(self._by_stream) < _MAX_STREAMS:
            self._by_stream[head.stream.encode()] = made
        return items

    def _handler(self, stream: str) -> Handler | None:
        name, _, kind = stream.partition("@")
        if "-" in name or name.isupper():
            return None  # European options, with dashes or capitals in their streams, are another market
        if name.startswith("!"):
            kind = f"{name[1:]}@{kind}" if kind else name[1:]
        base = kind.partition("@")[0]
        if base.startswith("depth") and base[5:].isdecimal():
            return self._partial(name.upper(), levels_named(base[5:], "stream"))
        event = {"markPrice": "markPriceUpdate", "ticker": "24hrTicker", "depth": "depthUpdate"}.get(base, base)
        event = "kline" if base.startswith("kline_") else event
        if event not in _TYPES or base.upper() == base:
            return None
        return self._enveloped(event, _owner_of(name), many=kind.endswith("@arr"))

    def _enveloped(self, event: str, native: str, *, many: bool) -> Handler:
        """`native`: the instrument whose stream it is, empty of a stream of many."""
        work, made = self._by_event[event], _TYPES[event]
        if made is frames.Depth:
            return self._depths(native)
        if not many:
            decode = msgspec.json.Decoder(frames.Envelope[made]).decode  # type: ignore[valid-type]

            def one(frame: bytes, ts_recv: int) -> Sequence[Item]:
                data: Any = decode(frame).data
                owner = data.o.s if made is frames.ForceOrder else data.s
                if native and owner != native:
                    raise other_name("s", native, owner)
                return work(data, ts_recv)

            return one
        either: Any = made | list.__class_getitem__(made)
        decode_many = msgspec.json.Decoder(frames.Envelope[either]).decode

        def each(frame: bytes, ts_recv: int) -> Sequence[Item]:
            data = decode_many(frame).data
            return [item for one in (data if isinstance(data, list) else [data]) for item in work(one, ts_recv)]

        return each

    def _bare(self, frame: bytes, ts_recv: int) -> Sequence[Item]:
        """A frame of a connection with one stream, or an answer to a request."""
        event = _event.decode(frame)
        named = event.e or ("bookTicker" if event.u is not None else "")
        if named in _TYPES:
            found: Any = msgspec.json.decode(frame, type=_TYPES[named])
            items = self._by_event[named](found, ts_recv)
            chosen = named not in TRADES or self._numbering.tells(found.s, named, items, ts_recv)
            return items if chosen else OTHER
        if named == "serverShutdown":
            return (Control("closing", "", "the server announces its restart"),)
        if event.error or event.code is not None:
            return (Control("refused", str(event.id), bytes(event.error).decode() or f"{event.code} {event.msg}"),)
        if event.id is not None:
            return (Control("subscribed", str(event.id)),)
        return (Control("ignored", named, "a frame that is not of this market's kinds", unknown=True),)

    # -- kinds -------------------------------------------------------------------------------------------------------

    def _agg_trade(self, t: frames.AggTrade, ts_recv: int) -> Sequence[Item]:
        symbol, size = self.amounts.of(t.s)
        price, quantity = t.p, t.q
        if len(price) + len(quantity) > _SHORT_BOTH or not (
            price.replace(".", "", 1).isdecimal() and quantity.replace(".", "", 1).isdecimal()
        ):
            price, quantity = number(price, "p"), number(quantity, "q")
        side = "sell" if t.m else "buy"
        ts = nanos(t.T, "T")
        if not (0 <= t.a <= _MAX_ID and 0 <= t.f <= t.l <= _MAX_ID):
            raise ParseRefused("number", f"a, f, l: expected ids, was {t.a}, {t.f}, {t.l}"[:200], symbol)
        if size is None:
            return (TradeMessage(
                1, VENUE, symbol, self.source, 0, t.a, ts, ts_recv, 0, str(t.a), price, quantity, side,
                None, t.f, t.l,
            ),)  # fmt: skip
        return (TradeMessage(
            1, VENUE, symbol, self.source, 0, t.a, ts, ts_recv, 0, str(t.a), price,
            self.amounts.scaled(quantity, size), side, quantity, t.f, t.l,
        ),)  # fmt: skip

    def _trade(self, t: frames.RawTrade, ts_recv: int) -> Sequence[Item]:
        symbol, size = self.amounts.of(t.s)
        price, quantity = number(t.p, "p"), number(t.q, "q")
        amount = quantity if size is None else self.amounts.scaled(quantity, size)
        return (TradeMessage(
            1, VENUE, symbol, self.source, 0, identity(t.t, "t"), nanos(t.T, "T"), ts_recv, 0, str(t.t), price, amount,
            "sell" if t.m else "buy", None if size is None else quantity, t.t, t.t, t.X not in ON_BOOK,
        ),)  # fmt: skip

    def _depths(self, native: str) -> Handler:
        """Depth frames. Their levels come last, so one look over the bytes shows that they are nothing but numbers."""
        decode = msgspec.json.Decoder(frames.Envelope[frames.Depth]).decode

        def depth(frame: bytes, ts_recv: int) -> Sequence[Item]:
            start = frame.find(b',"b":[', 60, 300)
            levels = frame[start:]
            data = decode(frame).data
            if native and data.s != native:
                raise other_name("s", native, data.s)
            if start > 0 and not levels.translate(None, _NUMBERS) and _too_long(levels) is None:
                return self._change(data, ts_recv)
            return self._depth(data, ts_recv)

        return depth

    def _depth(self, d: frames.Depth, ts_recv: int) -> Sequence[Item]:
        check_levels(d.b, "b")
        check_levels(d.a, "a")
        return self._change(d, ts_recv)

    def _change(self, d: frames.Depth, ts_recv: int) -> Sequence[Item]:
        symbol, _ = self.amounts.of(d.s)
        ts = nanos(d.T, "T") if d.T else nanos(d.E, "E")
        if not (0 <= d.U <= d.u <= _MAX_ID and d.u - d.U < _MOST_STEPS):
            raise ParseRefused("number", f"U, u: expected a range of ids, was {d.U} to {d.u}"[:200], symbol)
        return (BookChange(VENUE, symbol, ts, ts_recv, d.u, d.U, d.pu, d.b, d.a),)

    def _partial(self, native: str, depth: int) -> Handler:
        whole = msgspec.json.Decoder(frames.Envelope[frames.PartialDepth]).decode
        named = msgspec.json.Decoder(frames.Envelope[frames.Depth]).decode

        def top(frame: bytes, ts_recv: int) -> Sequence[Item]:
            if b'"lastUpdateId"' in frame[:200]:
                data = whole(frame).data
                bids, asks, last_id, ts = data.bids, data.asks, data.last_id, data.T or data.E
            else:
                change = named(frame).data
                bids, asks, last_id, ts = change.b, change.a, change.u, change.T or change.E
            check_levels(bids, "bids")
            check_levels(asks, "asks")
            symbol, size = self.amounts.of(native)
            levels = self.amounts.levels
            return (BookTopMessage(
                1, VENUE, symbol, self.source, 0, identity(last_id, "lastUpdateId"),
                nanos(ts, "E") if ts else ts_recv, ts_recv, 0, True, depth,
                levels(bids, size), levels(asks, size),
            ),)  # fmt: skip

        return top

    def _book_ticker(self, q: frames.BookTicker, ts_recv: int) -> Sequence[Item]:
        symbol, size = self.amounts.of(q.s)
        bid_quantity, ask_quantity = number(q.B, "B"), number(q.A, "A")
        if size is not None:
            bid_quantity, ask_quantity = (self.amounts.scaled(each, size) for each in (bid_quantity, ask_quantity))
        ts = q.T or q.E
        return (Quote(
            VENUE, symbol, nanos(ts, "T") if ts else ts_recv, ts_recv, identity(q.u, "u"), number(q.b, "b"),
            bid_quantity, number(q.a, "a"), ask_quantity,
        ),)  # fmt: skip

    def _mark_price(self, p: frames.MarkPrice, ts_recv: int) -> Sequence[Item]:
        symbol, _ = self.amounts.of(p.s)
        mark, index, ts = number(p.p, "p"), optional(p.i, "i"), nanos(p.E, "E")
        head = (1, VENUE, symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0)
        made: list[Message] = []
        if p.r and self.is_asked(FUNDING_RATE):
            due, interval_s = nanos(p.T, "T") if p.T else None, self.amounts.funding_s(p.s)
            rate = number(p.r, "r")
            made.append(FundingRateMessage(*head, rate, due, interval_s, mark_price=mark, index_price=index))
        elif not p.r and self.kinds is None:  # a delivery contract has no funding
            made.append(TickerMessage(*head, mark_price=mark, index_price=index))
        if self.is_asked(MARK_PRICE):
            made.append(MarkPriceMessage(*head, mark, index, optional(p.P, "P")))
        return made

    def _day_ticker(self, t: frames.DayTicker, ts_recv: int) -> Sequence[Item]:
        symbol, size = self.amounts.of(t.s)
        volume, turnover = self.amounts.traded(number(t.v, "v"), number(t.q, "q"), size)
        ts = nanos(t.E, "E")
        return (TickerMessage(
            1, VENUE, symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0, number(t.c, "c"),
            self.amounts.quantity(t.Q, "Q", size), optional(t.b, "b"), self.amounts.quantity(t.B, "B", size),
            optional(t.a, "a"), self.amounts.quantity(t.A, "A", size), number(t.o, "o"), number(t.h, "h"),
            number(t.l, "l"), volume, turnover,
        ),)  # fmt: skip

    def _kline(self, event: frames.Kline, ts_recv: int) -> Sequence[Item]:
        symbol, size = self.amounts.of(event.s)
        k = event.k
        volume, turnover = self.amounts.traded(number(k.v, "v"), number(k.q, "q"), size)
        ts = nanos(event.E, "E")
        return (KlineMessage(
            1, VENUE, symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0, k.i, nanos(k.t, "t"),
            nanos(k.T + 1, "T"), number(k.o, "o"), number(k.h, "h"), number(k.l, "l"), number(k.c, "c"), volume, k.x,
            turnover, identity(k.n, "n"), self.amounts.quantity(k.V, "V", size),
            identity(k.f, "f") if k.n else None, identity(k.L, "L") if k.n else None,
        ),)  # fmt: skip

    def _force_order(self, event: frames.ForceOrder, ts_recv: int) -> Sequence[Item]:
        o = event.o
        symbol, size = self.amounts.of(o.s)
        if o.S not in ("BUY", "SELL"):
            raise ParseRefused("field", f"S: expected BUY or SELL, was {o.S!r}", symbol)
        contracts, ts = number(o.z, "z"), nanos(o.T, "T")
        amount = contracts if size is None else self.amounts.scaled(contracts, size)
        # Only the latest order of a symbol in each second is pushed (Binance, Liquidation Order Streams).
        return (LiquidationMessage(
            1, VENUE, symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0, o.S.lower(), number(o.ap, "ap"),
            amount, "average", False, None if size is None else contracts,
        ),)  # fmt: skip


def _owner_of(stream: str) -> str:
    """The instrument whose stream it is; empty of one of many, and of what is too short to be a pair."""
    return "" if stream.startswith("!") or len(stream) < _SHORTEST_PAIR else stream.upper()


class _Head(msgspec.Struct):
    stream: str = ""
    generated: bool = False


_head = msgspec.json.Decoder(_Head)
_event = msgspec.json.Decoder(frames.Event)
_TYPES: dict[str, type[Any]] = {
    "aggTrade": frames.AggTrade, "trade": frames.RawTrade, "depthUpdate": frames.Depth,
    "bookTicker": frames.BookTicker, "markPriceUpdate": frames.MarkPrice, "24hrTicker": frames.DayTicker,
    "kline": frames.Kline, "forceOrder": frames.ForceOrder,
}  # fmt: skip
