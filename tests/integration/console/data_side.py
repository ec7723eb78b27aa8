"""The API of the data service before a gateway: jobs that go on when a test lets them, and a true report of true bars."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.imports.registry import open_rows_file
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.data_jobs import JobShown, JobStage, TaskShown
from marketprism_application.contracts.questions import Sessions, decode_question, encode_answer
from marketprism_application.integrity.file_check import CheckAsked, check_file
from marketprism_application.integrity.rendering import csv_report, plain_report
from marketprism_application.ports.imports import FileHints
from marketprism_application.queries.trading_sessions import sessions_of
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, http, rpc
from tests.integration.api.access_side import gateway
from tests.integration.console.operating_side import Desk, Jobs, Source
from tests.support.services import running

CALENDAR = chinese_calendar_of_markets()
BARS = "ctp/bars/tq_SHFE.cu1905_1m.csv.gz"
HOLE = 111  # of its bars are not there: 2019-03-04 21:00 to 22:50


def report_of(fixtures: Path) -> IntegrityReport:
    """What a check finds in the minutes of one copper contract."""
    file = open_rows_file(fixtures / BARS, FileHints("", "SHFE.cu1905", "1m"))
    return check_file(file, file.facts.series[0], CALENDAR, CheckAsked(time.time_ns()))


class Asked(msgspec.Struct, kw_only=True):
    """Everything that a request of the page may hold."""

    venue: str = ""
    symbols: Sequence[str] = ()
    symbol: str = ""
    pattern: str = ""
    kind: str = ""
    interval: str = ""
    ts_from: int | None = None
    ts_to: int | None = None
    confirm: bool = False
    mode: str = ""
    source: str = ""
    witnesses: Sequence[str] = ()
    dense: bool | None = None
    path: str = ""
    mapping: Mapping[str, str] = {}
    contract_size: str = ""
    replace: bool = False
    simulated: bool = False
    dry_run: bool = False
    id: str = ""
    number: int = 0
    format: str = "json"
    action: str = ""
    state: str = ""
    limit: int = 50
    after: str = ""
    begin: str = msgspec.field(default="", name="from")
    to: str = ""


class Sections(Service):
    """The read side, as far as a day of a series asks it: the calendar's sections."""

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """Sections of days."""
        question = decode_question(data)
        assert isinstance(question, Sessions)
        return encode_answer(sessions_of(question, CALENDAR, ["shfe"], time.time_ns()))


