"""What a venue's history is: which rows of the past it answers, how many at once, and at what cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from marketprism_application.venues.protocol import RestRequest, Venue

GRID, IDS, EVENTS, LISTED = "grid", "ids", "events", "listed"


class HistoryKind(NamedTuple):
    """How rows of a kind are had.

    `path` is the venue's name of the request. `form`: `grid`, a row for each step of time (its interval, or `step_s`);
    `ids`, rows with numbers without holes;
    `events`, rows at no fixed times, at most one an hour; `listed`, the instrument list. `page`: rows of an answer at
    most; `weight` what it costs of `budget`. `dense`: the venue makes a row for each step, also of one without a trade.
    `back_s`: how far back it answers, 0 to the first row. `window_s`: the longest time of one request, 0 any.
    """

    form: str
    path: str
    page: int
    weight: float = 1.0
    budget: str = "rest"
    intervals: Sequence[str] = ()
    step_s: int = 0
    dense: bool = True
    back_s: int = 0
    window_s: int = 0
    suffix: str = ""  # of the symbols that have it


class VenueHistory(Protocol):
    """The requests of one market's history; its answers are read as all answers of the venue are. It does no I/O.

    `newest_first`: a page of trades by time is the end of that time, not its begin. `busy`: words of refusals that mean
    that too much was asked.
    """

    newest_first: bool
    busy: Sequence[str]

    @property
    def venue(self) -> Venue: ...

    @property
    def kinds(self) -> Mapping[str, HistoryKind]: ...

    def page_request(self, kind: str, symbol: str, interval: str, ts_from: int, ts_to: int) -> RestRequest:
        """What brings the rows of [ts_from, ts_to), as many as a page holds."""
        ...

    def trades_by_time(self, symbol: str, ts_from: int, ts_to: int) -> RestRequest:
        """What brings trades of [ts_from, ts_to), the first ones, or the last ones where pages are `newest_first`."""
        ...


class ArchiveLayout(Protocol):
    """Where the files of a market's public archive lie, relative to its root, each beside its `.CHECKSUM`."""

    @property
    def kinds(self) -> Mapping[str, Sequence[str]]: ...

    def path(self, kind: str, symbol: str, interval: str, period: str) -> str:
        """Of a month (`2024-01`) or a day (`2024-01-31`); empty where a kind has no files of such a length."""
        ...

    def contract_size(self, symbol: str) -> Decimal | None:
        """What a contract is worth where files count contracts; None where they count amounts."""
        ...


__all__ = ["EVENTS", "GRID", "IDS", "LISTED", "ArchiveLayout", "HistoryKind", "VenueHistory"]
