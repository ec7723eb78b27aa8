"""`SyncMarketClient.data`: the methods of `MarketClient.data` for callers without an event loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from marketprism_application.contracts.data_answers import (
    BarRevisionShown,
    CheckReport,
    CoverageShown,
    RankedInstrument,
    RepairReport,
    StoredSeriesShown,
    Verdicts,
)
from marketprism_application.contracts.data_jobs import JobShown, JobStage
from marketprism_client._data import Data
from marketprism_client._data_job import DataJob
from marketprism_client._history import Names
from marketprism_client._loop_thread import LoopThread
from marketprism_client._sync_history import pages_of
from marketprism_client._times import Time


class SyncDataJob:
    """A job; methods and errors are those of `DataJob`, and `for state in job.progress()` follows it."""

    def __init__(self, loop: LoopThread, job: DataJob) -> None:
        self._loop = loop
        self.job = job

    def __repr__(self) -> str:
        return f"Sync{self.job!r}"

    @property
    def id(self) -> str:
        """The job's name, by which `market.data.job(id)` finds it again."""
        return self.job.id

    @property
    def shown(self) -> JobShown:
        """Where it was when it was last asked for."""
        return self.job.shown

    @property
    def stage(self) -> JobStage:
        """Where it was when it was last asked for."""
        return self.job.stage

    def refresh(self) -> JobShown:
        """Where it is now, with its series."""
        return self._loop.run(self.job.refresh())

    def progress(self, *, every_s: float | None = None) -> Iterator[JobShown]:
        """Where it is, whenever that has changed; the last one is how it ended."""
        return pages_of(self._loop, self.job.progress(every_s=every_s))

    def wait(self, *, timeout_s: float | None = None) -> JobShown:
        """How it ended, with its series; raises as `DataJob.wait`."""
        return self._loop.run(self.job.wait(timeout_s=timeout_s))

    def cancel(self) -> JobShown:
        """End it; what it has done stays."""
        return self._loop.run(self.job.cancel())


Check = SyncDataJob | CheckReport | str


