"""Where market data comes from: live venues, recordings, simulations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

from marketprism_application.contracts.book_view import BookView
from marketprism_application.contracts.venue_messages import Message
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.sessions import SessionChange


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
    `last_data_s` is when it last brought data of an instrument, by `time.monotonic`, 0.0 before; that a book is lost,
    which it says by itself, is none.
    """

    @property
    def live_since(self) -> int:
        """When it was there, nanoseconds UTC, 0 before: nothing from before can be had again by reading it anew."""
        ...

    @property
    def last_data_s(self) -> float: ...

    @property
    def skipped(self) -> Mapping[str, int]: ...

    @property
    def dropped(self) -> int: ...

    @property
    def deepest(self) -> int: ...

    async def subscribe(self, patterns: Sequence[str]) -> tuple[int, int]:
        """Other instruments from now on; how many were added and removed."""
        ...


class ResumePoint(NamedTuple):
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

    def resume(self, resume_point: ResumePoint) -> None: ...


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


class BookSource(Protocol):
    """A source that keeps whole books."""

    def book(self, venue: str, symbol: str, depth: int | None) -> BookView | None:
        """An instrument's book as it stands, None when there is none."""
        ...

    def figures(self) -> dict[str, float]:
        """What it counts: connections, streams by state, books, audits."""
        ...

    def streams(self) -> list[dict[str, object]]:
        """Each stream: subscribed, flowing, stale or refused, and how long it has been quiet."""
        ...


def book_source(source: MarketSource) -> BookSource | None:
    """The source with its books, None when it keeps none."""
    return cast("BookSource", source) if source.traits.keeps_books else None
