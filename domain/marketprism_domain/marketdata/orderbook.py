"""OrderBook and BookTop: what is published of a book."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.values import BookLevel

SNAPSHOT = "snapshot"
UPDATE = "update"
INVALID = "invalid"


class OrderBook(NamedTuple):
    """One step of a book: `snapshot` replaces it, `update` changes it, `invalid` says that it is not known now.

    `seq` is the venue's update id after this step, `prev_id` the id of the step before it where the venue sends one,
    `first_id` the first id that the step covers. A quantity of 0 removes a level. Levels are in base units (in the
    quote currency for inverse contracts), best first in a snapshot. A snapshot that the venue cut off is known from
    `ask_ceiling` down to `bid_floor`; what lies outside is known only where it changed since. None: it is whole.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    form: str  # snapshot, update, invalid
    valid: bool
    first_id: int = 0
    prev_id: int | None = None
    bids: tuple[BookLevel, ...] = ()
    asks: tuple[BookLevel, ...] = ()
    bid_floor: Decimal | None = None
    ask_ceiling: Decimal | None = None
    cause: str = ""  # of invalid: sequence, disconnected, crossed, checksum, audit


class BookTop(NamedTuple):
    """The best levels of a valid book a few times a second; `seq` is the update id it stands at.

    Only levels that are known are in it: where fewer than `depth` are, the book is thinner or was cut off.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    valid: bool
    depth: int
    bids: tuple[BookLevel, ...] = ()
    asks: tuple[BookLevel, ...] = ()
