"""A venue's frames to what is published: messages, ticks, holes. No I/O: the same for a live venue and a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from marketprism_application.contracts.kinds import TRADE
from marketprism_application.contracts.messages import LiquidationMessage, Message, TickerMessage, TradeMessage
from marketprism_application.trade_tape import Hole, TradeTape
from marketprism_application.venue import Control, ParseRefused, Quote, Venue
from marketprism_application.venue_books import BookSettings, VenueBooks
from marketprism_application.venue_ticks import TickMaker
from marketprism_domain.book_chain import BookChange
from marketprism_domain.marketdata.gap import MISSING_TRADES, Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.trading_days import utc_day_text

_ANEW_NS = 10_000_000_000
_LATELY = 2_000  # liquidations of an instrument that are remembered


class FeedSettings(NamedTuple):
    """`hold_s`: how long trades wait behind a hole of their tape for it to be filled, by another connection or by a
    request, before the hole is named and they are told."""

    quote_ms: int = 100
    hold_s: float = 5.0
    books: BookSettings = BookSettings()


class Collected(NamedTuple):
    """What the frames since the last call came to, in order. Gaps stand before the tick of that index."""

    messages: list[Message]
    ticks: list[Tick]
    gaps: list[tuple[int, Gap]]


class VenueFeed:
    """Frames in, `collect` out. Bad frames are counted by reason and symbol, and told to `on_refused`."""

    def __init__(
        self,
        venue: Venue,
        source: str,
        *,
        settings: FeedSettings | None = None,
        on_control: Callable[[Control, str], None] = lambda _c, _p: None,
        on_refused: Callable[[ParseRefused, str], None] = lambda _e, _p: None,
        on_seen: Callable[[Any, str], None] | None = None,
    ) -> None:
        self.settings = settings or FeedSettings()
        self.venue = venue.name
        self.source = source
        self.parser = venue.parser(source)
        self._dense = venue.dense_trades
        self._hold = int(self.settings.hold_s * 1_000_000_000)
        self._on_control = on_control
        self._on_refused = on_refused
        self._on_seen = on_seen
        self._tapes: dict[str, TradeTape] = {}
        self._ticks = TickMaker(self.parser.money_of, self.settings.quote_ms)
        self.books = VenueBooks(venue.name, source, venue.rule, self.parser.scale, self.settings.books)
        self._quoted: dict[str, Quote] = {}  # the newest best prices that the venue told
        self._newest: dict[Any, Any] = {}
        self._lately: dict[str, dict[int, None]] = {}
        self._out = Collected([], [], [])
        self.frames = self._repeats = 0
        self.refused: dict[str, int] = {}

    # -- in ----------------------------------------------------------------------------------------------------------

    def on_frame(self, frame: bytes, ts_recv: int, path: str = "") -> None:
        """One frame of a connection."""
        self.frames += 1
        try:
            items = self.parser.parse(frame, ts_recv)
        except ParseRefused as error:
            self.refused[error.reason] = self.refused.get(error.reason, 0) + 1
            self._on_refused(error, path)
            return
        for item in items:
            self.on_item(item, path)

    def on_item(self, item: Any, path: str = "") -> None:
        """One item of a frame, or of a request's answer."""
        made = type(item)
        if self._on_seen is not None:
            self._on_seen(item, path)
        if made is TradeMessage:
            self._trade(item)
        elif made is BookChange:
            self._book(item, path)
        elif made is Quote:
            if self._is_newer(item):
                self._quote(item)
        elif made is Control:
            self._on_control(item, path)
        elif self._is_first(item) if made is LiquidationMessage else self._is_new(item):
            self._out.messages.append(item)

    def _is_newer(self, quote: Quote) -> bool:
        """Whether these best prices are newer than those that another connection brought."""
        before = self._quoted.get(quote.symbol)
        if before is not None:
            by_id = quote.book_id and before.book_id
            old = quote.book_id <= before.book_id if by_id else quote.ts_event < before.ts_event
            if old and quote.ts_event <= before.ts_event + _ANEW_NS:  # else its ids have begun anew
                self._repeats += 1
                return False
        self._quoted[quote.symbol] = quote
        return True

    def _is_first(self, message: Any) -> bool:
        """Whether it was not told already. A venue collects liquidations in several places: they come in no order."""
        told = self._lately.setdefault(message.symbol, {})
        if message.seq in told:
            self._repeats += 1
            return False
        told[message.seq] = None
        if len(told) > _LATELY:
            del told[next(iter(told))]
        return True

    def _is_new(self, message: Any) -> bool:
        """Whether another connection has not brought it already."""
        made = type(message)
        detail = message.last is None if made is TickerMessage else getattr(message, "interval", "")
        key = (made, message.symbol, detail)  # mark prices come in a stream of their own, with times of their own
        before = self._newest.get(key)
        if before is not None and message.seq <= before.seq:
            if message.seq < before.seq:
                self._repeats += 1
                return False
            same = msgspec.structs.replace(message, ts_recv=before.ts_recv) == before
            self._repeats += same
            if same:
                return False
        self._newest[key] = message
        return True

    def _trade(self, message: Any) -> None:
        tape = self.tape(message.symbol)
        # A trade whose own id is the last of several executions covers them all.
        first = message.first_id if message.last_id == message.seq and message.first_id is not None else message.seq
        if tape.waits and tape.begins_anew(message):
            while tape.waits:
                self.give_up(message.symbol)
        if tape.take(first, message):
            self._tell(message)
        if tape.waits:
            for each in tape.ready():
                self._tell(each)

    def _tell(self, message: Any) -> None:
        self._out.messages.append(message)
        self.tell_again(message)

    def tell_again(self, message: Any) -> None:
        """The tick of a trade that is published already: whether its tick is, nobody knows."""
        tick = self._ticks.on_trade(message)
        if tick is not None:
            self._out.ticks.append(tick)

    def left_off(self, trade: Any) -> None:
        """Somebody else told the tape up to this trade."""
        self.tape(trade.symbol).resume(trade.seq, trade.ts_event)

    def tape(self, symbol: str) -> TradeTape:
        """The trade tape of an instrument."""
        found = self._tapes.get(symbol)
        if found is None:
            found = self._tapes[symbol] = TradeTape(dense=self._dense)
        return found

    def holes(self) -> list[tuple[str, Hole]]:
        """The oldest open hole of each tape that has one."""
        return [(symbol, hole) for symbol, tape in self._tapes.items() if (hole := tape.hole) is not None]

    def on_missing(self, trade: Any, derived: Sequence[Message] = ()) -> None:
        """A trade that was asked for because it was missing, and messages of other kinds that follow from it."""
        self._trade(trade)
        self._out.messages.extend(derived)

    def give_up(self, symbol: str) -> None:
        """Name the oldest hole of a tape, and go on behind it."""
        tape = self.tape(symbol)
        hole = tape.give_up()
        if hole is not None:
            self.on_gap(symbol, hole.ts_from, max(hole.ts_to, hole.ts_from + 1), hole.ts_recv, MISSING_TRADES)
            for each in tape.ready():
                self._tell(each)

    def _book(self, change: BookChange, path: str) -> None:
        if not self.books.wants(change.symbol):
            return
        sync = self.books.on_change(change, path)
        if self.books.gaps:
            self._take_books()  # at their place among the ticks; messages keep their order by themselves
        if change.symbol not in self._quoted and sync.valid and self._ticks.is_due(change.symbol, change.ts_recv):
            quote = self.books.quote(change.symbol)
            if quote is not None:
                self._quote(quote)

    def _take_books(self) -> None:
        books, out = self.books, self._out
        if books.gaps:
            out.gaps.extend((len(out.ticks), gap) for gap in books.gaps)
            books.gaps = []
        if books.messages:
            out.messages.extend(books.messages)
            books.messages = []

    def _quote(self, quote: Quote) -> None:
        tick = self._ticks.on_quote(quote, self.source)
        if tick is not None:
            self._out.ticks.append(tick)

    def on_gap(
        self, symbol: str, ts_from: int, ts_to: int, ts_recv: int, cause: str, kind: str = TRADE.name
    ) -> None:  # fmt: skip
        """A hole that the connection knows of."""
        self._out.gaps.append((len(self._out.ticks), Gap(
            self.venue, symbol, self.source, 0, 0, ts_to, ts_recv, 0, ts_from, ts_to, cause, utc_day_text(ts_to),
            kind,
        )))  # fmt: skip

    def on_clock(self, now_ns: int) -> None:
        """Time has passed: what waited for it."""
        self._out.ticks.extend(self._ticks.on_clock(now_ns, self.source))
        before = now_ns - self._hold
        for symbol, tape in self._tapes.items():
            while tape.overdue(before):
                self.give_up(symbol)

    def on_gone(self, path: str) -> None:
        """A connection has ended."""
        self.books.on_gone(path)

    @property
    def repeats(self) -> int:
        """Messages that another connection, or an answer, had brought already."""
        return self._repeats + sum(tape.repeats for tape in self._tapes.values())

    # -- out ---------------------------------------------------------------------------------------------------------

    def collect(self) -> Collected:
        """What has come together; the next call begins anew."""
        self._take_books()
        out, self._out = self._out, Collected([], [], [])
        return out