class Data(Service):
    """Jobs are done at once, but for downloads, which a test moves on. A repair mends the hole, or is undone."""

    http_name = "data"
    report: IntegrityReport
    jobs: dict[str, JobShown]
    is_judged: bool
    is_undone: bool

    def _made(self, action: str, asked: Asked, stage: JobStage = JobStage.DONE, **more: Any) -> JobShown:
        dataset, now = self.report.dataset, time.time_ns()
        number = len(self.jobs) + 1
        plain = {
            name: value
            for name, value in msgspec.to_builtins(asked).items()
            if value and name not in ("id", "number", "format", "limit")
        }
        defects = len(self.report.defects)
        found = {
            "score": self.report.score,
            "grade": self.report.grade,
            "missing": HOLE,
            "defects": defects,
            "notices": 0,
        }
        task = TaskShown(
            number=1,
            kind="bar",
            venue="shfe",
            symbol="cu1905",
            interval="1m",
            ts_from=dataset.ts_from,
            ts_to=dataset.ts_to,
            stage=stage,
            worker="w",
            error="",
            parts=4,
            parts_done=4 if stage.is_final else 1,
            rows=1000,
            requests=2,
            waits_s=3.0,
            result=more.get("result", found),
        )
        job = JobShown(
            id=f"{action}-{number:06}",
            action=action,
            stage=stage,
            by="u1",
            created_at=now,
            begun_at=now,
            ended_at=now + 2_000_000_000 if stage.is_final else 0,
            tasks=1,
            tasks_done=int(stage.is_final),
            tasks_failed=0,
            parts=4,
            parts_done=task.parts_done,
            rows=1000,
            requests=2,
            eta_s=None if stage.is_final else 90.0,
            error="",
            remarks=(),
            request={"action": action, **plain, **more.get("request", {})},
            series=[task],
        )
        self.jobs[job.id] = job
        return job

    def _job(self, asked: Asked) -> JobShown:
        if asked.id not in self.jobs:
            raise RemoteError("NOT_FOUND", f"id: expected that of a job, was {asked.id}")
        return self.jobs[asked.id]

    @http("GET", "/series", scope="sys:read")
    async def series(self, asked: Asked) -> list[dict[str, Any]]:
        """The stored series of a venue."""
        dataset = self.report.dataset
        ends = {"first": dataset.ts_from, "last": dataset.ts_to, "rows": self.report.rows}
        row = {"kind": "bar", "venue": "shfe", "symbol": "cu1905", "interval": "1m", **ends}
        return [row] if asked.venue in ("", "shfe") else []

    @http("GET", "/coverage/{symbol}", scope="sys:read")
    async def coverage(self, asked: Asked) -> dict[str, Any]:
        """The days of the one series."""
        first, last = int(asked.begin), int(asked.to)
        assert 0 < last - first < 400 * 86_400 * 10**9
        days = [{**each._asdict(), "state": each.state} for each in self.report.coverage]
        holes = sorted((each.ts_from, each.ts_to) for each in self.report.defects)
        begin, ranges = self.report.dataset.ts_from, []
        for hole in [*holes, (self.report.dataset.ts_to,) * 2]:
            ranges.append({"ts_from": begin, "ts_to": hole[0], "bars": None})
            begin = hole[1]
        ends = {"ts_from": self.report.dataset.ts_from, "ts_to": self.report.dataset.ts_to}
        return {"dataset": ends, "days": days, "ranges": ranges}

    @http("GET", "/jobs", scope="sys:read")
    async def all_jobs(self, asked: Asked) -> list[JobShown]:
        """Jobs, the newest first, without their series."""
        found = [
            each for each in self.jobs.values() if asked.action in ("", each.action) and asked.state in ("", each.stage)
        ]
        return [msgspec.structs.replace(each, series=()) for each in reversed(found)][: asked.limit]

    @http("GET", "/jobs/{id}", scope="sys:read")
    async def one_job(self, asked: Asked) -> JobShown:
        """One job."""
        return self._job(asked)

    @http("DELETE", "/jobs/{id}", scope="sys:operate")
    async def cancel(self, asked: Asked) -> JobShown:
        """End a job."""
        job = self._job(asked)
        task = msgspec.structs.replace(job.series[0], stage=JobStage.CANCELLED)
        self.jobs[job.id] = msgspec.structs.replace(
            job, stage=JobStage.CANCELLED, ended_at=time.time_ns(), series=[task]
        )
        return self.jobs[job.id]

    @http("POST", "/checks", scope="md:history")
    async def check(self, asked: Asked) -> JobShown:
        """Check a series."""
        if asked.venue not in ("", "shfe"):
            raise _wrong("venue", f"one of shfe, was {asked.venue}")
        if asked.ts_from is not None and asked.ts_to is not None and asked.ts_from >= asked.ts_to:
            raise _wrong("ts_to", "after ts_from, was not")
        return self._made("check", asked)

    @http("POST", "/downloads", scope="download:run")
    async def download(self, asked: Asked) -> JobShown:
        """A download that goes on until a test ends it."""
        return self._made("download", asked, JobStage.RUNNING)

    @http("POST", "/imports", scope="sys:operate")
    async def imports(self, asked: Asked) -> JobShown:
        """Read a file, or store its rows."""
        if asked.path.startswith("/"):
            raise _wrong("path", f"one below the import folder, was {asked.path}")
        columns = {"t": "time", "o": "open", "memo": None}
        return self._made("import", asked, result={"format": "table", "guessed": True, "columns": columns, "new": 1000})

    @http("POST", "/checks/{id}/recheck", scope="sys:operate")
    async def recheck(self, asked: Asked) -> JobShown:
        """Ask witnesses."""
        self.is_judged = True
        return self._made("recheck", asked, request={"check": asked.id})

    @http("POST", "/checks/{id}/repairs", scope="sys:operate")
    async def repairs(self, asked: Asked) -> JobShown:
        """Plan a repair, or do it."""
        return self._made("repair", asked, request={"check": asked.id, "dry_run": asked.dry_run})

    @http("GET", "/checks/{id}/reports/{number}", scope="sys:read")
    async def read_report(self, asked: Asked) -> dict[str, Any]:
        """The report, as the service renders it."""
        if asked.format == "json":
            return plain_report(self.report)
        return {"format": asked.format, "text": csv_report(self.report)}

    @http("GET", "/checks/{id}/verdicts", scope="sys:read")
    async def verdicts(self, asked: Asked) -> dict[str, Any]:
        """What witnesses said, once they were asked."""
        if not self.is_judged:
            return {"recheck": "", "counts": {}, "reports": []}
        testimony = {"witness": "rest", "asked": 1, "has": HOLE, "lacks": 0, "text": ""}
        defects = msgspec.convert(plain_report(self.report)["defects"], list[dict[str, Any]])
        judged = [{**each, "verdict": "ours", "witness": "rest", "testimonies": [testimony]} for each in defects]
        counts = {"ours": HOLE, "venue": 0, "both": 0, "vanished": 0, "unknown": 0}
        return {"recheck": "recheck-1", "counts": counts, "reports": [{"number": 1, "judged": judged}]}

    @http("GET", "/repairs/{id}", scope="sys:read")
    async def repair(self, asked: Asked) -> dict[str, Any]:
        """The plan, and what came of it."""
        job, (hole, *_) = self._job(asked), self.report.defects
        is_done = not job.request["dry_run"]
        after = {"defects": 0, "missing": 0, "score": 100.0, "grade": "A"}
        changes = [{"ts": hole.ts_from, "field": "close", "before": "", "after": "50120"}]
        one = {
            "number": 1,
            "stage": "done",
            "dataset": {"kind": "bar", "venue": "shfe", "symbol": "cu1905", "interval": "1m"},
            "plan": {
                "parts": 1,
                "ranges": [{"ts_from": hole.ts_from, "ts_to": hole.ts_to, "bars": HOLE, "witness": "rest"}],
                "requests": 3,
                "seconds": 1.5,
            },
            "before": {
                "defects": len(self.report.defects),
                "missing": HOLE,
                "score": self.report.score,
                "grade": self.report.grade,
            },
            "after": after if is_done and not self.is_undone else None,
            "revisions": 0,
            "inserted": HOLE if is_done else 0,
            "changes": changes if is_done else [],
            "changes_total": len(changes) if is_done else 0,
            "ledger": [],
            "undone": self.is_undone and is_done,
            "error": "the proof found a new defect" if self.is_undone and is_done else "",
        }
        return {"job": job, "series": [one]}


def _wrong(field: str, expected: str) -> RemoteError:
    return RemoteError("INVALID_PARAMETER", f"{field}: expected {expected}", {"field": field})


class Office(Desk):
    """A gateway with the data service behind it."""

    data: Data


@asynccontextmanager
async def office_in(folder: Path, fixtures: Path) -> AsyncIterator[Office]:
    """The gateway, its NATS, the data service and the sections of the read side."""
    report = await asyncio.to_thread(report_of, fixtures)
    server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
    connection = await NatsConnection.open(server.url, name="office")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        stack.push_async_callback(connection.close)
        await streams.ensure_streams(connection)
        made = await stack.enter_async_context(gateway(server.url))
        data = Data("data", connection)
        data.report, data.jobs, data.is_judged, data.is_undone = report, {}, False, False
        await stack.enter_async_context(running(Sections("query", connection)))
        await stack.enter_async_context(running(data))
        unused = Jobs("unused", connection), Source("none", connection)
        office = Office(asyncio.get_running_loop(), made, connection, *unused)
        office.data = data
        yield office


__all__ = ["HOLE", "Data", "Office", "office_in"]
