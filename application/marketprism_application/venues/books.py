"""Books of a venue: one `BookSync` for each instrument, its steps as messages, its holes in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from marketprism_application.contracts.book_view import BookView
from marketprism_application.contracts.kinds import ORDERBOOK
from marketprism_application.contracts.venue_messages import Message
from marketprism_application.venues.book_messages import BookMessages, Scale
from marketprism_application.venues.early_changes import EarlyChanges
from marketprism_application.venues.protocol import Quote
from marketprism_domain.books.chain import BookChange, ChainRule
from marketprism_domain.books.sync import BookSnapshot, BookStep, BookSync
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.orderbook import SNAPSHOT, UPDATE
from marketprism_domain.sessions.trading_days import utc_day_text
from marketprism_domain.values import NANOS_PER_SECOND, Bounds, check_bounds

NANOS_PER_MS = 1_000_000
REFRESH = "refresh"  # of a book that is valid, but about to run out of what is known of it


@dataclass(frozen=True)
class BookSettings:
    """`depth` levels of the top are published at most every `top_ms`; a whole book every `snapshot_s`.

    A book that was cut off is refreshed when fewer than `refresh_at` levels of a side are known, and lost when fewer
    than `lose_at` are. Where several connections bring one book, what one of them brings too early waits `hold_s` for
    what another is still to bring.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    BOUNDS: ClassVar[Bounds] = {
        "depth": (1, 1_000),
        "top_ms": (10, 60_000),
        "snapshot_s": (0.001, 31_536_000),
        "refresh_at": (0, 1_000_000),
        "lose_at": (0, 1_000_000),
        "hold_s": (0, 60),
    }

    depth: int = 20
    top_ms: int = 250
    snapshot_s: float = 300.0
    refresh_at: int = 50
    hold_s: float = 5.0
    lose_at: int = 1

    def __post_init__(self) -> None:
        check_bounds(self, BookSettings.BOUNDS)


class TrackedBook:
    """A book, and what was told of it."""

    __slots__ = ("early", "path", "published_id", "shadow", "sync", "ts_snapshot", "ts_top")

    def __init__(self, rule: ChainRule) -> None:
        self.sync = BookSync(rule)
        self.ts_top = self.ts_snapshot = self.published_id = 0
        self.path = ""  # the connection that it hangs on, where ids are a connection's own
        self.early = EarlyChanges()  # where they are the same on every connection
        self.shadow: tuple[str, BookSync] | None = None  # the same book on a connection that may take over


