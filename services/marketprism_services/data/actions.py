"""What tasks do: a check, a download, verdicts, a repair; each says how far it is and answers with its facts."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import msgspec
import structlog

from marketprism_adapters.nats.download_journal import NatsDownloadJournal
from marketprism_adapters.nats.downloaded_ranges import NatsDownloadedRanges
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.witnesses.histories import HistoryWitness
from marketprism_adapters.witnesses.stored import TicksWitness, TradesWitness
from marketprism_application.contracts.data_jobs import (
    CheckRequest,
    DailyRequest,
    DataJob,
    DataRequest,
    DownloadRequest,
    ExportRequest,
    ImportRequest,
    RecheckRequest,
    RepairRequest,
    TaskProgress,
    TaskRecord,
)
from marketprism_application.contracts.repairs import Recheck
from marketprism_application.downloads.engine import Download, Progress
from marketprism_application.errors import QueryError, SourceError, UnknownSymbolError
from marketprism_application.history.store_sink import StoreSink
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.stored_check import StoredCheck, StoredSeries
from marketprism_application.ports.data_jobs import DocumentStore
from marketprism_application.ports.history import RawPage
from marketprism_application.ports.witnesses import Witness
from marketprism_application.repairing.rendering import plain_plan, plain_recheck, plain_repair
from marketprism_application.repairing.series_repairs import SeriesRepairs
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import GRACE_NS
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.trading_days import day_text
from marketprism_services.data.files import FileActions, data_of_file
from marketprism_services.data.stored import Stored
from marketprism_services.data.venues import VenueHistories

log = structlog.get_logger()

_MOST_DAYS_BACK = 30
_PARTS_AT_ONCE = 3
Report = Callable[[TaskProgress, float], None]


class Doing(NamedTuple):
    """A task that a worker does; `progress` is told how far it is, and how long the venue wants to be left alone."""

    job: DataJob
    task: TaskRecord
    progress: Report
    worker: str


class Unproved(QueryError):
    """A repair whose proof failed; `facts` are what it did."""

    def __init__(self, message: str, facts: dict[str, object]) -> None:
        super().__init__(message)
        self.facts = facts


class Actions:
    """Does tasks. `on_rows` is called with the action, the kind, and how many rows of it were stored. `do` raises
    ApplicationError and SdkError: retryable ones pass, the others are the task's end."""

    def __init__(
        self,
        stored: Stored,
        venues: VenueHistories,
        documents: DocumentStore,
        journal: NatsDownloadJournal,
        ranges: NatsDownloadedRanges,
        files: FileActions,
        on_rows: Callable[[str, str, int], None] = lambda *_: None,
    ) -> None:
        self._on_rows = on_rows
        self._stored, self._venues, self._documents = stored, venues, documents
        self._journal, self._ranges, self._files = journal, ranges, files

    async def do(self, doing: Doing) -> dict[str, object]:
        """The facts of the answer, small; what is large is a document by then."""
        request = doing.job.request
        if isinstance(request, CheckRequest):
            return await self._check(doing.task, request)
        if isinstance(request, DownloadRequest):
            return await self._download(doing, request)
        if isinstance(request, RecheckRequest):
            return facts_of_recheck(await self._judged(doing, request.check, request.witnesses))
        if isinstance(request, RepairRequest):
            return await self._repair(doing, request.check, dry_run=request.dry_run)
        if isinstance(request, DailyRequest):
            return await self._daily(doing, request)
        if isinstance(request, ImportRequest):
            return await self._files.imported(request, doing.progress, partial(self._count, doing))
        if isinstance(request, ExportRequest):
            return await self._files.exported(doing.task, request)
        raise QueryError(f"action: expected one that is done here, was {type(request).__name__}")

    def _count(self, doing: Doing, kind: str, rows: int) -> None:
        if rows > 0:
            self._on_rows(str(doing.job.request.__struct_config__.tag), kind, rows)

    async def _check(self, task: TaskRecord, request: CheckRequest) -> dict[str, object]:
        series = StoredSeries(task.kind, task.venue, task.symbol, task.interval)
        asked = CheckAsked(
            time.time_ns(),
            task.ts_from or None,
            task.ts_to or None,
            request.dense,
            request.alignment or None,  # type: ignore[arg-type]
            confirmed=True,
        )
        check = StoredCheck(self._stored.ask, series, self._stored.calendar, asked, request.witnesses)
        report = await check.report()
        await self._documents.put(f"report.{task.id}", msgspec.msgpack.encode(report))
        return facts_of_report(report)

    async def _download(self, doing: Doing, request: DownloadRequest) -> dict[str, object]:
        task = doing.task
        history = await self._venues.history(task.venue, request.source)
        venue = MARKETS[task.venue].make("", "").name
        dataset = Dataset(task.kind, venue, task.symbol, task.interval, task.ts_from, task.ts_to)
        sink = StoreSink(
            self._stored.reader,
            self._stored.log(*self._rows_of(task.venue, request.source)),
            self._stored.ledger,
            self._ranges,
            replaces=request.mode == "all",
        )

        counted = 0

        def changed(done: Progress) -> None:
            nonlocal counted
            stored = sink.totals.new + sink.totals.instead
            self._count(doing, task.kind, stored - counted)
            counted = stored
            doing.progress(
                TaskProgress(done.parts, done.done, done.rows, done.requests, done.repeated),
                history.budget(task.kind).waits_s,
            )

        engine = Download(
            history, sink, self._journal, worker=doing.worker, workers=_PARTS_AT_ONCE, alone=True, on_change=changed
        )
        plan = await engine.plan(dataset, request.mode)
        done = await engine.run(dataset, plan)
        changed(done)
        if done.failed:
            first = done.failed[0]
            raise SourceError(f"{len(done.failed)} of {done.parts} parts failed: {first.error}", retryable=True)
        return {
            "rows": done.rows,
            "parts": done.parts,
            "requests": done.requests,
            "repeated": done.repeated,
            "bounds": {"first": plan.job.first, "last": plan.job.last},
            "holes": [hole._asdict() for hole in done.holes[:100]],
            "holes_total": len(done.holes),
        }

    async def report(self, check: str, number: int) -> IntegrityReport:
        """The report of a task of a check. Raises QueryError: it has none."""
        data = await self._documents.get(f"report.{check}.{number}")
        if data is None:
            raise QueryError(f"check: expected one with a report of series {number}, was {check!r}")
        return msgspec.msgpack.decode(data, type=IntegrityReport)

    async def recheck(self, check: str, number: int) -> tuple[str, Recheck] | None:
        """Who judged the report of a check last, and what came of it."""
        data = await self._documents.get(f"recheck.{check}.{number}")
        return None if data is None else msgspec.msgpack.decode(data, type=tuple[str, Recheck])

    def _rows_of(self, market: str, source: str) -> tuple[str, str]:
        """Whether rows of a market are real or simulated, and what they are called where they are refused."""
        return self._venues.data_of(market, source), f"rows of {market}"

    async def refuse_other(self, request: DataRequest, markets: Iterable[str]) -> None:
        """Raises MixedData where a download from these markets, or an import, has rows that the store does not take."""
        if isinstance(request, DownloadRequest):
            for market in sorted(set(markets)):
                await self._stored.refuse_other(*self._rows_of(market, request.source))
        elif isinstance(request, ImportRequest):
            await self._stored.refuse_other(data_of_file(request), request.path)

    async def _witnesses(self, venue: str, symbol: str, held: str) -> tuple[list[Witness], str]:
        """The stored ones, and the market of the venue that lists the instrument, as far as its rows are of the kind
        that the store holds; with the kind of all of them."""
        found: list[Witness] = [TradesWitness(self._stored.ask, self._stored.calendar), TicksWitness(self._stored.ask)]
        market = await self._market_of(venue, symbol)
        for name, source in (("kline", "rest"), ("archive", "archive")) if market else ():
            if source == "archive" and not self._venues.has_archive(market):
                continue
            data = self._venues.data_of(market, source)
            held = held or data
            if data != held:
                log.warning("data.witness_left_out", market=market, witness=name, rows=data, store=held)
                continue
            page = 1_000 if source == "rest" else 0
            found.append(HistoryWitness(name, await self._venues.history(market, source), venue, page=page))
        return found, held

    async def _market_of(self, venue: str, symbol: str) -> str:
        """The market of a venue that lists an instrument, empty for none. One that cannot be asked is passed over where
        another one lists it.

        Raises:
            SourceError: nobody lists it, and one could not be asked.
        """
        away: SourceError | None = None
        for market, row in MARKETS.items():
            if row.make("", "").name != venue:
                continue
            try:
                if symbol in await self._venues.listed(market):
                    return market
            except SourceError as error:
                away = error
        if away is not None:
            raise away
        return ""

    async def _repairs(self, venue: str, symbol: str) -> SeriesRepairs:
        stored = self._stored
        witnesses, data = await self._witnesses(venue, symbol, await stored.held())
        return SeriesRepairs(
            stored.ask,
            stored.calendar,
            witnesses,
            stored.log(data, f"{venue} {symbol}"),
            stored.ledger,
            reader=stored.reader,
        )

    async def _judged(self, doing: Doing, check: str, names: object = ()) -> Recheck:
        number = doing.task.number
        report = await self.report(check, number)
        repairs = await self._repairs(report.dataset.venue, report.dataset.symbol)
        found = await repairs.recheck(report, tuple(names))  # type: ignore[arg-type]
        await self._documents.put(f"recheck.{check}.{number}", msgspec.msgpack.encode((doing.job.id, found)))
        return found

    async def _repair(self, doing: Doing, check: str, *, dry_run: bool) -> dict[str, object]:
        task = doing.task
        before = await self.recheck(check, task.number)
        judged = before[1] if before is not None else await self._judged(doing, check)
        repairs = await self._repairs(judged.dataset.venue, judged.dataset.symbol)
        plan = await repairs.plan(judged)
        shown: dict[str, object] = {"dataset": plain_recheck(judged)["dataset"], "plan": plain_plan(plan)}
        if not dry_run:
            result = await repairs.repair(judged, plan, job=doing.job.id, keep=self._keep_page(task))
            shown |= plain_repair(result)
        else:
            shown |= _state_before(await self.report(check, task.number))
        await self._documents.put(f"repair.{task.id}", msgspec.msgpack.encode(shown))
        names = ("revisions", "inserted", "undone", "requests", "after")
        facts: dict[str, object] = {name: shown[name] for name in names if name in shown}
        self._count(doing, task.kind, sum(int(str(facts.get(name) or 0)) for name in ("revisions", "inserted")))
        if shown.get("error"):
            raise Unproved(str(shown["error"]), facts)
        return facts

    def _keep_page(self, task: TaskRecord) -> Callable[[RawPage], Awaitable[None]]:
        async def keep(page: RawPage) -> None:
            await self._documents.put(f"repair.{task.id}.{page.sha256[:16]}", page.data)

        return keep

    async def shown_repair(self, task: TaskRecord) -> dict[str, object] | None:
        """What a repair has planned and done."""
        data = await self._documents.get(f"repair.{task.id}")
        return None if data is None else msgspec.msgpack.decode(data, type=dict[str, object])

    async def _daily(self, doing: Doing, request: DailyRequest) -> dict[str, object]:
        """Check the day before, judge, repair what is ours; facts of the check and of the repair."""
        task = doing.task
        schedule = self._stored.calendar.schedule(task.venue, task.symbol)
        day = request.day or last_whole_day(schedule, time.time_ns())
        sessions = schedule.sessions(day)
        span = msgspec.structs.replace(task, ts_from=sessions[0].ts_open, ts_to=sessions[-1].ts_close)
        try:
            facts = await self._check(span, CheckRequest())
        except UnknownSymbolError:
            return {"defects": 0, "text": "nothing is stored of the day"}
        if facts["defects"]:
            judged = await self._judged(doing, task.job)
            facts["counts"] = judged.counts
            if request.repair and judged.counts["ours"]:
                facts |= await self._repair(doing, task.job, dry_run=False)
        return facts


