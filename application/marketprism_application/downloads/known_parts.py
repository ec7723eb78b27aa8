"""Parts of a download as one process knows them: what it last read or wrote, and how far they are together.

A journal of twenty thousand parts is read whole when a download begins, and again when nothing is left to claim; in
between only the part that somebody else was quicker with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from marketprism_application.contracts.download_records import DONE, FAILED, PartRecord
from marketprism_application.ports.downloads import DownloadJournal, JournalConflict
from marketprism_application.ports.history import Hole


@dataclass
class Progress:
    """How far a download is. `holes` are those that the source really has, `failed` the parts that were given up."""

    parts: int = 0
    done: int = 0
    rows: int = 0
    requests: int = 0
    repeated: int = 0
    holes: list[Hole] = field(default_factory=list)
    failed: list[PartRecord] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every part is stored."""
        return self.done == self.parts

    def add(self, part: PartRecord) -> None:
        """Count a part that has ended."""
        if part.state == FAILED:
            self.failed.append(part)
        if part.state != DONE:
            return
        self.done += 1
        self.rows += part.rows
        self.requests += part.requests
        self.repeated += part.repeated
        self.holes += [Hole(*hole) for hole in part.holes]


class KnownParts:
    """The parts of one job. `progress` is the object that is given, and stays it."""

    def __init__(self, journal: DownloadJournal, job_id: str, progress: Progress) -> None:
        self._journal, self._job_id, self._progress = journal, job_id, progress
        self._parts: dict[int, tuple[PartRecord, int]] = {}

    def __iter__(self) -> Iterator[PartRecord]:
        return (part for part, _ in self._parts.values())

    def __getitem__(self, number: int) -> tuple[PartRecord, int]:
        return self._parts[number]

    @property
    def open(self) -> list[PartRecord]:
        """Parts that have not ended, by their number."""
        return [part for part in self if part.state not in (DONE, FAILED)]

    async def read(self) -> None:
        """All of them anew."""
        self._parts = {part.number: (part, revision) for part, revision in await self._journal.parts(self._job_id)}
        self._count()

    async def look(self, number: int) -> PartRecord | None:
        """One of them anew."""
        found = await self._journal.part(self._job_id, number)
        if found is None:
            self._parts.pop(number, None)
            self._count()
            return None
        self._note(*found)
        return found[0]

    async def write(self, part: PartRecord, revision: int) -> int:
        """Write a part over that revision of it; the new one, 0 where somebody else was first."""
        try:
            written = await self._journal.write(self._job_id, part, revision)
        except JournalConflict:
            await self.look(part.number)
            return 0
        self._note(part, written)
        return written

    def _note(self, part: PartRecord, revision: int) -> None:
        before = self._parts.get(part.number)
        self._parts[part.number] = part, revision
        if before is None or before[0].state in (DONE, FAILED):
            self._count()
        else:
            self._progress.add(part)

    def _count(self) -> None:
        fresh = Progress(len(self._parts))
        for part in self:
            fresh.add(part)
        vars(self._progress).update(vars(fresh))

    def ended(self) -> Sequence[PartRecord]:
        """Those that are stored."""
        return [part for part in self if part.state == DONE]


__all__ = ["KnownParts", "Progress"]
