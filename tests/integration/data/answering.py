"""A service that answers as the data service does, by its contract, with jobs whose pace a test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import numpy as np

from marketprism_application.contracts.data_jobs import CheckRequest, DownloadRequest, JobShown, JobStage, TaskShown
from marketprism_application.integrity.rendering import plain_report
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, http, rpc
from tests.support.bar_series import checked, clean, expected, without
from tests.support.services import running

WEEK = expected()
REPORTS = {
    "cu1905": checked(without(clean(WEEK), np.r_[3:6, 400]), WEEK),
    "cu1906": checked(clean(WEEK), WEEK),
}
PARTS = 3


class Ids(msgspec.Struct):
    """A job."""

    id: str


class Jobs(msgspec.Struct):
    """Which jobs."""

    action: str = ""
    state: str = ""
    limit: int = 100


class Recheck(msgspec.Struct):
    """A check, and whom to ask."""

    id: str
    witnesses: list[str] = []


class Repair(msgspec.Struct):
    """A check, to be repaired."""

    id: str
    dry_run: bool = False


class Report(msgspec.Struct):
    """A report of a check."""

    id: str
    number: int
    format: str = "json"


class Covered(msgspec.Struct, rename={"ts_from": "from", "ts_to": "to"}):
    """A series."""

    symbol: str
    venue: str = ""
    kind: str = ""
    interval: str = ""
    ts_from: int | None = None
    ts_to: int | None = None


class Revised(msgspec.Struct):
    """A bar."""

    symbol: str
    at: int
    venue: str = ""
    kind: str = ""
    interval: str = ""


class Ranked(msgspec.Struct):
    """A day."""

    rank: str = "change"
    day: str = ""
    top: int = 10
    venue: str = ""


class SeriesAsked(msgspec.Struct):
    """Stored series."""

    pattern: str = ""
    venue: str = ""
    limit: int = 100
    after: str = ""


@dataclass
class State:
    """What is written down, which outlives an instance: every look at a job takes it a part further."""

    jobs: dict[str, JobShown] = field(default_factory=dict)
    callers: list[str] = field(default_factory=list)
    paused: bool = False
    fails: bool = False
    defects_after: int = 0
    looks: int = 0
    undone: bool = False

    def begin(self, action: str, request: object, symbols: tuple[str, ...] = ("cu1905",)) -> JobShown:
        number = len(self.jobs) + 1
        tasks = tuple(
            TaskShown(
                number=at,
                kind="bar",
                venue="shfe",
                symbol=symbol,
                interval="1m",
                ts_from=WEEK.dataset.ts_from,
                ts_to=WEEK.dataset.ts_to,
                stage=JobStage.PLANNED,
                worker="",
                error="",
                parts=PARTS,
                parts_done=0,
                rows=0,
                requests=0,
                waits_s=0.0,
                result={},
            )
            for at, symbol in enumerate(symbols)
        )
        made = JobShown(
            id=f"{action}-{number}",
            action=action,
            stage=JobStage.PLANNED,
            by="",
            created_at=10**18 + number,
            begun_at=0,
            ended_at=0,
            tasks=len(tasks),
            tasks_done=0,
            tasks_failed=0,
            parts=PARTS * len(tasks),
            parts_done=0,
            rows=0,
            requests=0,
            eta_s=None,
            error="",
            remarks=(),
            request=msgspec.to_builtins(request),
            series=tasks,
        )
        self.jobs[made.id] = made
        return made

    def known(self, name: str, action: str = "") -> JobShown:
        found = self.jobs.get(name)
        if found is None or (action and found.action != action):
            raise RemoteError("NOT_FOUND", f"id: expected a {action or 'job'}, was {name!r}")
        return found

    def look(self, name: str) -> JobShown:
        """A job, which is a part further afterwards."""
        self.looks += 1
        found = self.known(name)
        if found.stage.is_final or self.paused:
            return found
        done = min(found.parts, found.parts_done + len(found.series))
        stage = JobStage.RUNNING if done < found.parts else JobStage.FAILED if self.fails else JobStage.DONE
        series = [
            msgspec.structs.replace(
                each, parts_done=done // len(found.series), stage=stage, error="no room" if stage == "failed" else ""
            )
            for each in found.series
        ]
        now = msgspec.structs.replace(
            found, stage=stage, parts_done=done, rows=done * 10, eta_s=float(found.parts - done), series=series
        )
        self.jobs[name] = now
        return now


class Answering(Service):
    """The API of the data service, in the words of its contract."""

    http_name = "data"

    def __init__(self, connection: NatsConnection, state: State) -> None:
        super().__init__("data", connection)
        self.state = state

    @rpc("downloads")
    @http("POST", "/downloads", scope="download:run", status=202)
    async def downloads(self, asked: DownloadRequest, caller: Caller | None = None) -> dict[str, object]:
        """Begin a download."""
        self.state.callers.append("" if caller is None else caller.id)
        if asked.venue == "nowhere":
            raise RemoteError("INVALID_PARAMETER", "venue: expected a market, was 'nowhere'", {"field": "venue"})
        return _plain(self.state.begin("download", asked, tuple(asked.symbols) or (asked.pattern,)))

    @rpc("checks")
    @http("POST", "/checks", scope="md:history", status=202)
    async def checks(self, asked: CheckRequest) -> dict[str, object]:
        """Begin a check."""
        return _plain(self.state.begin("check", asked, tuple(asked.symbols)))

    @rpc("recheck")
    @http("POST", "/checks/{id}/recheck", scope="sys:operate", status=202)
    async def recheck(self, asked: Recheck) -> dict[str, object]:
        """Begin a recheck."""
        self.state.known(asked.id, "check")
        return _plain(self.state.begin("recheck", asked))

    @rpc("repair")
    @http("POST", "/checks/{id}/repairs", scope="sys:operate", status=202)
    async def repair(self, asked: Repair) -> dict[str, object]:
        """Begin a repair."""
        self.state.known(asked.id, "check")
        return _plain(self.state.begin("repair", asked))

    @rpc("jobs")
    @http("GET", "/jobs", scope="sys:read")
    async def jobs(self, asked: Jobs) -> list[dict[str, object]]:
        """The newest jobs."""
        fitting = [
            msgspec.structs.replace(each, series=())
            for each in self.state.jobs.values()
            if asked.action in ("", each.action) and asked.state in ("", each.stage)
        ]
        return [_plain(each) for each in reversed(fitting)][: asked.limit]

    @rpc("job")
    @http("GET", "/jobs/{id}", scope="sys:read")
    async def job(self, asked: Ids) -> dict[str, object]:
        """One job."""
        return _plain(self.state.look(asked.id))

    @rpc("cancel")
    @http("DELETE", "/jobs/{id}", scope="sys:operate")
    async def cancel(self, asked: Ids) -> dict[str, object]:
        """End a job."""
        ended = msgspec.structs.replace(self.state.known(asked.id), stage=JobStage.CANCELLED, error="cancelled")
        self.state.jobs[asked.id] = ended
        return _plain(ended)

    @rpc("report")
    @http("GET", "/checks/{id}/reports/{number}", scope="md:history")
    async def report(self, asked: Report) -> dict[str, object]:
        """A report."""
        task = self.state.known(asked.id, "check").series[asked.number]
        return plain_report(REPORTS[task.symbol])

    @rpc("verdicts")
    @http("GET", "/checks/{id}/verdicts", scope="md:history")
    async def verdicts(self, asked: Ids) -> dict[str, object]:
        """Whose the defects are."""
        self.state.known(asked.id, "check")
        plain = plain_report(REPORTS["cu1905"])
        defects: list[dict[str, object]] = plain["defects"]  # type: ignore[assignment]
        word = {"witness": "kline", "asked": 3, "has": 1, "lacks": 0, "text": "it has them"}
        judged = [{**each, "verdict": "ours", "witness": "kline", "testimonies": [word]} for each in defects]
        return {
            "recheck": "recheck-2",
            "counts": {"ours": len(judged), "venue": 0, "both": 0, "vanished": 0, "unknown": 0},
            "reports": [{"number": 0, "dataset": plain["dataset"], "judged": judged}],
        }

    @rpc("repaired")
    @http("GET", "/repairs/{id}", scope="md:history")
    async def repaired(self, asked: Ids) -> dict[str, object]:
        """What a repair did."""
        job = self.state.known(asked.id, "repair")
        dry = bool(job.request.get("dry_run"))
        ts, left = WEEK.dataset.ts_from, self.state.defects_after
        dataset = plain_report(REPORTS["cu1905"])["dataset"]
        plan = {
            "parts": 1,
            "ranges": [{"ts_from": ts, "ts_to": ts + 180 * 10**9, "bars": 3, "witness": "kline"}],
            "requests": 1,
            "seconds": 0.4,
        }
        after = {"defects": left, "missing": left, "score": 100.0 - left, "grade": "A"}
        series = {
            "number": 0,
            "dataset": dataset,
            "stage": job.stage,
            "plan": plan,
            "before": {"defects": 2, "missing": 4, "score": 99.9, "grade": "A"},
            "after": None if dry else after,
            "revisions": 0 if dry else 1,
            "inserted": 0 if dry else 3,
            "changes": [] if dry else [{"ts": ts, "field": "close", "before": "1", "after": "2"}],
            "changes_total": 0 if dry else 1,
            "ledger": [] if dry else [{"ts_from": ts, "ts_to": ts + 60 * 10**9, "cause": "venue_missing"}],
            "undone": self.state.undone and not dry,
            "error": "",
        }
        return {"job": _plain(job), "series": [series]}

    @rpc("coverage")
    @http("GET", "/coverage/{symbol}", scope="md:history")
    async def coverage(self, asked: Covered) -> dict[str, object]:
        """How much is there."""
        plain = plain_report(REPORTS["cu1905"])
        ranges = [{"ts_from": asked.ts_from or 0, "ts_to": asked.ts_to or 1, "bars": 3}]
        return {
            "dataset": {**plain["dataset"], "symbol": asked.symbol},  # type: ignore[dict-item]
            **{name: plain[name] for name in ("expected", "present", "missing")},
            "days": plain["coverage"],
            "ranges": ranges,
        }

    @rpc("series")
    @http("GET", "/series", scope="md:history")
    async def series(self, asked: SeriesAsked) -> list[dict[str, object]]:
        """Stored series."""
        names = [f"cu{number:04d}" for number in range(1_500)]
        keys = [f"bar.shfe.{name}.1m" for name in names]
        first = keys.index(asked.after) + 1 if asked.after else 0
        rows = [
            {"kind": "bar", "venue": "shfe", "symbol": name, "interval": "1m", "first": 1, "last": 2, "rows": None}
            for name in names
        ]
        return rows[first : first + asked.limit]

    @rpc("revisions")
    @http("GET", "/revisions/{symbol}", scope="md:history")
    async def revisions(self, asked: Revised) -> list[dict[str, object]]:
        """Every revision of a bar."""
        row = {"ts_pub": asked.at, "source": "sim", "open": "1.5", "high": "2", "low": "1", "close": "2", "volume": "7"}
        if asked.symbol != "cu1905":
            return []
        return [{**row, "revision": 0, "cause": ""}, {**row, "revision": 1, "cause": "repair-3", "close": "1.75"}]

    @rpc("universe")
    @http("GET", "/universe", scope="md:history")
    async def universe(self, asked: Ranked) -> list[dict[str, object]]:
        """Instruments of a day."""
        row = {"venue": asked.venue or "binance", "day": asked.day or "20240506", "open": "1", "close": "2"}
        return [{**row, "symbol": f"A{at}", "change": "1", "volume": "5", "turnover": None} for at in range(asked.top)]


def _plain(value: object) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(value)
    return found


@asynccontextmanager
async def answering(nats_url: str, state: State | None = None) -> AsyncIterator[State]:
    """The service, as long as it is needed."""
    connection = await NatsConnection.open(nats_url, name="data-test")
    state = state or State()
    try:
        async with running(Answering(connection, state)):
            yield state
    finally:
        await connection.close()
