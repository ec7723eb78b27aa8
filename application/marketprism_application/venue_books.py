"""Books of a venue: one `BookSync` for each instrument, its steps as messages, its holes in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from marketprism_application.contracts.kinds import ORDERBOOK
from marketprism_application.contracts.messages import BookTopMessage, Message, OrderBookMessage, TextLevel
from marketprism_application.early_changes import EarlyChanges
from marketprism_application.venue import Quote
from marketprism_domain.book_chain import BookChange, ChainRule
from marketprism_domain.book_sync import BookSnapshot, BookStep, BookSync
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.orderbook import INVALID, SNAPSHOT, UPDATE
from marketprism_domain.orderbook import Level
from marketprism_domain.trading_days import utc_day_text

NANOS_PER_MS = 1_000_000
Scale = Callable[[str, str], str]  # (symbol, quantity as the venue wrote it) -> amount


class BookSettings:
    """`depth` levels of the top are published at most every `top_ms`; a whole book every `snapshot_s`.

    A book that was cut off is refreshed when fewer than `refresh_at` levels of a side are known. Where several
    connections bring one book, what one of them brings too early waits `hold_s` for what another is still to bring.
    """

    def __init__(
        self, depth: int = 20, top_ms: int = 250, snapshot_s: float = 300.0, refresh_at: int = 50, hold_s: float = 5.0
    ) -> None:
        self.depth = depth
        self.top_ns = top_ms * NANOS_PER_MS
        self.snapshot_ns = int(snapshot_s * 1_000_000_000)
        self.refresh_at = refresh_at
        self.hold_ns = int(hold_s * 1_000_000_000)


class Kept:
    """A book, and what was told of it."""

    __slots__ = ("early", "path", "shadow", "sync", "told_id", "ts_snapshot", "ts_top")

    def __init__(self, rule: ChainRule) -> None:
        self.sync = BookSync(rule)
        self.ts_top = self.ts_snapshot = self.told_id = 0
        self.path = ""  # the connection that it hangs on, where ids are a connection's own
        self.early = EarlyChanges()  # where they are the same on every connection
        self.shadow: tuple[str, BookSync] | None = None  # the same book on a connection that may take over


class VenueBooks:
    """Book changes in; messages out. `needed` holds the instruments whose book has to be asked for again."""

    def __init__(self, venue: str, source: str, rule: ChainRule, scale: Scale | None, settings: BookSettings) -> None:
        self._venue = venue
        self._source = source
        self._rule = rule
        self._scale = scale
        self._settings = settings
        self._kept: dict[str, Kept] = {}
        self.needed: dict[str, str] = {}  # symbol: why
        self.messages: list[Message] = []
        self.gaps: list[Gap] = []

    def of(self, symbol: str) -> Kept:
        """The book of an instrument, made when it is first heard of."""
        found = self._kept.get(symbol)
        if found is None:
            found = self._kept[symbol] = Kept(self._rule)
            self.needed[symbol] = "begin"
        return found

    def items(self) -> Sequence[tuple[str, Kept]]:
        """Every book."""
        return list(self._kept.items())

    def find(self, symbol: str) -> BookSync | None:
        """The book of an instrument, None when there is none."""
        kept = self._kept.get(symbol)
        return None if kept is None else kept.sync

    # -- in ----------------------------------------------------------------------------------------------------------

    def on_change(self, change: BookChange, path: str = "") -> BookSync:
        """One step of a stream; `path` is the connection that it came on."""
        kept = self.of(change.symbol)
        early = kept.early
        if self._rule.mergeable:
            if (path != early.path or early.several) and early.wait(change, path, kept.sync):
                if early.hopeless(change.ts_recv, self._settings.hold_ns, kept.sync.book.last_id):
                    self._give_up(kept)
                return kept.sync
        elif not self._hangs_on(kept, change, path):
            return kept.sync
        if change.snapshot:
            self.needed.pop(change.symbol, None)
        self._apply(kept, change)
        while early.several and (following := early.follow(kept.sync)) is not None:
            self._apply(kept, following)
        if kept.shadow is not None:
            self._take_over(kept)
        return kept.sync

    def _apply(self, kept: Kept, change: BookChange) -> None:
        steps = kept.sync.on_change(change)
        if steps:
            self._tell(change.symbol, kept, steps)

    def _give_up(self, kept: Kept) -> None:
        for change in kept.early.take_all():
            self._apply(kept, change)

    def _hangs_on(self, kept: Kept, change: BookChange, path: str) -> bool:
        """Whether the book follows this connection. Another one keeps a shadow of it, and takes over at the same id."""
        if path == kept.path:
            return True
        if not kept.path or not kept.sync.valid:
            if change.snapshot:
                kept.path, kept.shadow = path, None
            return change.snapshot
        if change.snapshot:
            kept.shadow = (path, BookSync(self._rule))
        if kept.shadow is not None and kept.shadow[0] == path:
            kept.shadow[1].on_change(change)
            self._take_over(kept)
        return False

    @staticmethod
    def _take_over(kept: Kept) -> None:
        assert kept.shadow is not None  # noqa: S101 (callers look first)
        path, shadow = kept.shadow
        if shadow.valid and kept.sync.valid and shadow.book.last_id == kept.sync.book.last_id:
            kept.sync.replace(shadow)
            kept.path, kept.shadow = path, None

    def on_gone(self, path: str) -> None:
        """A connection has ended: its books go on with their shadows, or are not known any more."""
        for symbol, kept in self._kept.items():
            kept.early.gone(path)
            if kept.early and not kept.early.several:
                self._give_up(kept)
            if kept.shadow is not None and kept.shadow[0] == path:
                kept.shadow = None
            if not path or kept.path != path:
                continue
            kept.path = ""
            if kept.shadow is not None and kept.shadow[1].valid:
                kept.path, shadow = kept.shadow
                kept.shadow = None
                self._tell(symbol, kept, kept.sync.replace(shadow))
            else:
                self.lose(symbol, "disconnected")

    def on_snapshot(self, symbol: str, snapshot: BookSnapshot) -> bool:
        """A snapshot that was asked for; False when it is too old and has to be asked for again."""
        kept = self.of(symbol)
        steps = kept.sync.on_snapshot(snapshot)
        if steps is None:
            return False
        self.needed.pop(symbol, None)
        self._tell(symbol, kept, steps)
        return True

    def lose(self, symbol: str, cause: str, ts_recv: int = 0) -> None:
        """A book that is not known any more, for a reason outside of it."""
        kept = self.of(symbol)
        self.needed.setdefault(symbol, cause)
        if ts_recv:
            kept.sync.ts_recv = ts_recv
        kept.early.take_all()
        self._tell(symbol, kept, kept.sync.lose(cause))

    def left_off(self, symbol: str, ts_event: int) -> None:
        """Somebody else kept the book until then: what it misses from there on is a hole."""
        self.of(symbol).sync.lost_at = ts_event

    def lose_all(self, cause: str) -> None:
        """No book is known any more."""
        for symbol in list(self._kept):
            self.lose(symbol, cause)

    def refreshed(self, symbol: str, snapshot: BookSnapshot | None) -> None:
        """The end of an audit; with a snapshot the book goes on from it."""
        kept = self.of(symbol)
        self._tell(symbol, kept, kept.sync.conclude(snapshot))

    def forget(self, symbol: str) -> None:
        """An instrument that is no longer subscribed."""
        self._kept.pop(symbol, None)
        self.needed.pop(symbol, None)

    # -- out ---------------------------------------------------------------------------------------------------------

    def _tell(self, symbol: str, kept: Kept, steps: Sequence[BookStep]) -> None:
        for step in steps:
            if step.form == UPDATE:
                self._updated(symbol, kept, step)
            elif step.form == SNAPSHOT:
                self._begun(symbol, kept)
                self._whole(symbol, kept)
            else:
                self.needed.setdefault(symbol, step.cause)
                self.messages.append(self._invalid(symbol, kept.sync, step.cause))

    def _updated(self, symbol: str, kept: Kept, step: BookStep) -> None:
        change, sync, settings = step.change, kept.sync, self._settings
        assert change is not None  # noqa: S101 (an update is made of one)
        bids, asks, now = change.bids, change.asks, change.ts_recv
        if self._scale is not None:
            bids, asks = self._levels(symbol, bids), self._levels(symbol, asks)
        self.messages.append(OrderBookMessage(
            1, self._venue, symbol, self._source, 0, change.last_id, change.ts_event, now, 0, UPDATE, True,
            change.first_id, change.prev_id, bids, asks,
        ))  # fmt: skip
        kept.told_id = change.last_id
        if now - kept.ts_top >= settings.top_ns:
            self.top(symbol, kept)
        if now - kept.ts_snapshot >= settings.snapshot_ns:
            self._whole(symbol, kept)
        if not sync.book.knows(self._settings.refresh_at):
            self.needed.setdefault(symbol, "refresh")

    def _begun(self, symbol: str, kept: Kept) -> None:
        """A hole ends where a snapshot stands."""
        sync = kept.sync
        if sync.lost_at and sync.ts_event > sync.lost_at:
            self.gaps.append(Gap(
                self._venue, symbol, self._source, 0, sync.book.last_id, sync.ts_event, sync.ts_recv, 0, sync.lost_at,
                sync.ts_event, "sequence", utc_day_text(sync.ts_event), ORDERBOOK.name,
            ))  # fmt: skip
        sync.lost_at = 0

    def _whole(self, symbol: str, kept: Kept) -> None:
        sync = kept.sync
        book = sync.book
        kept.ts_snapshot, kept.told_id = sync.ts_recv, book.last_id
        self.messages.append(OrderBookMessage(
            1, self._venue, symbol, self._source, 0, book.last_id, sync.ts_event, sync.ts_recv, 0, SNAPSHOT, True,
            book.last_id, None, self._levels(symbol, book.bids.top()), self._levels(symbol, book.asks.top()),
            book.bid_floor, book.ask_ceiling,
        ))  # fmt: skip
        self.top(symbol, kept)

    def top(self, symbol: str, kept: Kept) -> None:
        """The best levels now."""
        sync = kept.sync
        bids, asks = sync.book.top(self._settings.depth)
        kept.ts_top = sync.ts_recv
        self.messages.append(BookTopMessage(
            1, self._venue, symbol, self._source, 0, sync.book.last_id, sync.ts_event, sync.ts_recv, 0, True,
            self._settings.depth, self._levels(symbol, bids), self._levels(symbol, asks),
        ))  # fmt: skip

    def _invalid(self, symbol: str, sync: BookSync, cause: str) -> Message:
        return OrderBookMessage(
            1, self._venue, symbol, self._source, 0, sync.book.last_id, sync.ts_event, sync.ts_recv, 0, INVALID, False,
            cause=cause,
        )  # fmt: skip

    def _levels(self, symbol: str, levels: Sequence[Level]) -> Sequence[TextLevel] | Sequence[Level]:
        scale = self._scale
        if scale is None:
            return levels
        return [(level[0], scale(symbol, level[1])) for level in levels]

    def show(self, symbol: str, depth: int | None) -> dict[str, Any] | None:
        """A book in words and texts, None when there is none. Levels are amounts, best first, only known ones."""
        kept = self._kept.get(symbol)
        if kept is None:
            return None
        sync = kept.sync
        bids, asks = sync.book.top(depth)
        return {
            "venue": self._venue, "symbol": symbol, "valid": sync.valid, "seq": sync.book.last_id,
            "ts_event": sync.ts_event, "ts_recv": sync.ts_recv,
            "bids": self._pairs(symbol, bids) if sync.valid else [],
            "asks": self._pairs(symbol, asks) if sync.valid else [],
            "bid_floor": sync.book.bid_floor, "ask_ceiling": sync.book.ask_ceiling,
        }  # fmt: skip

    def quote(self, symbol: str) -> Quote | None:
        """Best prices of a valid book."""
        sync = self._kept[symbol].sync
        bid, ask = sync.book.bids.best(), sync.book.asks.best()
        if not sync.valid or bid is None or ask is None:
            return None
        ((bid_price, bid_quantity),), ((ask_price, ask_quantity),) = (
            self._pairs(symbol, [bid]), self._pairs(symbol, [ask]),
        )  # fmt: skip
        return Quote(
            self._venue, symbol, sync.ts_event, sync.ts_recv, sync.book.last_id, bid_price, bid_quantity, ask_price,
            ask_quantity,
        )  # fmt: skip

    def _pairs(self, symbol: str, levels: Sequence[Level]) -> list[TextLevel]:
        scale = self._scale
        return [(level[0], level[1] if scale is None else scale(symbol, level[1])) for level in levels]
