"""What the data service answers over HTTP (`/api/v1/data/…`) and over NATS (`rpc.data.…`), the same by both."""

from __future__ import annotations

import msgspec

from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.data_jobs import (
    CheckRequest,
    DailyRequest,
    DownloadRequest,
    JobShown,
    RecheckRequest,
    RepairRequest,
)
from marketprism_sdk.messaging import Caller, Command, JobRun
from marketprism_sdk.service import command, http, job, rpc
from marketprism_services.data.desk import DataDesk
from marketprism_services.data.overview import CoverageAsked, Overview, SeriesAsked
from marketprism_services.wiring.seen import Seen


class JobAsked(msgspec.Struct):
    """One job by its id."""

    id: str


class JobsAsked(msgspec.Struct):
    """The newest jobs; an empty `action` or `state` is each."""

    action: str = ""
    state: str = ""
    limit: int = 100


class RecheckAsked(msgspec.Struct):
    """A check whose defects are to be judged, by witnesses of these names, all without any."""

    id: str
    witnesses: list[str] = []


class RepairAsked(msgspec.Struct):
    """A check whose defects are to be mended as far as they are ours; a dry run only plans."""

    id: str
    dry_run: bool = False


class ReportAsked(msgspec.Struct):
    """The report of a series of a check by its number; `format` json, csv, md or text."""

    id: str
    number: int
    format: str = "json"


