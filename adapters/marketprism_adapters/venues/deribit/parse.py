"""Deribit's frames to items. The channel chooses the type a push is decoded into.

Deribit has no channels for open interest, mark prices and liquidations: the first two are in every ticker, the last are
trades that say so. All are items of their own here. Trades that were agreed on elsewhere (blocks, also by request for
quotes) are on the tape, and in its numbers, but not in the book.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from marketprism_adapters.venues.deribit import frames
from marketprism_adapters.venues.deribit.symbols import native_of, symbol_of
from marketprism_adapters.venues.deribit.terms import INTERVALS, TEST_ID, Requests, length_ms
from marketprism_adapters.venues.kit.instrument_names import checked_name, other_name
from marketprism_adapters.venues.kit.numbers import (
    NANOS_PER_MS,
    UNREADABLE,
    from_number,
    identity,
    levels_named,
    nanos,
    unreadable,
)
from marketprism_application.contracts.kinds import MARK_PRICE
from marketprism_application.contracts.venue_messages import (
    BookTopMessage,
    FundingRateMessage,
    KlineMessage,
    LiquidationMessage,
    MarkPriceMessage,
    OpenInterestMessage,
    TickerMessage,
    TradeMessage,
)
from marketprism_application.venues.protocol import Control, Item, ParseRefused, Quote
from marketprism_domain.books.chain import BookChange
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

VENUE = "deribit"
_CHANNEL = b'"channel":"'
_MAX_STREAMS = 20_000
_PERCENT = Decimal("0.01")
_SIDES = {"buy": "sell", "sell": "buy"}
_FUNDING_S = 8 * 3600  # the rate is quoted for eight hours, and paid all the time

Handler = Callable[[bytes, int], Sequence[Item]]


class DeribitParser:
    """Fulfils `FrameParser`."""

    def __init__(self, source: str, requests: Requests | None = None) -> None:
        self.source = source
        self.kinds: frozenset[str] | None = None
        self._requests = requests or Requests()
        self._linear: dict[str, bool] = {}
        self._symbols: dict[str, str] = {}
        self._by_channel: dict[bytes, Handler] = {}
        self._seen: dict[tuple[str, str], Any] = {}  # what a ticker says again and again
        self._charts: dict[str, tuple[frames.Chart, int]] = {}  # the bar that runs, and of which subscription it is

    def learn(self, instruments: Sequence[InstrumentRecord]) -> None:
        """Which instruments count in coins; the others count in dollars."""
        for each in instruments:
            self._linear[each.native] = not each.inverse

    @property
    def scale(self) -> None:
        """Amounts are amounts: dollars of an inverse contract, coins of the others."""

    def money_of(self, symbol: str, price: Decimal, quantity: Decimal) -> Decimal:
        """Turnover of a trade: the quantity of an inverse contract is its money."""
        return quantity if self._inverse(native_of(symbol)) else price * quantity

    def parse(self, frame: bytes, ts_recv: int) -> Sequence[Item]:
        """Items of a frame. Raises ParseRefused."""
        start = frame.find(_CHANNEL, 0, 200) + len(_CHANNEL)
        end = frame.find(b'"', start, start + 120) if start >= len(_CHANNEL) else -1
        handler = self._by_channel.get(frame[start:end]) if end > 0 else None
        try:
            if handler is not None:
                return handler(frame, ts_recv)
            return self._first(frame, ts_recv)
        except UNREADABLE as error:
            raise unreadable(error, "deribit frame") from error

    # -- which type --------------------------------------------------------------------------------------------------

    def _first(self, frame: bytes, ts_recv: int) -> Sequence[Item]:
        head = _head.decode(frame)
        if head.method == "heartbeat":
            asked = head.params is not None and head.params.type == "test_request"
            return (Control("ping" if asked else "pong", reply=TEST if asked else None),)
        if head.method != "subscription" or head.params is None:
            return self._answer(head)
        channel = head.params.channel
        made = self._handler(channel)
        if made is None:
            return (Control("ignored", channel, "a channel that is not of this venue's kinds", unknown=True),)
        if len(self._by_channel) < _MAX_STREAMS:
            self._by_channel[channel.encode()] = made
        return made(frame, ts_recv)

    def _answer(self, head: frames.Head) -> Sequence[Item]:
        """An answer; of a subscription one item, and one more for each channel that was not taken."""
        if head.id is None:
            return (Control("ignored", "", "a frame that is neither a push nor an answer", unknown=True),)
        asked = self._requests.answered(head.id)
        if asked is None:
            what = "subscribed" if head.error is None else "refused"
            return (Control(what, str(head.id), str(head.result if head.error is None else head.error)[:300]),)
        if asked.undo:
            return (Control("unsubscribed", str(asked.number), str(head.result)[:300]),)
        listed = head.result if isinstance(head.result, list) and head.error is None else ()
        taken = {channel for channel in listed if isinstance(channel, str)}
        why = str(head.error)[:300] if head.error is not None else "the venue did not take it"
        refused = [Control("refused", channel, why) for channel in asked.channels if channel not in taken]
        return [*refused, Control("subscribed", str(asked.number), str(head.result)[:300])] if taken else refused

    def _handler(self, channel: str) -> Handler | None:
        name, *rest = channel.split(".")
        if name == "chart":
            return self._one(frames.Chart, lambda bar, ts: self._chart(bar, ts, channel), "")
        if name == "book" and len(rest) >= 4:
            depth = levels_named(rest[2], "channel")
            return self._one(frames.GroupedBook, lambda book, ts: self._top(book, ts, depth), rest[0])
        owner = rest[0] if rest else ""
        if name == "trades":  # three words are a kind and a currency
            return self._one(list[frames.Trade], self._trades, owner if len(rest) == 2 else "")
        if name == "book":
            return self._one(frames.Book, self._book, owner)
        if name == "ticker":
            return self._one(frames.Ticker, self._ticker, owner)
        return self._one(frames.Quote, self._quote, owner) if name == "quote" else None

    @staticmethod
    def _one(made: Any, work: Callable[[Any, int], Sequence[Item]], native: str) -> Handler:
        """`native`: the instrument whose channel it is, empty where the data name none."""
        decode = msgspec.json.Decoder(frames.Push[made]).decode

        def one(frame: bytes, ts_recv: int) -> Sequence[Item]:
            data = decode(frame).params.data
            for each in (data if isinstance(data, list) else (data,)) if native else ():
                if each.instrument_name != native:
                    raise other_name("instrument_name", native, each.instrument_name)
            return work(data, ts_recv)

        return one

    def _symbol(self, native: str) -> str:
        found = self._symbols.get(native)
        if found is None:
            found = self._symbols[native] = symbol_of(checked_name(native, "instrument_name"))
        return found

    def _inverse(self, native: str) -> bool:
        linear = self._linear.get(native)
        return not linear if linear is not None else "_" not in native and native.count("-") == 1

    # -- kinds -------------------------------------------------------------------------------------------------------

    def _trades(self, trades: list[frames.Trade], ts_recv: int) -> Sequence[Item]:
        made: list[Item] = []
        if not trades:
            raise ParseRefused("missing", "data: expected at least one trade, there is none")
        for t in trades:
            if t.direction not in _SIDES:
                raise ParseRefused("field", f"direction: expected buy or sell, was {t.direction!r}")
            symbol, price, amount = self._symbol(t.instrument_name), _text(t.price), _text(t.amount)
            iv, ts = None if t.iv is None else t.iv * _PERCENT, nanos(t.timestamp, "timestamp")
            made.append(
                TradeMessage(
                    1,
                    VENUE,
                    symbol,
                    self.source,
                    0,
                    identity(t.trade_seq, "trade_seq"),
                    ts,
                    ts_recv,
                    0,
                    t.trade_id,
                    price,
                    amount,
                    t.direction,
                    from_number(t.contracts),
                    t.trade_seq,
                    t.trade_seq,
                    t.block_trade_id is not None or t.block_rfq_id is not None,
                    {"T": "taker", "M": "maker", "MT": "both"}.get(t.liquidation, ""),
                    from_number(t.mark_price),
                    from_number(t.index_price),
                    from_number(iv),
                )
            )
            for place, who in enumerate("TM"):
                if who in t.liquidation:
                    side = t.direction if who == "T" else _SIDES[t.direction]
                    seq = identity(t.trade_seq * 2 + place, "trade_seq")
                    what = (side, price, amount, "trade", True, from_number(t.contracts))
                    made.append(LiquidationMessage(1, VENUE, symbol, self.source, 0, seq, ts, ts_recv, 0, *what))
        return made

    def _book(self, book: frames.Book, ts_recv: int) -> Sequence[Item]:
        snapshot = book.type == "snapshot" or (not book.type and not book.prev_change_id)
        last_id = identity(book.change_id, "change_id")
        if not snapshot and last_id <= (book.prev_change_id or 0):
            problem = f"change_id: expected one behind {book.prev_change_id}, was {last_id}"
            raise ParseRefused("number", problem[:200], self._symbol(book.instrument_name))
        return (
            BookChange(
                VENUE,
                self._symbol(book.instrument_name),
                nanos(book.timestamp, "timestamp"),
                ts_recv,
                last_id,
                last_id,
                None if snapshot else book.prev_change_id,
                _changes(book.bids),
                _changes(book.asks),
                snapshot,
            ),
        )

    def _top(self, book: frames.GroupedBook, ts_recv: int, depth: int) -> Sequence[Item]:
        sides = ([(_text(price), _text(amount)) for price, amount in side] for side in (book.bids, book.asks))
        return (
            BookTopMessage(
                1,
                VENUE,
                self._symbol(book.instrument_name),
                self.source,
                0,
                identity(book.change_id, "change_id"),
                nanos(book.timestamp, "timestamp"),
                ts_recv,
                0,
                True,
                depth,
                *sides,
            ),
        )

    def _quote(self, q: frames.Quote, ts_recv: int) -> Sequence[Item]:
        bid, ask = q.best_bid_price, q.best_ask_price
        if not bid or not ask or not q.best_bid_amount or not q.best_ask_amount:
            return (Control("ignored", "quote", "a side of the book is empty"),)
        return (
            Quote(
                VENUE,
                self._symbol(q.instrument_name),
                nanos(q.timestamp, "timestamp"),
                ts_recv,
                0,
                _text(bid),
                _text(q.best_bid_amount),
                _text(ask),
                _text(q.best_ask_amount),
            ),
        )

    def _ticker(self, t: frames.Ticker, ts_recv: int) -> Sequence[Item]:
        native, ts = t.instrument_name, nanos(t.timestamp, "timestamp")
        symbol = self._symbol(native)
        greeks, stats = t.greeks or frames.GreekLetters(), t.stats
        money = stats.volume_usd if stats.volume_notional is None else stats.volume_notional
        volume = money if self._inverse(native) else stats.volume
        bid, ask = t.best_bid_amount, t.best_ask_amount
        made: list[Item] = [TickerMessage(
            1, VENUE, symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0, from_number(t.last_price), None,
            from_number(t.best_bid_price) if bid else None, from_number(bid or None),
            from_number(t.best_ask_price) if ask else None, from_number(ask or None), None, from_number(stats.high),
            from_number(stats.low), from_number(volume), from_number(money), from_number(t.mark_price),
            from_number(t.index_price), from_number(t.settlement_price), from_number(t.underlying_price),
            from_number(t.open_interest), _fraction(t.mark_iv), _fraction(t.bid_iv), _fraction(t.ask_iv),
            from_number(greeks.delta), from_number(greeks.gamma), from_number(greeks.vega), from_number(greeks.theta),
            from_number(greeks.rho),
        )]  # fmt: skip
        if t.open_interest is not None and self._is_new("open_interest", symbol, t.open_interest):
            made.append(
                OpenInterestMessage(
                    1, VENUE, symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0, _text(t.open_interest)
                )
            )
        if t.current_funding is not None and self._is_new("funding", symbol, (t.current_funding, t.funding_8h)):
            made.append(
                FundingRateMessage(
                    1,
                    VENUE,
                    symbol,
                    self.source,
                    0,
                    ts // NANOS_PER_MS,
                    ts,
                    ts_recv,
                    0,
                    _text(t.current_funding),
                    None,
                    _FUNDING_S,
                    False,
                    None,
                    from_number(t.mark_price),
                    from_number(t.index_price),
                )
            )
        if t.mark_price is not None and (self.kinds is None or MARK_PRICE.name in self.kinds):
            prices = t.mark_price, t.index_price, t.estimated_delivery_price
            if self._is_new("mark_price", symbol, prices):
                head = (1, VENUE, symbol, self.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0)
                made.append(MarkPriceMessage(*head, _text(t.mark_price), *map(from_number, prices[1:])))
        return made

    def _is_new(self, what: str, symbol: str, value: Any) -> bool:
        if self._seen.get((what, symbol)) == value:
            return False
        self._seen[what, symbol] = value
        return True

    def lost(self) -> None:
        """Frames may be missing from here on: no bar that runs now will be said to have closed by what comes next."""
        self._charts.clear()

    def _chart(self, bar: frames.Chart, ts_recv: int, channel: str) -> Sequence[Item]:
        """A bar that runs; Deribit never says that one has closed, but the next one says it of the one before.

        Every frame has the whole bar, also one that comes in its middle, and a bar without trades is sent as well. So
        the last frame of a bar is all of it, as long as none is missing between it and the next bar: they lie one
        interval apart, and the channel was not subscribed anew (nor frames `lost`) in between.
        """
        _, _, native, resolution = channel.split(".")
        run = self._requests.times[channel]
        before, of = self._charts.get(channel, (bar, -1))
        if bar.tick < before.tick:
            return (Control("ignored", channel, "a bar that another has followed"),)
        self._charts[channel] = bar, run
        made = [self.kline(bar, ts_recv, native, resolution, closed=False)]
        if of == run and bar.tick == before.tick + length_ms(resolution):
            made.insert(0, self.kline(before, ts_recv, native, resolution, closed=True))
        return made

    def kline(self, bar: frames.Chart, ts_recv: int, native: str, resolution: str, *, closed: bool) -> Item:
        """A bar of a chart as an item; `resolution` is the venue's. Raises ParseRefused."""
        interval = INTERVALS.get(resolution)
        if interval is None:
            raise ParseRefused("field", f"channel: expected one of {', '.join(INTERVALS)}, was {resolution[:20]!r}")
        cost, opened = _text(bar.cost), nanos(bar.tick, "tick")
        return KlineMessage(
            1,
            VENUE,
            self._symbol(native),
            self.source,
            0,
            ts_recv // NANOS_PER_MS,
            ts_recv,
            ts_recv,
            0,
            interval,
            opened,
            opened + length_ms(resolution) * NANOS_PER_MS,
            _text(bar.open),
            _text(bar.high),
            _text(bar.low),
            _text(bar.close),
            cost if self._inverse(native) else _text(bar.volume),
            closed,
            cost,
        )


_head = msgspec.json.Decoder(frames.Head)
TEST = b'{"jsonrpc":"2.0","id":%d,"method":"public/test","params":{}}' % TEST_ID


def _text(value: Decimal | None) -> str:
    found = from_number(value)
    assert found is not None  # noqa: S101 (a number was given)
    return found


def _fraction(percent: Decimal | None) -> str | None:
    return None if not percent else from_number(percent * _PERCENT)


def _changes(changes: list[frames.Change]) -> list[tuple[str, str]]:
    made = []
    for change in changes:
        if change.action not in ("new", "change", "delete"):
            raise ParseRefused("field", f"book: expected new, change or delete, was {change.action!r}")
        if change.action != "delete" and change.amount is None:
            raise ParseRefused("missing", "book: expected an amount of what is new or changed, there is none")
        made.append((_text(change.price), "0" if change.action == "delete" else _text(change.amount)))
    return made
