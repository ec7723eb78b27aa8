"""BookSync: keeps one book right by the venue's procedure, and says at every step whether it is known.

Not valid until a snapshot stands and what came meanwhile follows it; not valid from the moment that something is
missing. What arrives meanwhile is kept, so that the next snapshot can be joined to the stream without a hole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from marketprism_domain.books.chain import BookChange, ChainRule, Step
from marketprism_domain.books.levels import Level, OrderBook
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.orderbook import INVALID, SNAPSHOT, UPDATE

MAX_KEPT = 5_000
_LATE_NS = 1_000_000_000  # how much later than it was stamped a change may have come
ANSWER_NS = 15_000_000_000  # no answer to a request is older than that


class BookStep(NamedTuple):
    """What a book did: the step to publish. `change` is what made it, None when nothing of the venue's did."""

    form: str
    cause: str = ""
    change: BookChange | None = None


class BookSnapshot(NamedTuple):
    """A book as a request answered it; a side with `cut_at` levels was cut off there.

    `ts_event` is the venue's time. Where the venue says none it is `ts_recv`, which says by when the book was made, and
    not when: what came after it may have happened before.
    """

    last_id: int
    ts_event: int
    ts_recv: int
    bids: Sequence[Level]
    asks: Sequence[Level]
    cut_at: int | None = None


class Audit(NamedTuple):
    """A live book beside one made of a fresh snapshot, at the same id. `wrong` are prices that differ."""

    at_id: int
    levels: int
    wrong: tuple[str, ...]