class SyncData:
    """Work of the data service; arguments and errors are those of `Data`."""

    def __init__(self, loop: LoopThread, data: Data) -> None:
        self._loop = loop
        self._data = data

    def download(
        self,
        symbol: Names = (),
        start: Time = None,
        end: Time = None,
        *,
        venue: str,
        kind: str = "",
        interval: str = "",
        pattern: str = "",
        mode: str = "missing",
        source: str = "auto",
        confirm: bool = False,
    ) -> SyncDataJob:
        """Fetch rows of the past into the store: klines of 1m unless another `kind` or `interval` is given."""
        return self._job(
            self._loop.run(
                self._data.download(
                    symbol,
                    start,
                    end,
                    venue=venue,
                    kind=kind,
                    interval=interval,
                    pattern=pattern,
                    mode=mode,
                    source=source,
                    confirm=confirm,
                )
            )
        )

    def start_check(
        self,
        symbol: Names = (),
        start: Time = None,
        end: Time = None,
        *,
        venue: str = "",
        kind: str = "",
        interval: str = "",
        pattern: str = "",
        witnesses: Sequence[str] = (),
        dense: bool | None = None,
        alignment: str = "",
        confirm: bool = False,
    ) -> SyncDataJob:
        """Begin a check and do not wait; `report(id)` has what it found."""
        return self._job(
            self._loop.run(
                self._data.start_check(
                    symbol,
                    start,
                    end,
                    venue=venue,
                    kind=kind,
                    interval=interval,
                    pattern=pattern,
                    witnesses=witnesses,
                    dense=dense,
                    alignment=alignment,
                    confirm=confirm,
                )
            )
        )

    def check(
        self,
        symbol: Names = (),
        start: Time = None,
        end: Time = None,
        *,
        venue: str = "",
        kind: str = "",
        interval: str = "",
        pattern: str = "",
        witnesses: Sequence[str] = (),
        dense: bool | None = None,
        alignment: str = "",
        confirm: bool = False,
    ) -> CheckReport:
        """What is wrong with stored series; waits for the job."""
        return self._loop.run(
            self._data.check(
                symbol,
                start,
                end,
                venue=venue,
                kind=kind,
                interval=interval,
                pattern=pattern,
                witnesses=witnesses,
                dense=dense,
                alignment=alignment,
                confirm=confirm,
            )
        )

    def report(self, check: Check) -> CheckReport:
        """What a check found, once it has ended."""
        return self._loop.run(self._data.report(_of(check)))

    def recheck(self, check: Check, *, witnesses: Sequence[str] = ()) -> Verdicts:
        """Ask witnesses about every defect of a check, and wait."""
        return self._loop.run(self._data.recheck(_of(check), witnesses=witnesses))

    def start_recheck(self, check: Check, *, witnesses: Sequence[str] = ()) -> SyncDataJob:
        """Begin to ask witnesses and do not wait; `verdicts(check)` has what they say."""
        return self._job(self._loop.run(self._data.start_recheck(_of(check), witnesses=witnesses)))

    def verdicts(self, check: Check) -> Verdicts:
        """Whose the defects of a check are, as the last recheck has judged."""
        return self._loop.run(self._data.verdicts(_of(check)))

    def repair(self, check: Check, *, dry_run: bool = False) -> RepairReport:
        """Repair what a check found, as far as it is ours, and prove it; a dry run only plans."""
        return self._loop.run(self._data.repair(_of(check), dry_run=dry_run))

    def start_repair(self, check: Check, *, dry_run: bool = False) -> SyncDataJob:
        """Begin a repair and do not wait; `repaired(id)` has what it did."""
        return self._job(self._loop.run(self._data.start_repair(_of(check), dry_run=dry_run)))

    def repaired(self, repair: SyncDataJob | RepairReport | str) -> RepairReport:
        """What a repair did so far: plan, before and after, revisions, by series."""
        return self._loop.run(self._data.repaired(repair.job if isinstance(repair, SyncDataJob) else repair))

    def imports(
        self,
        path: str,
        *,
        venue: str = "",
        symbol: str = "",
        interval: str = "",
        kind: str = "",
        mapping: Mapping[str, str] | None = None,
        contract_size: str = "",
        replace: bool = False,
        dry_run: bool = False,
        simulated: bool = False,
    ) -> SyncDataJob:
        """Store the rows of a file on the service's own machine, below its `data.import_folder`. A store of real rows
        takes none that are `simulated` (MIXED_DATA), and the reverse."""
        return self._job(
            self._loop.run(
                self._data.imports(
                    path,
                    venue=venue,
                    symbol=symbol,
                    interval=interval,
                    kind=kind,
                    mapping=mapping,
                    contract_size=contract_size,
                    replace=replace,
                    dry_run=dry_run,
                    simulated=simulated,
                )
            )
        )

    def exports(
        self,
        symbol: Names = (),
        start: Time = None,
        end: Time = None,
        *,
        target: str,
        folder: str,
        venue: str = "",
        kind: str = "",
        interval: str = "",
        pattern: str = "",
    ) -> SyncDataJob:
        """Write stored rows as files below the service's `data.export_folder`."""
        return self._job(
            self._loop.run(
                self._data.exports(
                    symbol,
                    start,
                    end,
                    target=target,
                    folder=folder,
                    venue=venue,
                    kind=kind,
                    interval=interval,
                    pattern=pattern,
                )
            )
        )

    def jobs(self, *, action: str = "", state: str = "", limit: int = 100) -> list[JobShown]:
        """The newest jobs, without their series; those of one action or state only."""
        return self._loop.run(self._data.jobs(action=action, state=state, limit=limit))

    def job(self, job_id: str) -> SyncDataJob:
        """A job by its id. Raises QueryFailed: NOT_FOUND."""
        return self._job(self._loop.run(self._data.job(job_id)))

    def cancel(self, job: SyncDataJob | str) -> JobShown:
        """End a job; what it has done stays."""
        return self._loop.run(self._data.cancel(job.id if isinstance(job, SyncDataJob) else job))

    def coverage(
        self,
        symbol: str,
        start: Time = None,
        end: Time = None,
        *,
        venue: str = "",
        kind: str = "",
        interval: str = "",
    ) -> CoverageShown:
        """How much of a series is there, by trading day (400 at most) and as ranges."""
        return self._loop.run(self._data.coverage(symbol, start, end, venue=venue, kind=kind, interval=interval))

    def series(self, pattern: str = "", *, venue: str = "", limit: int = 0) -> list[StoredSeriesShown]:
        """Stored series whose symbol fits a pattern, by name; all of them, or the first `limit`."""
        return self._loop.run(self._data.series(pattern, venue=venue, limit=limit))

    def revisions(
        self, symbol: str, at: Time, *, venue: str = "", kind: str = "", interval: str = ""
    ) -> list[BarRevisionShown]:
        """Every revision of the bar that opens `at` a time, the first one first."""
        return self._loop.run(self._data.revisions(symbol, at, venue=venue, kind=kind, interval=interval))

    def universe(
        self, *, rank: str = "change", day: str = "", top: int = 10, venue: str = ""
    ) -> list[RankedInstrument]:
        """The first instruments of a day by `rank` change, volume or turnover."""
        return self._loop.run(self._data.universe(rank=rank, day=day, top=top, venue=venue))

    def _job(self, job: DataJob) -> SyncDataJob:
        return SyncDataJob(self._loop, job)


def _of(check: Check) -> DataJob | CheckReport | str:
    return check.job if isinstance(check, SyncDataJob) else check


__all__ = ["SyncData", "SyncDataJob"]
