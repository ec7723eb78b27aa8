"""Every port of the application: what it needs from the world, each at most seven methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import msgspec
import pyarrow as pa

from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.messages import Message
from marketprism_application.contracts.query_wire import InstrumentSearch
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.sessions import SessionChange

Encoded = bytes | msgspec.Raw  # one record in MessagePack


class SourceBatch(NamedTuple):
    """What a source delivered in one go, in arrival order.

    `positions` is the last `source_seq` per source name after this batch. `ts_clock` is the source's own
    receive clock after it, nanoseconds UTC. `finished` marks the end of a recording: `ts_clock` is then the
    event time it ran to.
    """

    ticks: Sequence[Tick]
    ts_clock: int
    positions: Mapping[str, int]
    gaps: Sequence[tuple[int, Gap]] = ()  # (index of the tick it stands before, gap)
    finished: bool = False
    changes: Sequence[tuple[int, SessionChange]] = ()  # as gaps: what the venue says of its sessions
    events: Sequence[Any] = ()  # domain events that happened meanwhile
    messages: Sequence[Message] = ()  # of the other kinds, ready for the wire
    instruments: Sequence[InstrumentRecord] = ()  # whose terms have changed, or that are new


class Channel(NamedTuple):
    """One stream of raw frames: a connection, a recording; and the name of what can read them."""

    name: str
    decoder: str


class FrameTap(Protocol):
    """Where a source puts its raw frames before it reads them. Takes no time, raises nothing, from any thread."""

    def frame(self, channel: Channel, payload: bytes, ts_recv: int | None = None) -> None:
        """Keep one frame; `ts_recv` is now when it is not given, nanoseconds UTC."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTraits:
    """What a source is, and which narrow ports it fulfils besides `MarketSource`; the same for all of one class.

    `live`: it delivers what happens now, and nothing from before can be read anew (`LiveSource`). `recording`: its
    input lies there and is finite; `connect` reads it through unless somebody has, so that its counts are known before
    anything is sent. A simulated market that is read from its beginning is neither.
    `named`: `NamedSource`; `resumable`: `ResumableSource`; `counts_rows`: `CountingSource`; `paced`: `PacedSource`;
    `keeps_books`: `BookSource`.
    `exclusive`: the venue counts who is logged in, so only who holds the lease may be.
    `confirms_subscriptions`: an event of the source says when it is subscribed.

    Raises:
        ValueError: a recording that is live, or a trait of live sources on one that is not.
    """

    live: bool = False
    recording: bool = False
    named: bool = False
    exclusive: bool = False
    resumable: bool = False
    confirms_subscriptions: bool = False
    counts_rows: bool = False
    paced: bool = False
    keeps_books: bool = False

    def __post_init__(self) -> None:
        if self.live and (self.recording or not self.named):
            raise ValueError(f"source traits: expected a live source with a name and no recording, was {self}")
        if not self.live and (self.exclusive or self.resumable or self.confirms_subscriptions):
            raise ValueError(f"source traits: expected exclusive, resumable, confirming only when live, was {self}")


class MarketSource(Protocol):
    """A live venue, a recording or a simulation; `traits` says which, and what it offers besides.

    `connect` opens it and loads the instruments; `stream` yields batches until the source ends or the
    iterator is closed. Ticks of one instrument come in arrival order. `stream(after)` skips what lies at or
    before the given positions; a source that cannot go back ignores them. Nothing is delivered twice within
    one call; across calls a tick keeps its `source` and `source_seq`.

    Raises:
        SourceError: the input is missing or malformed (not retryable) or away (retryable).
    """

    @property
    def traits(self) -> SourceTraits: ...

    async def connect(self) -> None: ...

    async def instruments(self) -> Sequence[InstrumentRecord]: ...

    def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]: ...

    async def close(self) -> None: ...


class NamedSource(Protocol):
    """A source whose name in ticks (`source`) is known before anything is read."""

    source: str


class LiveSource(NamedSource, Protocol):
    """What a source offers besides when it is live.

    `skipped` counts by reason what was no tick, `dropped` what found no room, `deepest` is the most that ever waited.
    """

    @property
    def live_since(self) -> int:
        """When it was there, nanoseconds UTC, 0 before: nothing from before can be had again by reading it anew."""
        ...

    @property
    def skipped(self) -> Mapping[str, int]: ...

    @property
    def dropped(self) -> int: ...

    @property
    def deepest(self) -> int: ...

    async def subscribe(self, patterns: Sequence[str]) -> tuple[int, int]:
        """Other instruments from now on; how many were added and removed."""
        ...