class BookSync:
    """One instrument. Counters are totals since it was made."""

    def __init__(self, rule: ChainRule) -> None:
        self._rule = rule
        self.book = OrderBook()
        self.valid = False
        self._joined = False  # whether a change has followed the snapshot that stands
        self._kept: deque[BookChange] = deque(maxlen=MAX_KEPT)
        self._keeping = rule.by_request
        self.ts_event = self.ts_recv = 0
        self.updates = self.gaps = self.resyncs = self.old = self.dropped = 0
        self.proven = self.disproven = 0
        self.lost_at = 0  # until when, by the venue's clock, everything was known, while not valid
        self._known_at = 0  # the same of a book that stands on a snapshot without a time of the venue; else `ts_event`
        self._until = 0  # and by when such a book was made, at the latest
        self.several = False  # whether several connections bring the changes, so that old ones come late

    @property
    def joinable(self) -> bool:
        """Whether the stream has said anything that a snapshot could be joined to."""
        return bool(self._kept) or self.valid

    @property
    def known_at(self) -> int:
        """Until when, by the venue's clock, everything that happened is in the book."""
        return self._known_at or self.ts_event

    @property
    def ts_reached(self) -> int:
        """When, by the venue's clock, the book had come to the id that it stands at, at the latest."""
        return max(self.ts_event, self._until)

    def breaks(self, change: BookChange) -> bool:
        """Whether something is missing between the book, which is valid, and this change."""
        if not self.valid or change.snapshot:
            return False
        rule = self._rule
        return (rule.follows if self._joined else rule.begins)(change, self.book.last_id) is Step.GAP

    # -- changes -----------------------------------------------------------------------------------------------------

    def on_change(self, change: BookChange) -> list[BookStep]:
        """Take what the stream says."""
        if change.snapshot:
            return self._begin(change)
        if self._keeping:
            self.dropped += len(self._kept) == MAX_KEPT
            self._kept.append(change)
        if not self.valid:
            return []
        steps = self._take(change)
        if not self.valid and not self._kept:
            self._kept.append(change)  # it could not be used, and it comes behind the next snapshot
        return steps

    def _take(self, change: BookChange) -> list[BookStep]:
        rule, book = self._rule, self.book
        step = rule.follows(change, book.last_id) if self._joined else rule.begins(change, book.last_id)
        if step is Step.OLD or step is Step.ALIVE:
            if step is Step.OLD and self._contradicts(change):
                self.gaps += 1
                return self.lose("sequence")
            self.old += step is Step.OLD
            self.ts_recv = change.ts_recv
            return []
        if step is Step.GAP:
            self.gaps += 1
            return self.lose("sequence")
        if not self._joined and change.prev_id is not None:
            # The snapshot's id may lie within the first step: of the book, and of who follows it, it is the one before.
            change = change._replace(prev_id=book.last_id)
        try:
            book.apply(change.bids, change.asks, change.last_id)
        except InvalidValue:
            return self.lose("malformed")
        self._joined = True
        self._known_at = self._until = 0
        self.updates += 1
        self.ts_event, self.ts_recv = change.ts_event, change.ts_recv
        taken = BookStep._make((UPDATE, "", change))
        return self._checked(taken) if change.checksum or book.crossed else [taken]

    def _contradicts(self, change: BookChange) -> bool:
        """Whether a change of an older id is newer by the venue's clock than the newest: one of the two ids is wrong.

        Other connections may lag, and be stamped by another of the venue's clocks: then it has to be so by far.
        """
        if not self._joined or not self._rule.by_request:
            return False
        return change.ts_event > self.known_at + (ANSWER_NS if self.several else 0)

    def _checked(self, step: BookStep) -> list[BookStep]:
        if self.book.crossed:
            return self.lose("crossed")
        if step.change is not None and step.change.checksum:
            proven = self._rule.proven(self.book, step.change)
            if proven is False:
                self.disproven += 1
                return self.lose("checksum")
            self.proven += bool(proven)
        return [step]

    def _begin(self, change: BookChange) -> list[BookStep]:
        """A snapshot of the stream itself: it replaces whatever there was."""
        self.resyncs += bool(self.ts_event)
        if self.valid and change.last_id != self.book.last_id:
            self.lost_at = self.known_at  # the steps between are in no update: nobody saw them one by one
        try:
            self.book.load(change.bids, change.asks, change.last_id, cut_at=None, window=change.cut_at)
        except (InvalidValue, ValueError):
            return self.lose("malformed")
        self.valid = self._joined = True
        self._known_at = self._until = 0
        self.ts_event, self.ts_recv = change.ts_event, change.ts_recv
        return self._checked(BookStep(SNAPSHOT, "", change))

    # -- snapshots by request ----------------------------------------------------------------------------------------

    def expect(self) -> None:
        """A snapshot is about to be asked for: keep what comes from now on."""
        if not self._keeping:
            self._kept.clear()
            self._keeping = True

    def on_snapshot(self, snapshot: BookSnapshot) -> list[BookStep] | None:
        """Begin at a snapshot that was asked for; None when it is too old for what was kept: ask again."""
        book, joined = self._rebuilt(snapshot)
        if book is None:
            return None
        self.resyncs += bool(self.ts_event)
        self.book, self.valid, self._joined = book, True, joined
        last = self._kept[-1] if self._kept else None
        self._known_at = self._until = 0
        if snapshot.ts_event == snapshot.ts_recv:
            # Of what came meanwhile every change is in the book, and by the venue's clock. Where nothing came, all that
            # can be said is that the answer was made while it was waited for.
            self._known_at = snapshot.ts_recv - ANSWER_NS if last is None else last.ts_event
            if not joined:
                ahead = 0 if last is None else last.ts_event - last.ts_recv
                self._until = snapshot.ts_recv + (ahead + _LATE_NS if ahead > 0 else 0)
        self.ts_event = max(snapshot.ts_event, last.ts_event if last is not None and joined else 0)
        self.ts_recv = max(snapshot.ts_recv, last.ts_recv if last is not None else 0)
        self._forget()
        return self._checked(BookStep(SNAPSHOT))

    def _forget(self) -> None:
        self._kept.clear()
        self._keeping = False

    def _rebuilt(self, snapshot: BookSnapshot) -> tuple[OrderBook | None, bool]:
        """A book of a snapshot and what was kept; None when something is missing between them."""
        book, joined = OrderBook(), False
        try:
            book.load(snapshot.bids, snapshot.asks, snapshot.last_id, cut_at=snapshot.cut_at)
            for change in self._kept:
                step = (self._rule.follows if joined else self._rule.begins)(change, book.last_id)
                if step is Step.GAP:
                    return None, False
                if step is Step.NEXT:
                    book.apply(change.bids, change.asks, change.last_id)
                    joined = True
        except (InvalidValue, ValueError):
            return None, False
        return book, joined

    def audit(self, snapshot: BookSnapshot) -> Audit | None:
        """Compare the live book with a fresh one at the same id; None when the two cannot be brought to one id yet.

        Only what both know is compared. Call `expect` before asking for the snapshot, `conclude` when done.
        """
        fresh, _ = self._rebuilt(snapshot)
        if not self.valid or fresh is None or fresh.last_id != self.book.last_id:
            return None
        wrong: list[str] = []
        levels = 0
        for live, other, edges, sign in (
            (self.book.bids, fresh.bids, (self.book.bid_floor, fresh.bid_floor), 1),
            (self.book.asks, fresh.asks, (self.book.ask_ceiling, fresh.ask_ceiling), -1),
        ):
            ours, theirs = _within(live.top(), edges, sign), _within(other.top(), edges, sign)
            levels += len(theirs)
            wrong += sorted(str(price) for price in ours.keys() | theirs.keys() if ours.get(price) != theirs.get(price))
        return Audit(fresh.last_id, levels, tuple(wrong))

    def conclude(self, snapshot: BookSnapshot | None = None) -> list[BookStep]:
        """End an audit; with its snapshot, go on from there: more is known of a book that was cut off."""
        steps: list[BookStep] = []
        if snapshot is not None and self.valid:
            book, joined = self._rebuilt(snapshot)
            if book is not None and book.last_id == self.book.last_id:
                self.book, self._joined = book, joined
                steps = self._checked(BookStep(SNAPSHOT))
        self._forget()
        return steps

    def replace(self, other: BookSync) -> list[BookStep]:
        """Go on with a book of the same instrument that another connection keeps; what lies between is a hole."""
        before, valid, ts = self.book.last_id, self.valid, self.known_at
        self._known_at = self._until = 0
        self.book, self.valid, self._joined = other.book, other.valid, other._joined
        self.ts_event, self.ts_recv = max(ts, other.ts_event), max(self.ts_recv, other.ts_recv)
        self._forget()
        if not self.valid or (valid and before == self.book.last_id):
            return []
        self.lost_at = self.lost_at or ts
        return [BookStep(SNAPSHOT)]

    # -- losing it ---------------------------------------------------------------------------------------------------

    def lose(self, cause: str, *, unheard: bool = False) -> list[BookStep]:
        """The book is not known from here on; the next snapshot begins it again.

        `unheard`: the stream itself has ended, so nothing that was kept of it leads to what comes next.
        """
        if unheard:
            self._forget()
        if self._rule.by_request and not self._keeping:
            self.expect()
        if not self.valid:
            return []
        self.valid = self._joined = False
        self.lost_at = self.lost_at or self.known_at
        return [BookStep(INVALID, cause)]


def _within(levels: Sequence[Level], edges: tuple[str | None, str | None], sign: int) -> dict[float, float]:
    """Quantities by price, of the levels that both books know."""
    limit = max((float(edge) * sign for edge in edges if edge is not None), default=-inf)
    return {float(level[0]): float(level[1]) for level in levels if float(level[0]) * sign >= limit}
