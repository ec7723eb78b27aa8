"""Where downloaded rows go, and where it is written how far a download is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from marketprism_application.contracts.download_records import JobRecord, PartRecord
from marketprism_application.ports.history import Fetched, Hole, Part
from marketprism_domain.integrity.dataset import Dataset


class Receipt(NamedTuple):
    """What a sink wrote about the rows of a part, with what is known of them; `text` only the sink understands."""

    part: PartRecord
    text: str


class RowSink(Protocol):
    """Rows of a series at rest, part by part.

    Raises (everywhere):
        StoreError: away, full or refusing.
    """

    async def missing(self, dataset: Dataset) -> Sequence[tuple[int, int]]:
        """The ranges of a dataset that have to be fetched, in order: those that are not stored, made wider where rows
        can only be replaced together."""
        ...

    async def write(self, part: Part, fetched: Fetched) -> str:
        """Store the rows of a part in the place of all that was stored for it, durably when this returns; the receipt.
        Doing it twice is doing it once."""
        ...

    async def holds(self, part: Part, receipt: str) -> bool:
        """Whether what a receipt is about is still there."""
        ...

    async def finish(self, dataset: Dataset, source: str, receipts: Sequence[Receipt]) -> None:
        """Make the rows of these parts known to readers as stored; those of earlier downloads stay."""
        ...

    async def holes(self, dataset: Dataset) -> Sequence[Hole]:
        """Known holes of what is stored of a dataset."""
        ...


class DownloadedRange(NamedTuple):
    """A range of a series that was downloaded whole: how many rows it has, the time of the first one and of the last
    one, which are 0 where it has none."""

    ts_from: int
    ts_to: int
    rows: int = 0
    first: int = 0
    last: int = 0


class DownloadedRanges(Protocol):
    """Which ranges of a series were downloaded: of kinds whose rows come at no fixed times nothing else tells a time
    without rows from one that nobody has asked about.

    Raises (everywhere):
        StoreError: away or unreadable.
    """

    async def ranges(self, dataset: Dataset) -> Sequence[DownloadedRange]:
        """Those of the series of a dataset, whatever its range, apart from one another and in order."""
        ...

    async def add(self, dataset: Dataset, ranges: Sequence[DownloadedRange]) -> None:
        """These were downloaded, durably when this returns. An earlier one that overlaps one of them without having
        all of it is known no more: its rows cannot be told apart."""
        ...


class JournalConflict(Exception):
    """Somebody else wrote the record in the meantime."""


class DownloadJournal(Protocol):
    """How far each part of a job is, durably; every write is a compare-and-swap, so that processes can share a job.

    Raises (everywhere):
        StoreError: away or unreadable.
    """

    async def job(self, job_id: str) -> JobRecord | None:
        """The unfinished job of that name, None where there is none."""
        ...

    async def state(self, job_id: str) -> str:
        """A word for what is written of a job, another one after each begin and each end of it."""
        ...

    async def begin(self, job: JobRecord, parts: Sequence[PartRecord], state: str | None = None) -> None:
        """Write a job with all of its parts, in the place of what was written of it; with a state, only of a job that
        is in it still. Raises JournalConflict."""
        ...

    async def parts(self, job_id: str) -> Sequence[tuple[PartRecord, int]]:
        """The parts of a job by their number, each with its revision; as they ended, of one that is finished."""
        ...

    async def part(self, job_id: str, number: int) -> tuple[PartRecord, int] | None:
        """One of them, None where there is none of that number."""
        ...

    async def write(self, job_id: str, part: PartRecord, revision: int) -> int:
        """Write a part over that revision of it; the new one. Raises JournalConflict."""
        ...

    async def end(self, job_id: str) -> None:
        """A job is finished: nothing is written of it any more, and the next one of its name begins anew."""
        ...


__all__ = ["DownloadJournal", "DownloadedRange", "DownloadedRanges", "JournalConflict", "Receipt", "RowSink"]