def last_whole_day(schedule: Schedule, now_ns: int) -> str:
    """The newest trading day that is over: on a Sunday the Friday of a Chinese future, the Saturday of a coin."""
    day = datetime.fromtimestamp(now_ns / 1e9, UTC).date() + timedelta(days=1)
    for _ in range(_MOST_DAYS_BACK):
        day -= timedelta(days=1)
        text = day_text(day)
        if schedule.trades(day) and schedule.sessions(text)[-1].ts_close + GRACE_NS <= now_ns:
            return text
    raise QueryError(f"day: expected a trading day within the last {_MOST_DAYS_BACK} days, there is none")


def facts_of_report(report: IntegrityReport) -> dict[str, object]:
    """What a job shows of a report."""
    first = report.defects[0] if report.defects else None
    return {
        "expected": report.expected,
        "present": report.present,
        "missing": report.missing,
        "unexpected": report.unexpected,
        "duplicate": report.duplicate,
        "defects": len(report.defects),
        "notices": len(report.notices),
        "score": report.score,
        "grade": report.grade,
        "clean": report.is_clean,
        "text": f"{first.code}: {first.total}" if first is not None else "",
    }


def facts_of_recheck(judged: Recheck) -> dict[str, object]:
    """What a job shows of verdicts."""
    return {"counts": judged.counts, "requests": judged.requests, "ledger": len(judged.ledger)}


def _state_before(report: IntegrityReport) -> dict[str, object]:
    before = {
        "defects": len(report.defects),
        "rows": sum(each.total for each in report.defects),
        "missing": report.missing,
        "score": report.score,
        "grade": report.grade,
    }
    return {"before": before, "after": None, "revisions": 0, "inserted": 0, "changes": [], "changes_total": 0}


__all__ = ["Actions", "Doing", "Unproved", "facts_of_report", "last_whole_day"]
