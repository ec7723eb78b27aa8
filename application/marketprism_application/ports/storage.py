"""Where records are kept for years, and how far each stream is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from marketprism_application.contracts.kinds import DataKind

if TYPE_CHECKING:
    import pyarrow as pa

Encoded = bytes | msgspec.Raw  # one record in MessagePack
NO_MESSAGE = -1  # in place of a time: there is no message at that sequence


class StreamRange(NamedTuple):
    """A contiguous range of a stream that one insert covers; it names the deduplication token."""

    stream: str
    created: str  # the stream's creation time: sequences restart with a new stream
    first: int
    last: int

    @property
    def token(self) -> str:
        """Same range, same token, same rows."""
        return f"{self.stream}:{self.created}:{self.first}-{self.last}"


class StreamPlace(NamedTuple):
    """Where a record stood: stream sequence, and index inside its message."""

    seq: int
    offset: int


class EncodedRows(NamedTuple):
    """Records of one message as they came, the first at index `first` of it."""

    seq: int
    rows: Sequence[Encoded]
    first: int = 0


class DeadRow(NamedTuple):
    """A record that no table can take: one row of `kind`, or where that is empty a whole message of `subject`."""

    stream: str
    seq: int
    offset: int
    reason: str
    payload: bytes
    kind: str = ""
    subject: str = ""


class MarketStore(Protocol):
    """Where records are kept for years. Writes are exactly once per (kind, range).

    `insert` is atomic enough to be repeated: the same range with the same rows again changes nothing.

    Raises:
        RowError: a row is refused for what it holds, and nothing is written; only this may be set aside.
        StoreError: everything else; the same call can succeed later.
    """

    async def migrate(self) -> Sequence[str]: ...

    async def insert(
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
    ) -> int:
        """Write records with where they stood; returns the number of rows given."""
        ...

    async def insert_encoded(
        self, kind: DataKind, groups: Sequence[EncodedRows], covered: StreamRange, epoch: int
    ) -> int:
        """As `insert`, of records as they came: MessagePack arrays in the order of the kind's fields.

        What is no such array, or does not fit, is a RowError, and nothing is written.
        """
        ...

    async def insert_columns(self, kind: DataKind, rows: pa.Table, seq: int, covered: StreamRange, epoch: int) -> int:
        """As `insert`, of rows in columns, each field of the kind as an answer has it; all are stored under `seq`."""
        ...

    async def bury(self, dead: Sequence[DeadRow]) -> None:
        """Set rows aside that no table can take, each once."""
        ...

    async def close(self) -> None: ...


class TickKey(NamedTuple):
    """What a stored tick is known by."""

    venue: str
    symbol: str
    ts_event: int
    seq: int


class StoreTally(Protocol):
    """Counts of what lies in the tables, for whoever holds them against the streams.

    Raises:
        StoreError: engine trouble.
    """

    async def rows(self, kind: DataKind, first: int, last: int) -> int:
        """Places of the kind's stream in [first, last] of which a row lies in its table."""
        ...

    async def dead(self, stream: str, first: int, last: int) -> int:
        """Places of a stream in [first, last] that were set aside."""
        ...

    async def absent(self, ticks: Sequence[TickKey]) -> Sequence[TickKey]:
        """Those of the ticks of which the table has no row."""
        ...


class Progress(msgspec.Struct, frozen=True):
    """How far a stream is stored: `watermark` is done; [first, last] is open when last is above it.

    `store` is the identity of the store that holds the rows, empty in records of old. `fill` names the filling of that
    store which goes on: its ranges have tokens of their own, so that what is inserted again is not taken for a repeat.
    """

    created: str = ""
    epoch: int = 0
    first: int = 0
    last: int = 0
    watermark: int = 0
    store: str = ""
    fill: str = ""


class StoreMark(NamedTuple):
    """Everything up to sequence `seq` is in a store.

    `ts` is when the server took the message there, nanoseconds UTC. It says which message that was: a stream that lost
    its end gives its sequences again. NO_MESSAGE where there was none, 0 where it is not known, as in records of old.
    """

    seq: int
    ts: int = 0

    def is_still_there(self, there: int, bounds: StreamBounds) -> bool:
        """Whether the stream has the message that is named, or began behind it since.

        `there` is the time of what it has at the sequence; `bounds` were read after that, so that what aged out in
        between is not taken for lost.
        """
        if not self.seq or bounds.first > self.seq:
            return True
        return self.seq <= bounds.last and self.ts in (0, there)


class StreamBounds(NamedTuple):
    """A stream as it is: creation time, oldest and newest sequence, time of the oldest in nanoseconds UTC, and how many
    messages were deleted between the two.

    `first` is above `last` in a stream that holds nothing any more.
    """

    created: str
    first: int
    last: int
    ts_first: int = 0
    deleted: int = 0


class ProgressStore(Protocol):
    """Where progress is kept. `save` is a compare-and-swap against what `load` returned or the last `save` wrote.

    Raises:
        Exception: another writer saved meanwhile; this one must stop.
    """

    async def load(self) -> Progress | None:
        """Progress as it stands, an empty one where there is none; None where what is there cannot be read."""
        ...

    async def save(self, progress: Progress) -> None: ...


class RangeSource(Protocol):
    """A stream, read in order."""

    async def bounds(self) -> StreamBounds:
        """What the stream holds now."""
        ...

    async def open(self, start_seq: int) -> None:
        """Begin at a sequence."""
        ...

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[RangeMessage]:
        """What comes next, nothing after `max_wait_s` without a message."""
        ...

    async def settled(self, read_to: int) -> int:
        """How far beyond `read_to` there is certainly nothing for this reader; `read_to` where that is not known."""
        ...

    async def lacks(self, first: int, last: int) -> bool:
        """Whether a message between two sequences, both included, was deleted."""
        ...

    async def time_at(self, seq: int) -> int:
        """When the server took the message at a sequence, whatever its subject, nanoseconds UTC; NO_MESSAGE if the
        stream holds none there."""
        ...

    async def close(self) -> None:
        """Stop reading and free what that takes."""
        ...


class StoreLedger(Protocol):
    """What a store knows of itself.

    Raises:
        StoreError: it is away.
    """

    async def identity(self) -> str:
        """The store's own name, made with its tables; another store has another."""
        ...

    async def watermark(self, stream: str, created: str) -> StoreMark | None:
        """What was recorded last, None where nothing was."""
        ...

    async def record(self, stream: str, created: str, mark: StoreMark) -> None:
        """Everything up to here is in the tables."""
        ...

    async def holds(self, stream: str) -> bool:
        """Whether any table of the stream has a row."""
        ...


class RangeMessage(Protocol):
    """A stored message."""

    @property
    def subject(self) -> str: ...

    @property
    def seq(self) -> int: ...

    @property
    def data(self) -> bytes: ...

    @property
    def ts(self) -> int:
        """When the server took it, nanoseconds UTC."""
        ...
