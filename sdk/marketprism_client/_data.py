"""`MarketClient.data`: downloads, checks, repairs, imports and exports, which the data service does as jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from marketprism_application.contracts.data_answers import (
    BarRevisionShown,
    CheckReport,
    CoverageShown,
    RankedInstrument,
    RepairReport,
    SeriesReport,
    StoredSeriesShown,
    Verdicts,
)
from marketprism_application.contracts.data_jobs import JobShown, JobStage
from marketprism_client._data_job import DataJob, DataJobFailed, Requests
from marketprism_client._history import Names
from marketprism_client._names import names_of
from marketprism_client._session import Session
from marketprism_client._times import Time

_PAGE = 1_000


class Data:
    """Work of the data service. A job goes on whether anybody waits for it or not, and whoever is killed.

    All raise QueryFailed: a field is wrong, there is no such job, or a job failed (`DataJobFailed`); NoResponders,
    DeadlineExceeded, NotConnected (marketprism_sdk.errors): no data service answers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._requests = Requests(session)

    # -- work --------------------------------------------------------------------------------------------------------

    async def download(
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
    ) -> DataJob:
        """Fetch rows of the past into the store: klines of 1m unless another `kind` or `interval` is given. `mode`
        missing or all; `source` auto, rest or archive; a `pattern` in the place of names is looked for in the venue's
        list."""
        wanted = self._series(symbol, start, end, venue, kind, interval, pattern, confirm=confirm)
        return await self._begun("downloads", {**wanted, "mode": mode, "source": source})

    async def start_check(
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
    ) -> DataJob:
        """Begin a check and do not wait; `report(id)` has what it found."""
        wanted = self._series(symbol, start, end, venue, kind, interval, pattern, confirm=confirm)
        more = {"witnesses": list(witnesses), "dense": dense, "alignment": alignment}
        return await self._begun("checks", {**wanted, **more})

    async def check(
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
        """What must be there of stored series and is not, is doubled, impossible or differs from a witness (daily,
        kline, trade, ticks). Waits for the job.

        Raises:
            DataJobFailed: no series could be checked.
        """
        job = await self.start_check(
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
        return await self.report(job)

    async def report(self, check: DataJob | CheckReport | str) -> CheckReport:
        """What a check found, once it has ended. Raises as `check`."""
        job = check if isinstance(check, DataJob) else await self.job(_id_of(check))
        async for _ in job.progress():
            pass
        tasks = job.shown.series
        done = [each for each in tasks if each.stage is JobStage.DONE]
        if job.stage is not JobStage.DONE and not done:
            raise DataJobFailed(job.shown)
        reports = [
            await self._requests.asked("report", {"id": job.id, "number": each.number, "format": "json"}, SeriesReport)
            for each in done
        ]
        failed = [each for each in tasks if each.stage is not JobStage.DONE]
        return CheckReport(job=job.shown, series=tuple(reports), failed=tuple(failed))

    async def recheck(self, check: DataJob | CheckReport | str, *, witnesses: Sequence[str] = ()) -> Verdicts:
        """Ask witnesses about every defect of a check, all that can be asked unless some are named, and wait.

        Raises:
            DataJobFailed: it failed.
        """
        job = await self.start_recheck(check, witnesses=witnesses)
        await job.wait()
        return await self.verdicts(check)

    async def start_recheck(self, check: DataJob | CheckReport | str, *, witnesses: Sequence[str] = ()) -> DataJob:
        """Begin to ask witnesses and do not wait; `verdicts(check)` has what they say."""
        return await self._begun("recheck", {"id": _id_of(check), "witnesses": list(witnesses)})

    async def verdicts(self, check: DataJob | CheckReport | str) -> Verdicts:
        """Whose the defects of a check are, as the last recheck has judged."""
        return await self._requests.asked("verdicts", {"id": _id_of(check)}, Verdicts)

    async def repair(self, check: DataJob | CheckReport | str, *, dry_run: bool = False) -> RepairReport:
        """Repair what a check found, as far as it is ours, and prove it; a dry run only plans. Waits for the job.

        Raises:
            DataJobFailed: it failed; `repaired(error.job.id)` has what was done.
        """
        job = await self.start_repair(check, dry_run=dry_run)
        await job.wait()
        return await self.repaired(job)

    async def start_repair(self, check: DataJob | CheckReport | str, *, dry_run: bool = False) -> DataJob:
        """Begin a repair and do not wait; `repaired(id)` has what it did."""
        return await self._begun("repair", {"id": _id_of(check), "dry_run": dry_run})

    async def repaired(self, repair: DataJob | RepairReport | str) -> RepairReport:
        """What a repair did so far: plan, before and after, revisions, by series."""
        return await self._requests.asked("repaired", {"id": _id_of(repair)}, RepairReport)

    async def imports(
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
    ) -> DataJob:
        """Store the rows of a file on the service's own machine, below its `data.import_folder`. A store of real rows
        takes none that are `simulated` (MIXED_DATA), and the reverse."""
        fields = {
            "path": path,
            "venue": venue,
            "symbol": symbol,
            "interval": interval,
            "kind": kind,
            "mapping": dict(mapping or {}),
            "contract_size": contract_size,
            "replace": replace,
            "dry_run": dry_run,
            "simulated": simulated,
        }
        return await self._begun("imports", fields)

    async def exports(
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
    ) -> DataJob:
        """Write stored rows as files below the service's `data.export_folder`, in a format of `data export`."""
        wanted = self._series(symbol, start, end, venue, kind, interval, pattern, confirm=False)
        return await self._begun("exports", {**wanted, "target": target, "folder": folder})

    # -- jobs --------------------------------------------------------------------------------------------------------

    async def jobs(self, *, action: str = "", state: str = "", limit: int = 100) -> list[JobShown]:
        """The newest jobs, without their series; those of one action (download, check, …) or state only."""
        fields: dict[str, object] = {"action": action or None, "state": state or None, "limit": limit}
        return await self._requests.asked("jobs", fields, list[JobShown])

    async def job(self, job_id: str) -> DataJob:
        """A job by its id. Raises QueryFailed: NOT_FOUND."""
        return DataJob(self._requests, await self._requests.asked("job", {"id": job_id}, JobShown))

    async def cancel(self, job: DataJob | str) -> JobShown:
        """End a job; what it has done stays."""
        return await self._requests.asked("cancel", {"id": _id_of(job)}, JobShown, changes=True)

    # -- what is stored ----------------------------------------------------------------------------------------------

    async def coverage(
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
        ts_from, ts_to = self._session.span(start, end)
        fields: dict[str, object] = {"symbol": symbol, "from": ts_from, "to": ts_to, **_given(venue, kind, interval)}
        return await self._requests.asked("coverage", fields, CoverageShown)

    async def series(self, pattern: str = "", *, venue: str = "", limit: int = 0) -> list[StoredSeriesShown]:
        """Stored series whose symbol fits a pattern (* and ?), by name; all of them, or the first `limit`."""
        found: list[StoredSeriesShown] = []
        async for page in self._series_pages(pattern, venue, limit):
            found += page
        return found

    async def _series_pages(self, pattern: str, venue: str, limit: int) -> AsyncIterator[list[StoredSeriesShown]]:
        after, left = "", limit
        while True:
            most = min(_PAGE, left) if limit else _PAGE
            fields: dict[str, object] = {
                "pattern": pattern or None,
                "venue": venue or None,
                "limit": most,
                "after": after or None,
            }
            page = await self._requests.asked("series", fields, list[StoredSeriesShown])
            yield page
            left -= len(page)
            if len(page) < most or (limit and left <= 0):
                return
            last = page[-1]
            after = f"{last.kind}.{last.venue}.{last.symbol}.{last.interval or ''}"

    async def revisions(
        self, symbol: str, at: Time, *, venue: str = "", kind: str = "", interval: str = ""
    ) -> list[BarRevisionShown]:
        """Every revision of the bar that opens `at` a time, the first one first."""
        fields: dict[str, object] = {
            "symbol": symbol,
            "at": self._session.time(at, "at"),
            **_given(venue, kind, interval),
        }
        return await self._requests.asked("revisions", fields, list[BarRevisionShown])

    async def universe(
        self, *, rank: str = "change", day: str = "", top: int = 10, venue: str = ""
    ) -> list[RankedInstrument]:
        """The first instruments of a day by `rank` change, volume or turnover; `day` YYYYMMDD, the last one without."""
        fields: dict[str, object] = {"rank": rank, "day": day or None, "top": top, "venue": venue or None}
        return await self._requests.asked("universe", fields, list[RankedInstrument])

    async def _begun(self, method: str, fields: dict[str, object]) -> DataJob:
        return DataJob(self._requests, await self._requests.asked(method, fields, JobShown, changes=True))

    def _series(
        self,
        symbol: Names,
        start: Time,
        end: Time,
        venue: str,
        kind: str,
        interval: str,
        pattern: str,
        *,
        confirm: bool,
    ) -> dict[str, object]:
        ts_from, ts_to = self._session.span(start, end)
        return {
            "symbols": list(names_of(symbol)) if symbol or not pattern else [],
            "pattern": pattern,
            "venue": venue,
            "kind": kind,
            "interval": interval,
            "ts_from": ts_from,
            "ts_to": ts_to,
            "confirm": confirm,
        }


def _given(venue: str, kind: str, interval: str) -> dict[str, object]:
    return {"venue": venue or None, "kind": kind or None, "interval": interval or None}


def _id_of(job: DataJob | CheckReport | RepairReport | str) -> str:
    return job if isinstance(job, str) else job.id


__all__ = ["Data"]
