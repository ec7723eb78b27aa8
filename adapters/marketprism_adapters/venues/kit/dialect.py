"""What a venue's protocol has to say, for a simulated one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedPair, SimulatedStep, SimulatedTrade


class Replies(NamedTuple):
    """What a client's message comes to: answers, and the streams that it subscribes and leaves."""

    answers: Sequence[str] = ()
    added: Sequence[str] = ()
    removed: Sequence[str] = ()


class Reply(NamedTuple):
    """Answer to a GET."""

    status: int
    body: Any


class Dialect(Protocol):
    """Frames and answers of one market. Stream names are those that clients subscribe.

    `notice` is what it says before it goes down, empty when it says nothing. A market that has more to it fulfils
    `ByUrl`, `Variants` or `Clocked` too.
    """

    market: str
    pairs: Sequence[SimulatedPair]
    notice: str

    def on_message(self, message: str) -> Replies:
        """What a client said."""
        ...

    def book(self, pair: SimulatedPair, made: SimulatedStep, *, wrong_checksum: bool) -> tuple[str, str]:
        """(stream, frame) of a step."""
        ...

    def begins(self, pair: SimulatedPair, book: SimulatedBook, stream: str) -> str | None:
        """What a subscription of a book's stream begins with; None when a snapshot has to be asked for."""
        ...

    def trade(self, pair: SimulatedPair, made: SimulatedTrade) -> tuple[str, str]: ...

    def others(self, pair: SimulatedPair, book: SimulatedBook, ts_ms: int) -> Sequence[tuple[str, str]]:
        """Best prices and statistics."""
        ...

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        """The answer to a request; `old`: a book as it was some steps ago.

        Raises:
            ValueError, KeyError, TypeError: parameters that make no sense, where the venue has no words for it.
        """
        ...


class Connection(Protocol):
    """One client of a market whose connections differ. `streams` are those that its URL asks for."""

    streams: Sequence[str]

    def on_message(self, message: str) -> Replies:
        """What the client said."""
        ...

    def framed(self, frame: str) -> str:
        """A push in the form that this connection has."""
        ...


class Alike:
    """A connection of a market whose connections are all the same. Fulfils `Connection`."""

    streams: Sequence[str] = ()

    def __init__(self, dialect: Dialect) -> None:
        self.on_message = dialect.on_message

    @staticmethod
    def framed(frame: str) -> str:
        """The frame as it is: this dialect wraps nothing."""
        return frame


@runtime_checkable
class ByUrl(Protocol):
    """Connections differ by their URL."""

    def opened(self, path: str, query: Mapping[str, str]) -> Connection | None:
        """What a new connection is; None: there is nothing at that path."""
        ...


@runtime_checkable
class Variants(Protocol):
    """Further streams that tell what `book` and `trade` tell: at another pace, in another form."""

    def books(self, pair: SimulatedPair, book: SimulatedBook, made: SimulatedStep) -> Sequence[tuple[str, str]]:
        """What is due now of the book's, after that step."""
        ...

    def trades(self, pair: SimulatedPair, made: SimulatedTrade) -> Sequence[tuple[str, str]]: ...


@runtime_checkable
class Clocked(Protocol):
    """Some answers tell the time; the server sets the venue's clock, milliseconds UTC."""

    now_ms: Callable[[], int]


def cannot_show(dialect: Dialect) -> dict[str, str]:
    """Faults that nobody could see on this market, and why. Its own frames tell."""
    if not dialect.pairs:
        return {}
    pair, made = dialect.pairs[0], SimulatedStep(1, 2, 0, 0, [("1", "1")], [("2", "1")])
    right, wrong = (dialect.book(pair, made, wrong_checksum=each) for each in (False, True))
    return {"checksum": "its books have none"} if right == wrong else {}


def begins_by_itself(dialect: Dialect) -> bool:
    """Whether the stream of a book begins with the book, so that the snapshots of REST are only compared with it."""
    if not dialect.pairs:
        return False
    pair = dialect.pairs[0]
    stream, _ = dialect.book(pair, SimulatedStep(1, 2, 0, 0, [], []), wrong_checksum=False)
    return dialect.begins(pair, SimulatedBook(pair, "any", levels=5), stream) is not None
