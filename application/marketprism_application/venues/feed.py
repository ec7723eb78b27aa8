"""A venue's frames to what is published: messages, ticks, holes. No I/O: the same for a live venue and a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import msgspec

from marketprism_application.contracts.kinds import ORDERBOOK, TRADE
from marketprism_application.contracts.venue_messages import LiquidationMessage, Message, TickerMessage, TradeMessage
from marketprism_application.venues.books import BookSettings, VenueBooks
from marketprism_application.venues.protocol import Control, Item, ParseRefused, Quote, Venue, read_frame
from marketprism_application.venues.tick_maker import TickMaker
from marketprism_application.venues.trade_tape import Hole, TradeTape
from marketprism_domain.books.chain import BookChange
from marketprism_domain.marketdata.gap import MISSING_TRADES, Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.trading_days import utc_day_text
from marketprism_domain.values import Bounds, check_bounds

_ANEW_NS = 10_000_000_000
_OWNED = frozenset({TradeMessage, BookChange, Quote})
_QUOTE = "quote"  # no kind of the registry: what comes of it are ticks
_LATELY = 2_000  # liquidations of an instrument that are remembered


@dataclass(frozen=True)
class FeedSettings(BookSettings):
    """What the books need, and a tick for best prices that moved at most every `quote_ms`.

    `hold_s` is also how long trades wait behind a hole of their tape for it to be filled, by another connection or by
    a request, before the hole is named and they are published.
    """

    BOUNDS: ClassVar[Bounds] = {"quote_ms": (0, 60_000)}

    quote_ms: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(self, FeedSettings.BOUNDS)


class Collected(NamedTuple):
    """What the frames since the last call came to, in order. Gaps stand before the tick of that index."""

    messages: list[Message]
    ticks: list[Tick]
    gaps: list[tuple[int, Gap]]


class VenueFeed:
    """Frames in, `collect` out. Nothing that a frame holds is raised: a bad one is counted by reason and told to
    `on_refused`, with what it may have carried to be treated as `missing`.

    `only`, where it is set: the instruments that trades, books and best prices may be of.
    """

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
        self.books = VenueBooks(venue.name, source, venue.rule, self.parser.scale, self.settings)
        self._quoted: dict[str, Quote] = {}  # the newest best prices that the venue told
        self._unquoted: set[str] = set()  # instruments without, whose book has changed since its last tick
        self._newest: dict[Any, Any] = {}
        self._lately: dict[str, dict[int, None]] = {}
        self._out = Collected([], [], [])
        self.only: set[str] | None = None
        self.frames = self._repeats = 0
        self.refused: dict[str, int] = {}

    # -- in ----------------------------------------------------------------------------------------------------------

    def on_frame(self, frame: bytes, ts_recv: int, path: str = "") -> None:
        """One frame of a connection."""
        self.frames += 1
        try:
            items = read_frame(self.parser, frame, ts_recv)
            if self.only is not None:
                self._check_owner(items, self.only)
        except ParseRefused as error:
            self._refuse(error, frame, path)
            return
        for item in items:
            try:
                self.on_item(item, path)
            except Exception as error:  # noqa: BLE001 (whatever one item brings must not end the source)
                self._not_taken(item, error, frame, path)

    def _check_owner(self, items: Sequence[Item], only: set[str]) -> None:
        """Raises ParseRefused: a trade, a change or best prices of an instrument that nobody asked for."""
        for item in items:
            if type(item) in _OWNED and item.symbol not in only:  # type: ignore[union-attr]
                problem = f"instrument: expected one that is subscribed, was {item.symbol[:40]!r}"  # type: ignore[union-attr]
                raise ParseRefused("unknown_instrument", problem)

    def _refuse(self, error: ParseRefused, frame: bytes, path: str) -> None:
        error.frame = frame
        self.refused[error.reason] = self.refused.get(error.reason, 0) + 1
        self._on_refused(error, path)

    def _not_taken(self, item: Any, error: Exception, frame: bytes, path: str) -> None:
        """An item that could be read, and not be used. How much of it was, nobody knows."""
        made, symbol = type(item), getattr(item, "symbol", "")
        if made is BookChange:
            self.books.lose(symbol, "malformed")
        elif made is TradeMessage:
            self.on_gap(
                symbol,
                min(self.tape(symbol).ts_last or item.ts_event, item.ts_event),
                item.ts_event + 1,
                item.ts_recv,
                MISSING_TRADES,
            )
        refusal = (
            error
            if isinstance(error, ParseRefused)
            else ParseRefused(
                "unforeseen", f"{made.__name__} of {symbol}: expected one that can be used: {error!r}"[:300]
            )
        )
        self._refuse(refusal, frame, path)

    def missing(self, symbol: str, kind: str, since: int, until: int, cause: str) -> None:
        """Something of this kind may not have been read, between two instants of the venue's clock.

        A book is not known until it has begun anew. A hole of a tape that leaves out no number shows itself with the
        next trade, and is fetched; any other hole is named here. Of best prices only the newest matter.
        """
        if kind == ORDERBOOK.name:
            if self.books.find(symbol) is not None:
                self.books.lose(symbol, cause)
        elif kind == TRADE.name:
            if not (self._dense and self.tape(symbol).last):
                self.on_gap(symbol, since, until, until, cause)
        elif kind != _QUOTE:
            self.on_gap(symbol, since, until, until, cause, kind)

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
            # Else its ids have begun anew; and what stood for so long in spite of newer ones was wrong.
            if old and quote.ts_event <= before.ts_event + _ANEW_NS and quote.ts_recv <= before.ts_recv + _ANEW_NS:
                self._repeats += 1
                return False
        self._quoted[quote.symbol] = quote
        return True

    def _is_first(self, message: Any) -> bool:
        """Whether it was not told already. A venue collects liquidations in several places: they come in no order."""
        recent = self._lately.setdefault(message.symbol, {})
        if message.seq in recent:
            self._repeats += 1
            return False
        recent[message.seq] = None
        if len(recent) > _LATELY:
            del recent[next(iter(recent))]
        return True

    def _is_new(self, message: Any) -> bool:
        """Whether another connection has not brought it already."""
        made = type(message)
        detail = message.last is None if made is TickerMessage else getattr(message, "interval", "")
        key = (made, message.symbol, detail)  # mark prices come in a stream of their own, with times of their own
        before = self._newest.get(key)
        if before is not None and message.seq <= before.seq:
            if message.seq < before.seq and message.ts_recv <= before.ts_recv + _ANEW_NS:
                self._repeats += 1
                return False
            same = message.seq == before.seq and msgspec.structs.replace(message, ts_recv=before.ts_recv) == before
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
        if tape.begins_anew(message):  # what lies between has no numbers
            self.on_gap(message.symbol, tape.ts_last, message.ts_event, message.ts_recv, MISSING_TRADES)
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

    def resume_after(self, trade: Any) -> None:
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
        if tape.drop_outlier():
            problem = f"trade of {symbol}: expected an id near {tape.last}, was one that nothing has followed"
            self._refuse(ParseRefused("outlier", problem, symbol, TRADE.name), b"", "")
            return
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
        if change.symbol not in self._quoted and sync.valid:
            if self._ticks.is_due(change.symbol, change.ts_recv):
                self._quote_of_book(change.symbol)
            else:
                self._unquoted.add(change.symbol)

    def _quote_of_book(self, symbol: str) -> None:
        self._unquoted.discard(symbol)
        quote = self.books.quote(symbol)
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

    def on_gap(self, symbol: str, ts_from: int, ts_to: int, ts_recv: int, cause: str, kind: str = TRADE.name) -> None:
        """A hole that the connection knows of."""
        self._out.gaps.append(
            (
                len(self._out.ticks),
                Gap(
                    self.venue,
                    symbol,
                    self.source,
                    0,
                    0,
                    ts_to,
                    ts_recv,
                    0,
                    ts_from,
                    ts_to,
                    cause,
                    utc_day_text(ts_to),
                    kind,
                ),
            )
        )

    def on_clock(self, now_ns: int) -> None:
        """Time has passed: what waited for it."""
        for symbol in self._unquoted - self._quoted.keys():
            self._quote_of_book(symbol)
        self._unquoted.clear()
        self._out.ticks.extend(self._ticks.on_clock(now_ns, self.source))
        self.books.on_clock(now_ns)
        before = now_ns - self._hold
        for symbol, tape in self._tapes.items():
            while tape.overdue(before):
                self.give_up(symbol)

    def on_closed(self, path: str) -> None:
        """A connection has ended."""
        self.books.on_closed(path)

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