class VenueBooks:
    """Book changes in; messages out. `needed` holds the instruments whose book has to be asked for again."""

    def __init__(self, venue: str, source: str, rule: ChainRule, scale: Scale | None, settings: BookSettings) -> None:
        self._venue = venue
        self._source = source
        self._rule = rule
        self._settings = settings
        self._top_ns = settings.top_ms * NANOS_PER_MS
        self._snapshot_ns = int(settings.snapshot_s * NANOS_PER_SECOND)
        self._hold_ns = int(settings.hold_s * NANOS_PER_SECOND)
        self._say = BookMessages(venue, source, scale, settings.depth)
        self._tracked: dict[str, TrackedBook] = {}
        self._left: dict[str, int] = {}  # instruments that are not wanted any more: until when their book was known
        self._welcome: dict[str, int] = {}  # instruments that are wanted again: until when their book was known
        self._untold: set[str] = set()  # instruments whose best levels have changed since they were published
        self.needed: dict[str, str] = {}  # symbol: why
        self.messages: list[Message] = []
        self.gaps: list[Gap] = []

    def of(self, symbol: str) -> TrackedBook:
        """The book of an instrument, made when it is first heard of."""
        found = self._tracked.get(symbol)
        if found is None:
            found = self._tracked[symbol] = TrackedBook(self._rule)
            found.sync.lost_at = self._welcome.pop(symbol, 0)
            self.needed[symbol] = "begin"
        return found

    def items(self) -> Sequence[tuple[str, TrackedBook]]:
        """Every tracked book with its symbol; a copy, so that books may come and go meanwhile."""
        return list(self._tracked.items())

    def wants(self, symbol: str) -> bool:
        """Whether its book is to be tracked: what is still on its way of an instrument that was left begins none."""
        return symbol not in self._left

    def find(self, symbol: str) -> BookSync | None:
        """The book of an instrument, None when there is none."""
        tracked = self._tracked.get(symbol)
        return None if tracked is None else tracked.sync

    # -- in ----------------------------------------------------------------------------------------------------------

    def on_change(self, change: BookChange, path: str = "") -> BookSync:
        """One step of a stream; `path` is the connection that it came on."""
        tracked = self.of(change.symbol)
        early = tracked.early
        if self._rule.mergeable:
            several = path != early.path or early.several
            tracked.sync.several = several
            if several and early.wait(change, path, tracked.sync):
                if early.hopeless(change.ts_recv, self._hold_ns, tracked.sync.book.last_id):
                    self._give_up(tracked)
                return tracked.sync
        elif not self._hangs_on(tracked, change, path):
            return tracked.sync
        if change.snapshot:
            self.needed.pop(change.symbol, None)
        self._apply(tracked, change)
        while early.several and (following := early.follow(tracked.sync)) is not None:
            self._apply(tracked, following)
        if tracked.shadow is not None:
            self._take_over(tracked)
        return tracked.sync

    def _apply(self, tracked: TrackedBook, change: BookChange) -> None:
        steps = tracked.sync.on_change(change)
        if steps:
            self._tell(change.symbol, tracked, steps)

    def _give_up(self, tracked: TrackedBook) -> None:
        for change in tracked.early.take_all():
            self._apply(tracked, change)

    def _hangs_on(self, tracked: TrackedBook, change: BookChange, path: str) -> bool:
        """Whether the book follows this connection. Another one keeps a shadow of it, and takes over at the same id."""
        if path == tracked.path:
            return True
        if not tracked.path or not tracked.sync.valid:
            if change.snapshot:
                tracked.path, tracked.shadow = path, None
            return change.snapshot
        if change.snapshot:
            tracked.shadow = (path, BookSync(self._rule))
        if tracked.shadow is not None and tracked.shadow[0] == path:
            tracked.shadow[1].on_change(change)
            self._take_over(tracked)
        return False

    @staticmethod
    def _take_over(tracked: TrackedBook) -> None:
        assert tracked.shadow is not None  # noqa: S101 (callers look first)
        path, shadow = tracked.shadow
        if shadow.valid and tracked.sync.valid and shadow.book.last_id == tracked.sync.book.last_id:
            tracked.sync.replace(shadow)
            tracked.path, tracked.shadow = path, None

    def on_closed(self, path: str) -> None:
        """A connection has ended: its books go on with their shadows, or are not known any more."""
        for symbol, tracked in self._tracked.items():
            tracked.early.drop_connection(path)
            if tracked.early and not tracked.early.several:
                self._give_up(tracked)
            if tracked.shadow is not None and tracked.shadow[0] == path:
                tracked.shadow = None
            if not path or tracked.path != path:
                continue
            tracked.path = ""
            if tracked.shadow is not None and tracked.shadow[1].valid:
                tracked.path, shadow = tracked.shadow
                tracked.shadow = None
                self._tell(symbol, tracked, tracked.sync.replace(shadow))
            else:
                self.lose(symbol, "disconnected", unheard=True)

    def on_snapshot(self, symbol: str, snapshot: BookSnapshot) -> bool:
        """A snapshot that was asked for; False when it is too old and has to be asked for again."""
        if not self.wants(symbol):
            return True
        tracked = self.of(symbol)
        steps = tracked.sync.on_snapshot(snapshot)
        if steps is None:
            return False
        self.needed.pop(symbol, None)
        self._tell(symbol, tracked, steps)
        return True

    def lose(self, symbol: str, cause: str, ts_recv: int = 0, *, unheard: bool = False) -> None:
        """A book that is not known any more, for a reason outside of it; `unheard`: its stream has ended."""
        tracked = self._tracked.get(symbol)
        if tracked is None:
            return
        self._need(symbol, cause)
        if ts_recv:
            tracked.sync.ts_recv = ts_recv
        tracked.early.take_all()
        self._tell(symbol, tracked, tracked.sync.lose(cause, unheard=unheard))

    def resume_after(self, symbol: str, ts_event: int, last_id: int = 0) -> None:
        """Somebody else tracked the book until then, up to that id: what it misses from there on is a hole."""
        tracked = self.of(symbol)
        tracked.sync.lost_at, tracked.published_id = ts_event, last_id

    def lose_all(self, cause: str) -> None:
        """No stream of any book is heard any more."""
        for symbol in list(self._tracked):
            self.lose(symbol, cause, unheard=True)

    def refreshed(self, symbol: str, snapshot: BookSnapshot | None) -> None:
        """The end of an audit; with a snapshot the book goes on from it."""
        tracked = self._tracked.get(symbol)
        if tracked is not None:
            self._tell(symbol, tracked, tracked.sync.conclude(snapshot))

    def leave(self, symbols: Iterable[str]) -> None:
        """Instruments that are not wanted any more: what was told of them last holds no longer."""
        for symbol in symbols:
            self.lose(symbol, "unsubscribed", unheard=True)
            tracked = self._tracked.pop(symbol, None)
            self._left[symbol] = 0 if tracked is None else tracked.sync.lost_at
            self.needed.pop(symbol, None)

    def welcome(self, symbols: Iterable[str]) -> None:
        """Instruments that are wanted, perhaps again: then what lies between is a hole of their book."""
        for symbol in symbols:
            lost_at = self._left.pop(symbol, 0)
            if lost_at:
                self._welcome[symbol] = lost_at

    # -- out ---------------------------------------------------------------------------------------------------------

    def _tell(self, symbol: str, tracked: TrackedBook, steps: Sequence[BookStep]) -> None:
        for step in steps:
            if step.form == UPDATE:
                self._updated(symbol, tracked, step)
            elif step.form == SNAPSHOT:
                self._begun(symbol, tracked)
                self._whole(symbol, tracked)
            else:
                self._need(symbol, step.cause)
                self.messages.append(self._say.invalid(symbol, tracked.sync, step.cause))

    def _need(self, symbol: str, cause: str) -> None:
        """A book has to begin anew; that more of it was to be learnt is no longer enough."""
        if self.needed.get(symbol, REFRESH) == REFRESH:
            self.needed[symbol] = cause

    def _updated(self, symbol: str, tracked: TrackedBook, step: BookStep) -> None:
        change, sync, settings = step.change, tracked.sync, self._settings
        assert change is not None  # noqa: S101 (an update is made of one)
        now = change.ts_recv
        self.messages.append(self._say.update(symbol, change))
        tracked.published_id = change.last_id
        if not sync.book.knows(settings.refresh_at):
            if not sync.book.knows(settings.lose_at):  # the market has left it: nobody knows the best prices
                self._tell(symbol, tracked, sync.lose("depth"))
                return
            self.needed.setdefault(symbol, REFRESH)
        if now - tracked.ts_top >= self._top_ns:
            self.top(symbol, tracked)
        else:
            self._untold.add(symbol)
        if now - tracked.ts_snapshot >= self._snapshot_ns:
            self._whole(symbol, tracked)

    def _begun(self, symbol: str, tracked: TrackedBook) -> None:
        """A hole ends where a snapshot stands."""
        sync = tracked.sync
        lost_at, sync.lost_at = sync.lost_at, 0
        # A snapshot without a time has ours, which may be behind the venue's: the ids say as well what is missing.
        if lost_at and (sync.ts_reached > lost_at or sync.book.last_id != tracked.published_id):
            until = max(sync.ts_reached, lost_at + 1)
            self.gaps.append(
                Gap(
                    self._venue,
                    symbol,
                    self._source,
                    0,
                    sync.book.last_id,
                    until,
                    sync.ts_recv,
                    0,
                    lost_at,
                    until,
                    "sequence",
                    utc_day_text(until),
                    ORDERBOOK.name,
                )
            )

    def _whole(self, symbol: str, tracked: TrackedBook) -> None:
        tracked.ts_snapshot, tracked.published_id = tracked.sync.ts_recv, tracked.sync.book.last_id
        self.messages.append(self._say.whole(symbol, tracked.sync))
        self.top(symbol, tracked)

    def top(self, symbol: str, tracked: TrackedBook) -> None:
        """The best levels now."""
        tracked.ts_top = tracked.sync.ts_recv
        self._untold.discard(symbol)
        self.messages.append(self._say.top(symbol, tracked.sync))

    def on_clock(self, now_ns: int) -> None:
        """Time has passed: the last change before a market went quiet is published as well."""
        for symbol in list(self._untold):
            tracked = self._tracked.get(symbol)
            if tracked is None or not tracked.sync.valid:
                self._untold.discard(symbol)
            elif now_ns - tracked.ts_top >= self._top_ns:
                self.top(symbol, tracked)

    def show(self, symbol: str, depth: int | None) -> BookView | None:
        """A book in words and texts, None when there is none. Levels are amounts, best first, only known ones."""
        tracked = self._tracked.get(symbol)
        return None if tracked is None else self._say.show(symbol, tracked.sync, depth)

    def quote(self, symbol: str) -> Quote | None:
        """Best prices of a valid book."""
        tracked = self._tracked.get(symbol)
        return None if tracked is None else self._say.quote(symbol, tracked.sync)
