"""The download of one dataset: who fetches which part, and what is left to do."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from marketprism_application.contracts.download_records import (
    CLAIMED,
    DONE,
    FAILED,
    PLANNED,
    JobRecord,
    PartRecord,
)
from marketprism_application.downloads.known_parts import KnownParts, Progress
from marketprism_application.errors import SourceError
from marketprism_application.ports.downloads import DownloadJournal, JournalConflict, Receipt, RowSink
from marketprism_application.ports.history import History, HistoryBudget, Part
from marketprism_domain.integrity.dataset import Dataset

MODES = ("missing", "all")
_LEASE_NS = 120_000_000_000
_RENEW_S = 30.0
_LOOK_S = 0.5
_SHARED_LOOK_S = 5.0  # how often what others have done is counted
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


class Download:
    """One dataset from a history into a sink. Each part is claimed in the journal, fetched, stored, and then noted as
    done, in that order: whoever is killed anywhere in between leaves a part that is fetched again and replaced whole.

    `workers` parts are fetched at once, and as many are stored. `worker` names this process in the journal. `alone`: no
    other process takes part when it begins, so that claims of earlier ones are void at once; else they are after two
    minutes in which they were not renewed. `on_change` is called after every part.
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
        renew_s: float = _RENEW_S,
    ) -> None:
        self._history, self._sink, self._journal = history, sink, journal
        self._worker, self._workers, self._alone = worker, max(1, workers), alone
        self._on_change, self._now_ns, self._renew_s = on_change, now_ns, renew_s
        self._mine: set[int] = set()
        self._waiting: deque[int] = deque()  # parts that look as if they could be claimed
        self._shared = False
        self._read_at = 0.0
        self._fetching = asyncio.Semaphore(self._workers)
        self._looking = asyncio.Lock()
        self.progress = Progress()
        self._known = KnownParts(journal, "", self.progress)

    async def plan(self, dataset: Dataset, mode: str = "missing", *, keep: bool = True) -> Plan:
        """What is to be done; an unfinished job of the same range goes on. `keep` False: nothing is written.

        Raises:
            QueryError, SourceError: as of `History`. StoreError: as of the ports.
        """
        history, job_id = self._history, job_name(dataset, self._history.source)
        budget = history.budget(dataset.kind)
        while True:
            state = await self._journal.state(job_id)
            before = await self._journal.job(job_id)
            if before is not None:
                parts = [part for part, _ in await self._journal.parts(job_id)]
                if (before.ts_from, before.ts_to, before.mode) == (dataset.ts_from, dataset.ts_to, mode):
                    return Plan(before, [await self._checked(dataset, part) for part in parts], budget, resumed=True)
                if keep:  # another range is asked for now: what was done of the former one counts
                    await self._finish(dataset, parts)
            job, found = await self._cut(dataset, mode, job_id)
            if not keep:
                return Plan(job, found, budget)
            try:
                await self._journal.begin(job, found, state)
            except JournalConflict:
                continue  # somebody else has begun it or ended it meanwhile: what is missing is another question now
            return Plan(job, found, budget)

    async def _cut(self, dataset: Dataset, mode: str, job_id: str) -> tuple[JobRecord, list[PartRecord]]:
        """The job of a dataset and its parts, as they have to be fetched now."""
        history = self._history
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
        return job, found

    async def run(self, dataset: Dataset, plan: Plan) -> Progress:
        """Fetch and store what is left of a plan. Parts that fail are named; run again, they are tried again.

        Raises:
            StoreError: the sink or the journal does not work any more.
        """
        self._known = KnownParts(self._journal, plan.job.id, self.progress)
        await self._look(dataset)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_STORING * self._workers):
                    group.create_task(self._work(dataset))
        except BaseExceptionGroup as errors:
            found: BaseException = errors
            while isinstance(found, BaseExceptionGroup):
                found = found.exceptions[0]
            raise found from errors
        await self._known.read()
        await self._finish(dataset, self._known.ended())
        if self.progress.is_complete:
            await self._journal.end(plan.job.id)
        return self.progress

    async def _look(self, dataset: Dataset) -> None:
        """What is noted as done and lost since is fetched again, as is what failed or was left in the middle."""
        await self._known.read()
        for part in list(self._known):
            checked = await self._checked(dataset, part)
            abandoned = part.state == CLAIMED and (self._alone or part.worker == self._worker)
            if checked != part or part.state == FAILED or abandoned:
                again = msgspec.structs.replace(checked, state=PLANNED, error="")
                await self._known.write(again, self._known[part.number][1])
        self._waiting = deque(part.number for part in self._known.open)
        self._read_at = time.monotonic()

    async def _checked(self, dataset: Dataset, part: PartRecord) -> PartRecord:
        if part.state == DONE and not await self._sink.holds(_part(dataset, part), part.receipt):
            return PartRecord(part.number, part.ts_from, part.ts_to, PLANNED, part.requests, part.weight)
        return part

    async def _work(self, dataset: Dataset) -> None:
        while True:
            claimed, waits = await self._claim()
            if claimed is not None:
                await self._fetch(dataset, *claimed)
            elif waits:
                await asyncio.sleep(_LOOK_S)
            else:
                return

    async def _claim(self) -> tuple[tuple[PartRecord, int] | None, bool]:
        """A part to fetch and its revision; without one, whether another process still has some."""
        if self._shared and time.monotonic() - self._read_at > _SHARED_LOOK_S:
            await self._look_again()
        while self._waiting:
            number = self._waiting.popleft()
            part, revision = self._known[number]
            if not self._may_claim(part):
                continue
            self._mine.add(number)
            claim = msgspec.structs.replace(part, state=CLAIMED, worker=self._worker, claimed_at=self._now_ns())
            written = await self._known.write(claim, revision)
            if written:
                return (claim, written), True
            self._mine.discard(number)
            self._shared = True
        if await self._look_again():
            return None, True
        return None, any(part.number not in self._mine for part in self._known.open)

    def _may_claim(self, part: PartRecord) -> bool:
        if part.state in (DONE, FAILED) or part.number in self._mine:
            return False
        held = part.state == CLAIMED and part.worker != self._worker
        return not held or self._now_ns() - part.claimed_at >= _LEASE_NS

    async def _look_again(self) -> bool:
        """Read all parts anew, one task for all of them; whether some can be claimed."""
        async with self._looking:
            if not self._waiting and time.monotonic() - self._read_at >= _LOOK_S / 2:
                await self._known.read()
                self._read_at = time.monotonic()
                self._waiting = deque(part.number for part in self._known.open if self._may_claim(part))
            return bool(self._waiting)

    async def _fetch(self, dataset: Dataset, claim: PartRecord, revision: int) -> None:
        part = _part(dataset, claim)
        held = _Held(claim, revision)
        holding = asyncio.get_running_loop().create_task(self._hold(held))
        try:
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
        finally:
            holding.cancel()
            with suppress(asyncio.CancelledError):
                await holding
        # Whoever took it over meanwhile stores the same rows, and notes it.
        await self._known.write(ended, held.revision)
        self._mine.discard(claim.number)
        self._on_change(self.progress)

    async def _hold(self, held: _Held) -> None:
        """Say now and then that a part that takes long is still fetched."""
        while True:
            await asyncio.sleep(self._renew_s)
            claim = msgspec.structs.replace(held.claim, claimed_at=self._now_ns())
            writing = asyncio.ensure_future(self._known.write(claim, held.revision))
            try:
                revision = await asyncio.shield(writing)
            except asyncio.CancelledError:
                held.revision = await writing or held.revision
                raise
            if not revision:
                return  # it was taken over
            held.revision = revision

    async def _finish(self, dataset: Dataset, parts: Sequence[PartRecord]) -> None:
        done = [Receipt(part, part.receipt) for part in parts if part.state == DONE]
        if done:
            await self._sink.finish(dataset, self._history.source, done)


@dataclass
class _Held:
    """A claim that is worth something as long as it is renewed, and its revision."""

    claim: PartRecord
    revision: int


def job_name(dataset: Dataset, source: str) -> str:
    """The name of the job of a series: the same whatever range of it is asked for."""
    text = "/".join((dataset.kind, dataset.venue, dataset.symbol, dataset.interval, source))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _part(dataset: Dataset, part: PartRecord) -> Part:
    return Part(dataset, part.number, part.ts_from, part.ts_to, part.requests, part.weight)


__all__ = ["MODES", "Download", "Plan", "Progress", "job_name"]
