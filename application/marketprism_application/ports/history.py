"""Where rows of the past are had: a venue's own history, an archive of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import pyarrow as pa

from marketprism_domain.integrity.dataset import Dataset

VENUE_MISSING = "venue_missing"


class Bounds(NamedTuple):
    """Where rows can be: from the first one, and before `last`; nanoseconds UTC."""

    first: int
    last: int


class Part(NamedTuple):
    """A piece of a dataset that is fetched, stored and resumed as one: [ts_from, ts_to), whole units of storage but at
    the ends of what is asked for. `requests`: how many it takes at least, `weight` what they cost of the budget."""

    dataset: Dataset
    number: int
    ts_from: int
    ts_to: int
    requests: int = 1
    weight: float = 1.0


class RawPage(NamedTuple):
    """What came over the wire: which request or file it answers, its bytes, and their SHA-256."""

    name: str
    data: bytes
    sha256: str


class Hole(NamedTuple):
    """A time in which the source has no rows although there should be some; asked again before it was believed."""

    ts_from: int
    ts_to: int
    cause: str = VENUE_MISSING


class Fetched(NamedTuple):
    """The rows of a part in the columns of their kind, by their key, each once; `repeated` rows came more than once."""

    rows: pa.Table
    pages: Sequence[RawPage] = ()
    holes: Sequence[Hole] = ()
    requests: int = 1
    repeated: int = 0


class HistoryBudget(NamedTuple):
    """What may be asked: `rate` weights a second of the narrowest budget that a kind draws from (0: no limit), how long
    nothing is asked now because the source said so, how often it refused, and what was asked so far."""

    rate: float = 0.0
    waits_s: float = 0.0
    refused: int = 0
    requests: int = 0
    used: float = 0.0


class History(Protocol):
    """Rows of the past of one venue. `market` is the venue's row of the registry, `source` what rows are had of.

    Raises (everywhere):
        SourceError: away for too long, or an answer that is none. UnknownSymbolError: no such instrument; names the
            nearest. QueryError: a kind or an interval that there is not.
    """

    market: str
    source: str

    def kinds(self) -> Mapping[str, Sequence[str]]:
        """The kinds that can be had, each with its intervals, none where it has none."""
        ...

    async def bounds(self, symbol: str, kind: str, interval: str) -> Bounds:
        """Where rows of an instrument can be; asks the source, once for each instrument."""
        ...

    async def plan(self, dataset: Dataset) -> Sequence[Part]:
        """The parts of a dataset, numbered from 0, within its bounds and without what is not finished yet; none where
        nothing of it can be there."""
        ...

    async def fetch(self, part: Part) -> Fetched:
        """The rows of a part, all of them but for its holes. Waits as long as the source says, however long."""
        ...

    def budget(self, kind: str) -> HistoryBudget:
        """What may be asked of a kind now."""
        ...


__all__ = ["VENUE_MISSING", "Bounds", "Fetched", "History", "HistoryBudget", "Hole", "Part", "RawPage"]
