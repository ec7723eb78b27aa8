"""The download of one dataset: who fetches which part, and what is left to do."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from marketprism_application.contracts.download_records import (
    CLAIMED,
    DONE,
    FAILED,
    PLANNED,
    JobRecord,
    PartRecord,
)
from marketprism_application.errors import SourceError
from marketprism_application.ports.downloads import DownloadJournal, JournalConflict, Receipt, RowSink
from marketprism_application.ports.history import History, HistoryBudget, Hole, Part
from marketprism_domain.integrity.dataset import Dataset

MODES = ("missing", "all")
_LEASE_NS = 120_000_000_000
_LOOK_S = 0.5
_STORING = 2  # while one part is written through to the disk, the next one is fetched


@dataclass(frozen=True)
class Plan:
    """What a download is to do: its job, its parts, and what they cost. `resumed`: some of it was done before."""

    job: JobRecord
    parts: Sequence[PartRecord]
    budget: HistoryBudget
    resumed: bool = False

    @property
    def open(self) -> Sequence[PartRecord]:
        """The parts that are still to be fetched."""
        return [part for part in self.parts if part.state != DONE]

    @property
    def requests(self) -> int:
        """How many requests, or files, it takes at least."""
        return sum(part.requests for part in self.open)

    @property
    def seconds(self) -> float:
        """How long it takes at least, by the budget of the source."""
        return sum(part.weight for part in self.open) / self.budget.rate if self.budget.rate else 0.0


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


class Download:
    """One dataset from a history into a sink. Each part is claimed in the journal, fetched, stored, and then noted as
    done, in that order: whoever is killed anywhere in between leaves a part that is fetched again and replaced whole.

    `workers` parts are fetched at once, and as many are stored. `worker` names this process in the journal. `alone`: no
    other process takes part when it begins, so that claims of earlier ones are void at once; else they are after two
    minutes. `on_change` is called after every part.
    """

    def __init__(
        self,
        history: History,
        sink: RowSink,
        journal: DownloadJournal,
        *,
        worker: str = "one",
        workers: int = 4,
        alone: bool = True,
        on_change: Callable[[Progress], None] = lambda _: None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._history, self._sink, self._journal = history, sink, journal
        self._worker, self._workers, self._alone = worker, max(1, workers), alone
        self._on_change, self._now_ns = on_change, now_ns
        self._mine: set[int] = set()
        self._fetching = asyncio.Semaphore(self._workers)
        self.progress = Progress()

    async def plan(self, dataset: Dataset, mode: str = "missing", *, keep: bool = True) -> Plan:
        """What is to be done; an unfinished job of the same range goes on. `keep` False: nothing is written.

        Raises:
            QueryError, SourceError: as of `History`. StoreError: as of the ports.
        """
        history, job_id = self._history, job_name(dataset, self._history.source)
        budget = history.budget(dataset.kind)
        before = await self._journal.job(job_id)
        if before is not None:
            parts = [part for part, _ in await self._journal.parts(job_id)]
            if (before.ts_from, before.ts_to, before.mode) == (dataset.ts_from, dataset.ts_to, mode):
                return Plan(before, [await self._checked(dataset, part) for part in parts], budget, resumed=True)
            if keep:  # another range is asked for now: what was done of the former one counts
                await self._finish(dataset, parts)
        bounds = await history.bounds(dataset.symbol, dataset.kind, dataset.interval)
        ranges = [(dataset.ts_from, dataset.ts_to)] if mode == "all" else await self._sink.missing(dataset)
        found: list[PartRecord] = []
        for ts_from, ts_to in ranges:
            wanted = Dataset(dataset.kind, dataset.venue, dataset.symbol, dataset.interval, ts_from, ts_to)
            found += [
                PartRecord(len(found) + each.number, each.ts_from, each.ts_to, PLANNED, each.requests, each.weight)
                for each in await history.plan(wanted)
            ]
        job = JobRecord(
            job_id,
            dataset.kind,
            dataset.venue,
            dataset.symbol,
            dataset.interval,
            dataset.ts_from,
            dataset.ts_to,
            history.source,
            mode,
            len(found),
            *bounds,
        )
        if keep:
            await self._journal.begin(job, found)
        return Plan(job, found, budget)

    async def run(self, dataset: Dataset, plan: Plan) -> Progress:
        """Fetch and store what is left of a plan. Parts that fail are named; run again, they are tried again.

        Raises:
            StoreError: the sink or the journal does not work any more.
        """
        job_id = plan.job.id
        await self._look(dataset, job_id)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_STORING * self._workers):
                    group.create_task(self._work(dataset, job_id))
        except BaseExceptionGroup as errors:
            found: BaseException = errors
            while isinstance(found, BaseExceptionGroup):
                found = found.exceptions[0]
            raise found from errors
        parts = [part for part, _ in await self._journal.parts(job_id)]
        await self._finish(dataset, parts)
        self._count(parts)
        if self.progress.is_complete:
            await self._journal.end(job_id)
        return self.progress

    async def _look(self, dataset: Dataset, job_id: str) -> None:
        """What is noted as done and lost since is fetched again, as is what failed or was left in the middle."""
        for part, revision in await self._journal.parts(job_id):
            checked = await self._checked(dataset, part)
            abandoned = part.state == CLAIMED and (self._alone or part.worker == self._worker)
            if checked != part or part.state == FAILED or abandoned:
                again = msgspec.structs.replace(checked, state=PLANNED, error="")
                await self._try_write(job_id, again, revision)
        self._count([part for part, _ in await self._journal.parts(job_id)])

    async def _checked(self, dataset: Dataset, part: PartRecord) -> PartRecord:
        if part.state == DONE and not await self._sink.holds(_part(dataset, part), part.receipt):
            return PartRecord(part.number, part.ts_from, part.ts_to, PLANNED, part.requests, part.weight)
        return part

    async def _work(self, dataset: Dataset, job_id: str) -> None:
        while True:
            claimed, waits = await self._claim(job_id)
            if claimed is not None:
                await self._fetch(dataset, job_id, *claimed)
            elif waits:
                await asyncio.sleep(_LOOK_S)
            else:
                return

    async def _claim(self, job_id: str) -> tuple[tuple[PartRecord, int] | None, bool]:
        """A part to fetch and its revision; without one, whether another process still has some."""
        waits = False
        for part, revision in await self._journal.parts(job_id):
            if part.state in (DONE, FAILED) or part.number in self._mine:
                continue
            held = part.state == CLAIMED and part.worker != self._worker
            if held and self._now_ns() - part.claimed_at < _LEASE_NS:
                waits = True
                continue
            self._mine.add(part.number)
            claim = msgspec.structs.replace(part, state=CLAIMED, worker=self._worker, claimed_at=self._now_ns())
            written = await self._try_write(job_id, claim, revision)
            if written:
                return (claim, written), True
            self._mine.discard(part.number)
            waits = True
        return None, waits

    async def _fetch(self, dataset: Dataset, job_id: str, claim: PartRecord, revision: int) -> None:
        part = _part(dataset, claim)
        try:
            async with self._fetching:
                fetched = await self._history.fetch(part)
        except SourceError as error:
            ended = msgspec.structs.replace(claim, state=FAILED, error=str(error)[:500])
        else:
            receipt = await self._sink.write(part, fetched)
            ended = msgspec.structs.replace(
                claim,
                state=DONE,
                rows=fetched.rows.num_rows,
                repeated=fetched.repeated,
                requests=fetched.requests,
                holes=[tuple(hole) for hole in fetched.holes],
                receipt=receipt,
                error="",
            )
        # Whoever took it over meanwhile stores the same rows, and notes it.
        await self._try_write(job_id, ended, revision)
        self._mine.discard(claim.number)
        self._count([each for each, _ in await self._journal.parts(job_id)])
        self._on_change(self.progress)

    async def _try_write(self, job_id: str, part: PartRecord, revision: int) -> int:
        """The new revision, 0 where somebody else was first."""
        try:
            return await self._journal.write(job_id, part, revision)
        except JournalConflict:
            return 0

    def _count(self, parts: Sequence[PartRecord]) -> None:
        done = [part for part in parts if part.state == DONE]
        progress = self.progress
        progress.parts, progress.done = len(parts), len(done)
        progress.rows, progress.requests = sum(part.rows for part in done), sum(part.requests for part in done)
        progress.repeated = sum(part.repeated for part in done)
        progress.holes = [Hole(*hole) for part in done for hole in part.holes]
        progress.failed = [part for part in parts if part.state == FAILED]

    async def _finish(self, dataset: Dataset, parts: Sequence[PartRecord]) -> None:
        done = [Receipt(part, part.receipt) for part in parts if part.state == DONE]
        if done:
            await self._sink.finish(dataset, self._history.source, done)


def job_name(dataset: Dataset, source: str) -> str:
    """The name of the job of a series: the same whatever range of it is asked for."""
    text = "/".join((dataset.kind, dataset.venue, dataset.symbol, dataset.interval, source))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _part(dataset: Dataset, part: PartRecord) -> Part:
    return Part(dataset, part.number, part.ts_from, part.ts_to, part.requests, part.weight)


__all__ = ["MODES", "Download", "Plan", "Progress", "job_name"]