class DataOperations:
    """Answers of every instance."""

    def __init__(self, desk: DataDesk, overview: Overview) -> None:
        self._desk, self._overview = desk, overview

    @rpc("downloads")
    @http("POST", "/downloads", scope=Scope.DOWNLOAD, weight=5, status=202)
    async def downloads(self, asked: DownloadRequest, caller: Caller | None = None) -> JobShown:
        """Fetch rows of the past into the store."""
        return await self._desk.begin(asked, who_asks(caller))

    @rpc("checks")
    @http("POST", "/checks", scope=Scope.HISTORY, weight=5, status=202)
    async def checks(self, asked: CheckRequest, caller: Caller | None = None) -> JobShown:
        """Begin a check of stored series."""
        return await self._desk.begin(asked, who_asks(caller), seen=Seen(caller))

    @rpc("check")
    async def check(self, asked: CheckRequest, caller: Caller | None = None) -> JobShown:
        """Check stored series; the same as `checks`."""
        return await self._desk.begin(asked, who_asks(caller), seen=Seen(caller))

    @rpc("daily")
    @http("POST", "/daily", scope=Scope.OPERATE, weight=10, status=202)
    async def daily(self, asked: DailyRequest, caller: Caller | None = None) -> JobShown:
        """Check the day before of every stored series, judge, repair what is ours."""
        return await self._desk.begin(asked, who_asks(caller))

    @job("daily")
    async def daily_job(self, asked: DailyRequest, run: JobRun) -> dict[str, object]:
        """The same at its time."""
        # A run whose answer was lost is tried again: it finds the job that it has made.
        begun = await self._desk.begin(asked, "scheduler", f"{run.job} {run.due}")
        return {"job": begun.id, "series": begun.tasks}

    @rpc("recheck")
    @http("POST", "/checks/{id}/recheck", scope=Scope.OPERATE, weight=5, status=202)
    async def recheck(self, asked: RecheckAsked, caller: Caller | None = None) -> JobShown:
        """Ask witnesses about every defect of a check."""
        return await self._desk.begin(RecheckRequest(check=asked.id, witnesses=asked.witnesses), who_asks(caller))

    @rpc("repair")
    @http("POST", "/checks/{id}/repairs", scope=Scope.OPERATE, weight=5, status=202)
    async def repair(self, asked: RepairAsked, caller: Caller | None = None) -> JobShown:
        """Repair what a check found, as far as it is ours."""
        return await self._desk.begin(RepairRequest(check=asked.id, dry_run=asked.dry_run), who_asks(caller))

    @rpc("plan")
    async def plan(self, asked: RepairAsked, caller: Caller | None = None) -> JobShown:
        """What a repair would fetch, as a job that changes nothing."""
        return await self._desk.begin(RepairRequest(check=asked.id, dry_run=True), who_asks(caller))

    @command("download")
    async def download_command(self, asked: DownloadRequest, given: Command) -> None:
        """Make the job of a download."""
        await self._desk.begin(asked, given.issuer, given.key)

    @command("repair")
    async def repair_command(self, asked: RepairAsked, given: Command) -> None:
        """Make the job of a repair."""
        await self._desk.begin(RepairRequest(check=asked.id, dry_run=asked.dry_run), given.issuer, given.key)

    @rpc("jobs")
    @http("GET", "/jobs", scope=Scope.SYSTEM, weight=2)
    async def jobs(self, asked: JobsAsked, caller: Caller | None = None) -> list[JobShown]:
        """The newest jobs, without their series."""
        return await self._desk.jobs(asked.action, asked.state, asked.limit, Seen(caller))

    @rpc("job")
    @http("GET", "/jobs/{id}", scope=Scope.SYSTEM)
    async def job(self, asked: JobAsked, caller: Caller | None = None) -> JobShown:
        """A job with its series, and how far each is."""
        await self._desk.check_seen(asked.id, Seen(caller))
        return await self._desk.job(asked.id)

    @rpc("cancel")
    @http("DELETE", "/jobs/{id}", scope=Scope.OPERATE)
    async def cancel(self, asked: JobAsked) -> JobShown:
        """End a job; what is done of it stays."""
        return await self._desk.cancel(asked.id)

    @rpc("checked")
    @http("GET", "/checks/{id}", scope=Scope.HISTORY)
    async def checked(self, asked: JobAsked, caller: Caller | None = None) -> JobShown:
        """A check with what it found of each series."""
        await self._desk.check_seen(asked.id, Seen(caller))
        return await self._desk.job(asked.id, "check")

    @rpc("report")
    @http("GET", "/checks/{id}/reports/{number}", scope=Scope.HISTORY, weight=2)
    async def report(self, asked: ReportAsked, caller: Caller | None = None) -> dict[str, object]:
        """The report of a series: its numbers, defects and coverage."""
        await self._desk.check_seen(asked.id, Seen(caller))
        return await self._desk.report(asked.id, asked.number, asked.format)

    @rpc("verdicts")
    @http("GET", "/checks/{id}/verdicts", scope=Scope.HISTORY, weight=2)
    async def verdicts(self, asked: JobAsked, caller: Caller | None = None) -> dict[str, object]:
        """Whose the defects of a check are."""
        await self._desk.check_seen(asked.id, Seen(caller))
        return await self._desk.verdicts(asked.id)

    @rpc("repaired")
    @http("GET", "/repairs/{id}", scope=Scope.HISTORY, weight=2)
    async def repaired(self, asked: JobAsked, caller: Caller | None = None) -> dict[str, object]:
        """What a repair planned, changed and proved."""
        await self._desk.check_seen(asked.id, Seen(caller))
        return await self._desk.repair(asked.id)

    @rpc("coverage")
    @http("GET", "/coverage/{symbol}", scope=Scope.HISTORY, weight=5)
    async def coverage(self, asked: CoverageAsked, caller: Caller | None = None) -> dict[str, object]:
        """How much of each trading day is there."""
        return await self._overview.coverage(asked, Seen(caller))

    @rpc("series")
    @http("GET", "/series", scope=Scope.HISTORY, weight=5)
    async def series(self, asked: SeriesAsked, caller: Caller | None = None) -> list[dict[str, object]]:
        """Series that are stored, by their keys."""
        return await self._overview.series(asked, Seen(caller))


def who_asks(caller: Caller | None) -> str:
    """Who the gateway says it is; who asks over NATS is an operator."""
    return caller.id if caller is not None else "operator"


__all__ = ["DataOperations", "who_asks"]
