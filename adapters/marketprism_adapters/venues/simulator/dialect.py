"""What a venue's protocol has to say, for a simulated one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from marketprism_adapters.venues.simulator.market import Made, Print, SimulatedBook, SimulatedPair


class Said(NamedTuple):
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

    `notice` is what it says before it goes down, empty when it says nothing.
    """

    market: str
    pairs: Sequence[SimulatedPair]
    notice: str

    def heard(self, message: str) -> Said:
        """What a client said."""
        ...

    def book(self, pair: SimulatedPair, made: Made, *, wrong_checksum: bool) -> tuple[str, str]:
        """(stream, frame) of a step."""
        ...

    def begins(self, pair: SimulatedPair, book: SimulatedBook, stream: str) -> str | None:
        """What a subscription of a book's stream begins with; None when a snapshot has to be asked for."""
        ...

    def trade(self, pair: SimulatedPair, made: Print) -> tuple[str, str]: ...

    def others(self, pair: SimulatedPair, book: SimulatedBook, ts_ms: int) -> Sequence[tuple[str, str]]:
        """Best prices and statistics."""
        ...

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        """The answer to a request; `old`: a book as it was some steps ago."""
        ...
