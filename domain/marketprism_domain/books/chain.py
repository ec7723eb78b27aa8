"""How the book updates of a venue follow one another: one rule per published procedure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from marketprism_domain.books.levels import Level, OrderBook

CHECKSUM_DEPTH = 25


class BookChange(NamedTuple):
    """One step of a venue's book, levels as the venue wrote them.

    It covers the ids `first_id` to `last_id`; `prev_id` is the id that it follows, where the venue says it. `snapshot`
    replaces the book. `checksum` is None where there is none. `path` names the connection it came on.
    """

    venue: str
    symbol: str
    ts_event: int
    ts_recv: int
    last_id: int
    first_id: int
    prev_id: int | None
    bids: Sequence[Level]
    asks: Sequence[Level]
    snapshot: bool = False
    checksum: int | None = None
    path: str = ""
    cut_at: int | None = None  # of a snapshot: the stream keeps at most so many levels a side


class Step(Enum):
    """What a change is to a book."""

    NEXT = "next"
    OLD = "old"  # seen already: it changes nothing
    ALIVE = "alive"  # a heartbeat: nothing changed
    GAP = "gap"  # something is missing before it


class ChainRule(Protocol):
    """The procedure of one venue.

    `by_request`: the first snapshot has to be asked for; otherwise the stream begins with one. `mergeable`: ids are the
    same on every connection, so that what one missed another may fill in.
    """

    by_request: bool
    mergeable: bool

    def begins(self, change: BookChange, snapshot_id: int) -> Step:
        """What the change is to a snapshot that was just loaded."""
        ...

    def follows(self, change: BookChange, last_id: int) -> Step:
        """What the change is to a book that stands at `last_id`."""
        ...

    def proven(self, book: OrderBook, change: BookChange) -> bool | None:
        """Whether the checksum of a change that was applied is right; None when there is none to check."""
        ...


class _Unproven:
    """A venue without checksums."""

    def proven(self, book: OrderBook, change: BookChange) -> bool | None:  # noqa: ARG002 (the port's form)
        """None: books of this rule carry no checksum to check."""
        return None


class IdRange(_Unproven):
    """Binance spot: ids without a hole, `U` to `u` in each event (binance-spot-api-docs, web-socket-streams.md)."""

    by_request = True
    mergeable = True

    def begins(self, change: BookChange, snapshot_id: int) -> Step:
        """The first event kept holds the id behind the snapshot's; otherwise the snapshot is too old."""
        return self.follows(change, snapshot_id)

    def follows(self, change: BookChange, last_id: int) -> Step:
        """Behind what is known: old; leaving something out: a gap."""
        if change.last_id <= last_id:
            return Step.OLD
        return Step.GAP if change.first_id > last_id + 1 else Step.NEXT


class PreviousId(_Unproven):
    """Binance futures: `pu` of an event is `u` of the one before it (How to manage a local order book correctly).

    Behind a snapshot the documented first event has U <= id <= u; streams that go on with pu == id are as right.
    """

    by_request = True
    mergeable = True

    def begins(self, change: BookChange, snapshot_id: int) -> Step:
        """The event that holds the snapshot's id, or the one right behind it."""
        if change.prev_id == snapshot_id:
            return Step.NEXT
        if change.last_id < snapshot_id:
            return Step.OLD
        return Step.NEXT if change.first_id <= snapshot_id else Step.GAP

    def follows(self, change: BookChange, last_id: int) -> Step:
        """The chain, link by link."""
        if change.prev_id == last_id:
            return Step.NEXT
        return Step.OLD if change.last_id <= last_id else Step.GAP


class LinkedIds:
    """OKX and Deribit: each change names the id before it; ids may start again lower as long as the chain holds.

    Only equality with the id before is asked for (an OKX seqId may be reset). An empty change whose two ids are equal
    is a heartbeat. A checksum of 0 means that there is none.
    """

    by_request = False
    mergeable = False

    def begins(self, change: BookChange, snapshot_id: int) -> Step:
        """As in a running chain; behind a snapshot by request also the change that holds its id."""
        step = self.follows(change, snapshot_id)
        if step is Step.GAP and change.prev_id is not None:
            if change.prev_id <= snapshot_id < change.last_id:
                return Step.NEXT
            if change.last_id <= snapshot_id:
                return Step.OLD
        return step

    def follows(self, change: BookChange, last_id: int) -> Step:
        """The chain, link by link; without ids there is only the checksum."""
        if change.prev_id is None:
            return Step.NEXT if not change.last_id else Step.GAP
        if change.prev_id == change.last_id and not change.bids and not change.asks:
            return Step.ALIVE if change.last_id == last_id else Step.GAP
        if change.prev_id == last_id:
            return Step.NEXT
        return Step.OLD if change.last_id == last_id else Step.GAP

    def proven(self, book: OrderBook, change: BookChange) -> bool | None:
        """Whether the checksum fits; None where there is none."""
        if not change.checksum:
            return None
        return checksum(book) == change.checksum


def checksum(book: OrderBook) -> int:
    """OKX's checksum of a book: signed crc32 of the best 25 levels, sides interleaved, of the venue's own text."""
    parts: list[str] = []
    bids, asks = book.bids.top(CHECKSUM_DEPTH), book.asks.top(CHECKSUM_DEPTH)
    for index in range(max(len(bids), len(asks))):
        for side in (bids, asks):
            if index < len(side):
                parts += (side[index][0], side[index][1])
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >= 1 << 31 else value