class LeftOff(NamedTuple):
    """Where a source's last reader left off, as the log has it: the newest trade and book step of each instrument.

    `recent`: trades that were published shortly before the end, in order; whether their ticks were, nobody knows.
    `since`: until when somebody has read the source, nanoseconds UTC; 0 when nobody ever has.
    """

    since: int = 0
    trades: Mapping[str, Message] = {}
    books: Mapping[str, Message] = {}
    recent: Sequence[Message] = ()


class ResumableSource(NamedSource, Protocol):
    """A live source that goes on where another reader of it left off, and names by itself what is missing between.

    `resume` is called between `connect` and `stream`.
    """

    @property
    def venue_name(self) -> str:
        """The venue as subjects have it."""
        ...

    @property
    def resumable(self) -> Sequence[str]:
        """The instruments that are going to be read."""
        ...

    def resume(self, left_off: LeftOff) -> None: ...


class CountingSource(Protocol):
    """A source that counts what it read: rows by source, and by reason what was no tick.

    The counts of a recording are those of its whole input, from `connect` on if that read it through; those of any
    other source are what was delivered until now.
    """

    @property
    def rows(self) -> Mapping[str, int]: ...

    @property
    def skipped(self) -> Mapping[str, int]: ...


def named_source(source: MarketSource) -> NamedSource | None:
    """The source with its name, None where that is not known before reading."""
    return cast("NamedSource", source) if source.traits.named else None


def live_source(source: MarketSource) -> LiveSource | None:
    """The source with the calls of a live one, None when it is not live."""
    return cast("LiveSource", source) if source.traits.live else None


def resumable_source(source: MarketSource) -> ResumableSource | None:
    """The source with the calls to go on where another reader left off, None when it cannot."""
    return cast("ResumableSource", source) if source.traits.resumable else None


def counting_source(source: MarketSource) -> CountingSource | None:
    """The source with its counts of rows, None when it has none."""
    return cast("CountingSource", source) if source.traits.counts_rows else None


class Scheduler(Protocol):
    """Work at regular times, aligned with the clock: every hour means on the hour.

    A job never runs twice at a time; one that fails runs again at its next time; times that were missed are left out.
    """

    def every(self, name: str, period_s: float, job: Callable[[], Awaitable[None]], *, offset_s: float = 0.0) -> None:
        """Run `job` at every multiple of the period, `offset_s` later."""
        ...

    def cancel(self, name: str) -> None: ...

    async def close(self) -> None: ...


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


class Place(NamedTuple):
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
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[Place], covered: StreamRange, epoch: int
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

    async def bury(self, dead: Sequence[DeadRow]) -> None:
        """Set rows aside that no table can take, each once."""
        ...

    async def close(self) -> None: ...


class RangeQuery(NamedTuple):
    """Records of one instrument in [ts_from, ts_to), oldest first.

    `after` is the key of the last row of the page before (keyset paging); `venue` None means every venue.
    `last` asks for the newest `limit` rows instead (still returned oldest first).
    """

    symbol: str
    venue: str | None = None
    ts_from: int | None = None
    ts_to: int | None = None
    interval: str | None = None  # bars only
    limit: int = 1000
    after: tuple[int, int] | None = None  # (ts, seq)
    last: bool = False


class MarketReader(Protocol):
    """The read side. Every result is an Arrow table with the kind's field names.

    Times are int64 nanoseconds UTC, decimals are decimal128(38, 18), `trading_day` is text YYYYMMDD.

    Raises:
        StoreError: engine trouble, or a limit exceeded.
    """

    async def records(self, kind: DataKind, query: RangeQuery) -> pa.Table: ...

    async def latest(self, kind: DataKind, symbols: Sequence[str]) -> pa.Table: ...

    async def symbols(self) -> pa.Table:
        """What is there: symbol, venue, ticks, ts_first, ts_last, bars."""
        ...

    async def daily(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """One row per venue and trading day that has a tick in [ts_from, ts_to): `application.daily.COLUMNS`."""
        ...

    async def statistics(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """One row per venue over the minute bars that open in [ts_from, ts_to): `application.statistics.COLUMNS`."""
        ...

    async def instruments(self, search: InstrumentSearch) -> pa.Table:
        """The newest terms of each instrument found, by venue and symbol."""
        ...

    async def audit(self, sources: Sequence[str]) -> pa.Table:
        """Per source: stored (rows as they lie there), distinct_ticks, read_back and bars (as they are read)."""
        ...


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
