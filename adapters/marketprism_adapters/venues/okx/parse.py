"""OKX's frames to items. The `arg` that a push begins with chooses the type it is decoded into."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from marketprism_adapters.venues.kit.instrument_names import checked_name, other_name
from marketprism_adapters.venues.kit.numbers import (
    NANOS_PER_MS,
    UNREADABLE,
    check_levels,
    identity,
    number,
    optional,
    unreadable,
)
from marketprism_adapters.venues.okx import frames
from marketprism_adapters.venues.okx.control import control_of
from marketprism_adapters.venues.okx.symbols import SPOT, native_of, symbol_of, type_of
from marketprism_adapters.venues.okx.terms import Contract, bar_of, ns, of_utc8, whole
from marketprism_application.contracts.venue_messages import (
    BookTopMessage,
    FundingRateMessage,
    KlineMessage,
    LiquidationMessage,
    MarkPriceMessage,
    Message,
    OpenInterestMessage,
    TickerMessage,
    TradeMessage,
)
from marketprism_application.venues.protocol import Control, Item, ParseRefused, Quote
from marketprism_domain.books.chain import BookChange
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

VENUE = "okx"
BOOK_DEPTH = 400  # levels a side of `books` and `books-l2-tbt`
_HEAD = b'{"arg":{'
_MAX_STREAMS = 20_000
_CHECKED = frozenset({"buy", "sell"})
_ALIKE = 10_000  # numbers of one millisecond

Handler = Callable[[bytes, int], Sequence[Item]]


class OkxParser:
    """Fulfils `FrameParser`. Without an instrument list a contract counts as 1: `sizes_known` says so."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.sizes_known = False
        self.kinds: frozenset[str] | None = None
        self._contracts: dict[str, Contract] = {}
        self._by_arg: dict[bytes, Handler] = {}

    def learn(self, instruments: Sequence[InstrumentRecord]) -> None:
        """Learn symbols and contract sizes; quantities cannot be scaled before."""
        self.sizes_known = True
        for each in instruments:
            size = each.multiplier if each.class_ != "spot" else None
            self._contracts[each.native] = Contract(each.symbol, size, inverse=each.inverse)

    @property
    def scale(self) -> Callable[[str, str], str]:
        """Derivatives are counted in contracts."""
        return lambda symbol, quantity: self.contract(native_of(symbol)).amount(quantity)

    def lost(self) -> None:
        """Nothing is made of several frames."""

    def money_of(self, symbol: str, price: Decimal, quantity: Decimal) -> Decimal:
        """Turnover of a trade: the quantity of an inverse contract is its money."""
        return quantity if self.contract(native_of(symbol)).inverse else price * quantity

    def parse(self, frame: bytes, ts_recv: int) -> Sequence[Item]:
        """Items of a frame. Raises ParseRefused."""
        end = frame.find(b"}", 8, 300) if frame.startswith(_HEAD) else -1
        handler = self._by_arg.get(frame[8:end]) if end > 0 else None
        try:
            if handler is not None:
                return handler(frame, ts_recv)
            return self._first(frame, ts_recv, frame[8:end] if end > 0 else b"")
        except UNREADABLE as error:
            raise unreadable(error, "okx frame") from error

    def contract(self, native: str) -> Contract:
        """Terms of an instrument. Raises ParseRefused: not in the instrument list."""
        found = self._contracts.get(native)
        if found is None:
            if self.sizes_known and type_of(native) != SPOT:
                raise ParseRefused("unknown_instrument", f"instId: expected one of the instrument list, was {native!r}")
            found = Contract(symbol_of(checked_name(native, "instId")), None, inverse=False)
            self._contracts[native] = found
        return found

    # -- which type --------------------------------------------------------------------------------------------------

    def _first(self, frame: bytes, ts_recv: int, key: bytes) -> Sequence[Item]:
        if frame == b"pong":
            return (Control("pong"),)
        head = _head.decode(frame)
        if head.event:
            return (control_of(head),)
        if head.arg is None:
            return (Control("ignored", "", "a frame without a channel", unknown=True),)
        made = self._handler(head.arg)
        if made is None:
            return (Control("ignored", head.arg.channel, "a channel that is not of this venue's kinds", unknown=True),)
        if key and len(self._by_arg) < _MAX_STREAMS:
            self._by_arg[key] = made
        return made(frame, ts_recv)

    def _handler(self, arg: frames.Arg) -> Handler | None:
        channel = arg.channel
        if channel.startswith("candle"):
            if of_utc8(channel[6:]):
                return lambda *_: (Control("ignored", channel, "klines of UTC+8 days"),)
            return self._many(list[str], lambda row, ts: self._candle(row, ts, channel[6:], arg.instId), "")
        if channel in ("books", "books-l2-tbt", "books50-l2-tbt"):
            depth = 50 if channel == "books50-l2-tbt" else BOOK_DEPTH
            decode = msgspec.json.Decoder(frames.Push[frames.Book]).decode
            checked_name(arg.instId, "arg.instId")
            return lambda frame, ts: self._book(decode(frame), ts, arg.instId, depth)
        if channel in ("books5", "bbo-tbt"):
            top = self._bbo if channel == "bbo-tbt" else self._top
            return self._many(frames.Book, lambda book, ts: top(book, ts, arg.instId), "")
        found = _CHANNELS.get(channel)
        if found is None:
            return None
        made, name = found
        return self._many(made, getattr(self, name), arg.instId)

    @staticmethod
    def _many(made: Any, work: Callable[[Any, int], Sequence[Item]], native: str) -> Handler:
        """`native`: the instrument whose stream it is, empty of a stream of many."""
        decode = msgspec.json.Decoder(frames.Push[made]).decode

        def each(frame: bytes, ts_recv: int) -> Sequence[Item]:
            data = decode(frame).data
            if not data:
                raise _no_data()
            if native:
                for one in data:
                    if one.instId != native:
                        raise other_name("instId", native, one.instId)
            if len(data) == 1:
                return work(data[0], ts_recv)
            return [item for one in data for item in work(one, ts_recv)]

        return each

    # -- kinds -------------------------------------------------------------------------------------------------------

    def _trade(self, t: frames.Trade, ts_recv: int) -> Sequence[Item]:
        c = self.contract(t.instId)
        if t.side not in _CHECKED:
            raise ParseRefused("field", f"side: expected buy or sell, was {t.side!r}", c.symbol)
        size, last_id, count = number(t.sz, "sz"), whole(t.tradeId, "tradeId"), whole(t.count, "count")
        if not 0 < count <= last_id:
            raise ParseRefused("number", f"count: expected 1 to {last_id}, was {count}", c.symbol)
        return (TradeMessage(
            1, VENUE, c.symbol, self.source, 0, last_id, ns(t.ts), ts_recv, 0, t.tradeId, number(t.px, "px"),
            c.amount(size), t.side, c.written(size), last_id - count + 1, last_id,
        ),)  # fmt: skip

    def _option_trade(self, t: frames.OptionTrade, ts_recv: int) -> Sequence[Item]:
        (made,) = self._trade(t, ts_recv)
        extra: Any = made
        extra.mark_price, extra.index_price = optional(t.markPx, "markPx"), optional(t.idxPx, "idxPx")
        extra.implied_volatility = optional(t.fillVol, "fillVol")
        return (made,)

    def _book(self, push: frames.Push[frames.Book], ts_recv: int, native: str, depth: int) -> Sequence[Item]:
        snapshot = push.action == "snapshot"
        symbol = symbol_of(native)
        made = []
        if not push.data:
            raise _no_data()
        for book in push.data:
            check_levels(book.bids, "bids")
            check_levels(book.asks, "asks")
            if not book.seqId and book.prevSeqId is not None:
                raise ParseRefused(
                    "missing", "seqId: expected one beside prevSeqId, there is none", symbol, "orderbook"
                )
            last_id = identity(book.seqId or 0, "seqId")
            prev = None if snapshot or book.seqId is None else book.prevSeqId
            made.append(BookChange(
                VENUE, symbol, ns(book.ts), ts_recv, last_id, last_id, prev, book.bids, book.asks, snapshot,
                book.checksum, "", depth if snapshot else None,
            ))  # fmt: skip
        return made

    def _top(self, book: frames.Book, ts_recv: int, native: str) -> Sequence[Item]:
        check_levels(book.bids, "bids")
        check_levels(book.asks, "asks")
        c, ts = self.contract(native), ns(book.ts)
        sides = ([(level[0], c.amount(level[1])) for level in side] for side in (book.bids, book.asks))
        seq = identity(book.seqId or 0, "seqId") or ts // NANOS_PER_MS
        top = BookTopMessage(1, VENUE, c.symbol, self.source, 0, seq, ts, ts_recv, 0, True, 5, *sides)
        return (top,)

    def _bbo(self, book: frames.Book, ts_recv: int, native: str) -> Sequence[Item]:
        c = self.contract(native)
        if not book.bids or not book.asks:
            return (Control("ignored", "bbo-tbt", "a side of the book is empty"),)
        (bid, ask) = book.bids[0], book.asks[0]
        return (Quote(
            VENUE, c.symbol, ns(book.ts), ts_recv, identity(book.seqId or 0, "seqId"), number(bid[0], "bids"),
            c.amount(number(bid[1], "bids")), number(ask[0], "asks"), c.amount(number(ask[1], "asks")),
        ),)  # fmt: skip

    def _ticker(self, t: frames.Ticker, ts_recv: int) -> Sequence[Item]:
        c = self.contract(t.instId)
        ts = ns(t.ts) if t.ts else ts_recv

        def amount(text: str, field: str) -> str | None:
            found = optional(text, field)
            return found if found is None else c.amount(found)

        volume, turnover = amount(t.vol24h, "vol24h"), optional(t.volCcy24h, "volCcy24h")
        # volCcy24h is money of a spot pair, and coins of a derivative.
        money = turnover if c.size is None else volume if c.inverse else None
        bid, ask = optional(t.bidPx, "bidPx"), optional(t.askPx, "askPx")
        return (TickerMessage(
            1, VENUE, c.symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0, optional(t.last, "last"),
            amount(t.lastSz, "lastSz"), bid, amount(t.bidSz, "bidSz"), ask, amount(t.askSz, "askSz"),
            optional(t.open24h, "open24h"), optional(t.high24h, "high24h"), optional(t.low24h, "low24h"), volume, money,
        ),)  # fmt: skip

    def _funding(self, f: frames.Funding, ts_recv: int) -> Sequence[Item]:
        c = self.contract(f.instId)
        rate = optional(f.fundingRate, "fundingRate")
        if rate is None:
            return (Control("ignored", "funding-rate", "no rate is known yet"),)
        due = ns(f.fundingTime, "fundingTime")
        after = ns(f.nextFundingTime, "nextFundingTime") if f.nextFundingTime else 0
        ts = ns(f.ts) if f.ts else ts_recv
        return (FundingRateMessage(
            1, VENUE, c.symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0, rate, due,
            (after - due) // 1_000_000_000 if after > due else None, False,
            optional(f.nextFundingRate, "nextFundingRate"),
        ),)  # fmt: skip

    def _interest(self, o: frames.Interest, ts_recv: int) -> Sequence[Item]:
        c = self.contract(o.instId)
        contracts, ts = number(o.oi, "oi"), ns(o.ts)
        return (OpenInterestMessage(
            1, VENUE, c.symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0, c.amount(contracts), contracts,
            optional(o.oiUsd, "oiUsd"),
        ),)  # fmt: skip

    def _liquidations(self, pushed: frames.Liquidations, ts_recv: int) -> Sequence[Item]:
        c = self.contract(pushed.instId)
        made = []
        alike: Counter[int] = Counter()
        for each in pushed.details:
            if each.side not in _CHECKED:
                raise ParseRefused("field", f"side: expected buy or sell, was {each.side!r}", c.symbol)
            size, ts = number(each.sz, "sz"), ns(each.ts)
            # They have no ids and come in no order: a number made of what they are is the same wherever they come from.
            seq = ts // NANOS_PER_MS * _ALIKE + zlib.crc32(f"{each.side} {each.bkPx} {each.sz}".encode()) % _ALIKE
            alike[seq] += 1
            made.append(LiquidationMessage(
                1, VENUE, c.symbol, self.source, 0, seq + alike[seq] - 1, ts, ts_recv, 0, each.side,
                number(each.bkPx, "bkPx"), c.amount(size), "bankruptcy", False, c.written(size),
            ))  # fmt: skip
        return made

    def _mark(self, m: frames.Mark, ts_recv: int) -> Sequence[Item]:
        ts, mark = ns(m.ts), number(m.markPx, "markPx")
        head = (1, VENUE, self.contract(m.instId).symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0)
        made: list[Message] = [MarkPriceMessage(*head, mark)]
        # Of a recording it is a ticker as well. A live one has a channel of its own for tickers, and where both have
        # the same time they would be one message twice.
        return [TickerMessage(*head, mark_price=mark), *made] if self.kinds is None else made

    def _greeks(self, g: frames.Greeks, ts_recv: int) -> Sequence[Item]:
        ts = ns(g.ts)
        return (TickerMessage(
            1, VENUE, self.contract(g.instId).symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0,
            underlying_price=optional(g.fwdPx, "fwdPx"), mark_volatility=optional(g.markVol, "markVol"),
            bid_volatility=optional(g.bidVol, "bidVol"), ask_volatility=optional(g.askVol, "askVol"),
            delta=optional(g.delta, "delta"), gamma=optional(g.gamma, "gamma"), vega=optional(g.vega, "vega"),
            theta=optional(g.theta, "theta"),
        ),)  # fmt: skip

    def _candle(self, row: list[str], ts_recv: int, interval: str, native: str) -> Sequence[Item]:
        if len(row) < 7:
            raise ParseRefused("field", f"candle: expected at least 7 fields, was {len(row)}")
        c, opened = self.contract(native), ns(row[0])
        name, closes = bar_of(interval, opened)
        volume = number(row[5], "vol")
        money = row[7] if len(row) > 7 else row[6] if type_of(native) == SPOT else ""
        turnover = optional(money, "volCcyQuote")
        amount = c.amount(volume)
        return (KlineMessage(
            1, VENUE, c.symbol, self.source, 0, ts_recv // NANOS_PER_MS, ts_recv, ts_recv, 0, name, opened,
            closes, number(row[1], "o"), number(row[2], "h"), number(row[3], "l"), number(row[4], "c"), amount,
            len(row) > 8 and row[8] == "1", amount if c.inverse else turnover,
        ),)  # fmt: skip


def _no_data() -> ParseRefused:
    return ParseRefused("missing", "data: expected at least one element, there is none")


_CHANNELS: dict[str, tuple[type[Any], str]] = {
    "trades": (frames.Trade, "_trade"), "trades-all": (frames.Trade, "_trade"),
    "option-trades": (frames.OptionTrade, "_option_trade"), "tickers": (frames.Ticker, "_ticker"),
    "funding-rate": (frames.Funding, "_funding"), "open-interest": (frames.Interest, "_interest"),
    "liquidation-orders": (frames.Liquidations, "_liquidations"), "mark-price": (frames.Mark, "_mark"),
    "opt-summary": (frames.Greeks, "_greeks"),
}  # fmt: skip
_head = msgspec.json.Decoder(frames.Head)
