"""What the backtest service answers over HTTP (`/api/v1/backtests/…`) and over NATS (`rpc.backtest.…`): single runs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Literal

import msgspec

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.access.scopes import Scope
from marketprism_application.backtesting.comparing import compared, differences
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.options import options_schema
from marketprism_application.backtesting.result_tables import ended_at
from marketprism_application.contracts.backtest_rows import RecordsAsked
from marketprism_application.contracts.backtests import (
    BacktestRecord,
    ById,
    CompareBacktests,
    Kind,
    ListBacktests,
    RunState,
    Shown,
    StrategyShown,
    SubmitBacktest,
    Submitted,
    TableOf,
)
from marketprism_application.contracts.failures import Code
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import HTTP_EVENTS, Caller, HttpFile, HttpState
from marketprism_sdk.service import http, rpc
from marketprism_services.backtest.child_messages import Found, Listing, Refused, Verify
from marketprism_services.backtest.child_process import ChildDied
from marketprism_services.backtest.refusals import refused, wrong
from marketprism_services.backtest.seeing import check_may_end, check_may_look, may_see, name_of
from marketprism_services.backtest.showing import (
    FILES,
    HTML,
    arrow_of,
    report_of,
    run_document_of,
    run_of,
    shown,
    table_of,
)
from marketprism_services.backtest.stored_results import StoredResults
from marketprism_services.backtest.submitting import Submissions
from marketprism_services.backtest.tasks import Executor

_MOST_LISTED = 1_000
_MOST_PAGES = 20  # of records, most of which the caller may not see
_MOST_COMPARED = 50
Part = Literal[
    "fills", "orders", "positions", "decisions", "equity", "series", "stats", "groups", "rolling", "gaps", "rerun"
]


class NoFields(msgspec.Struct):
    """A request without any argument."""


class PartOf(TableOf):
    """A part of a run's result by its name."""

    part: Part = "fills"


class Rerun(msgspec.Struct, frozen=True):
    """Whether a run that was made again is equal, and what has changed where it is not."""

    run_id: str
    again: str
    state: RunState
    equal: bool | None = None
    changed: tuple[str, ...] = ()


class Verified(msgspec.Struct, frozen=True):
    """Fills that were proved again by the rows: how many, which have no proof and why, and whether they give the same
    gross profit."""

    fills: int
    unproved: list[dict[str, object]]
    gross: str
    equal: bool


class Records:
    """Records by their names."""

    def __init__(self, store: BacktestStore, results: StoredResults) -> None:
        self._store, self._results = store, results

    async def one(self, id_: str, caller: Caller | None, *kinds: Kind) -> BacktestRecord:
        """A record that the caller may see. Raises RemoteError: NOT_FOUND, NOT_ENTITLED."""
        stored = await self._store.record(id_) if _is_name(id_) else None
        if stored is None or (kinds and stored.record.kind not in kinds):
            what = kinds[0].replace("_", "-") if kinds else "run, a sweep or a walk-forward"
            raise RemoteError(Code.NOT_FOUND, f"id: expected that of a {what}, was {id_[:80]!r}", {"field": "id"})
        check_may_look(caller, stored.record)
        return stored.record

    async def found(self, asked: ListBacktests, caller: Caller | None) -> list[Shown]:
        """Records that the caller may see, the newest first."""
        if asked.state and asked.state not in list(RunState):
            raise wrong("state", f"expected one of {', '.join(RunState)}", asked.state)
        if asked.kind and asked.kind not in list(Kind):
            raise wrong("kind", f"expected one of {', '.join(Kind)}", asked.kind)
        limit = min(max(0, asked.limit), _MOST_LISTED)
        found = {each.record.id: each.record for each in await self._store.records() if _is_meant(asked, each.record)}
        before = asked.before
        for _ in range(_MOST_PAGES):
            page = await self._results.records(
                RecordsAsked(
                    strategy=asked.strategy,
                    state=asked.state,
                    kind=asked.kind,
                    user=asked.user,
                    before=before,
                    after=asked.after,
                    limit=limit + 1,
                )
            )
            found |= {each.id: each for each in page if self._may_see(caller, each)}
            if len(page) <= limit or len(found) >= limit:
                break
            before = page[-1].created_at
        mine = [each for each in found.values() if self._may_see(caller, each)]
        mine.sort(key=lambda record: (-record.created_at, record.id))
        return [await shown(self._store, each, short=True) for each in mine[:limit]]

    @staticmethod
    def _may_see(caller: Caller | None, record: BacktestRecord) -> bool:
        return record.user == name_of(caller) or may_see(caller, record.question)


class BacktestOperations:
    """Answers of every instance."""

    def __init__(
        self, store: BacktestStore, results: StoredResults, submissions: Submissions, executor: Executor
    ) -> None:
        self._store, self._results, self._submissions, self._executor = store, results, submissions, executor
        self._records = Records(store, results)
        self._strategies: list[StrategyShown] | None = None

    @rpc("run")
    @http("POST", "", scope=Scope.BACKTEST, weight=10, timeout_s=60.0, status=202)
    async def run(self, asked: SubmitBacktest, caller: Caller | None = None) -> Submitted:
        """Run a strategy over stored rows; where to look for its result."""
        return await self._submissions.run(asked, caller)

    @rpc("list")
    @http("GET", "", scope=Scope.BACKTEST)
    async def show_all(self, asked: ListBacktests, caller: Caller | None = None) -> list[Shown]:
        """Runs, sweeps and walk-forwards, the newest first."""
        return await self._records.found(asked, caller)

    @rpc("get")
    @http("GET", "/{id}", scope=Scope.BACKTEST)
    async def get(self, asked: ById, caller: Caller | None = None) -> Shown:
        """What has become of a run, a sweep or a walk-forward, and how far it is."""
        return await shown(self._store, await self._records.one(asked.id, caller))

    @http("GET", "/{id}/events", scope=Scope.BACKTEST, content_types=(HTTP_EVENTS,))
    async def events(self, asked: ById, caller: Caller | None = None) -> HttpState:
        """The same as events, each time that it changes, until nothing more becomes of it."""
        record = await self._records.one(asked.id, caller)
        return HttpState(await shown(self._store, record, short=True), record.state.is_final)

    @rpc("table")
    @http("GET", "/{id}/{part}", scope=Scope.BACKTEST, weight=2, content_types=FILES)
    async def table(self, asked: PartOf, caller: Caller | None = None) -> object:
        """A part of a run's result: fills, orders, positions, decisions, equity, series, stats, groups (of
        positions), rolling (60 days back), gaps, or rerun."""
        record = await self._records.one(asked.id, caller, Kind.RUN)
        if asked.part == "rerun":
            return await self._compared(record)
        if asked.part == "gaps":
            return (await run_document_of(self._results, record)).get("gaps")
        return await table_of(self._results, record, asked.part, asked)

    @rpc("report")
    @http("GET", "/{id}/report.html", scope=Scope.BACKTEST, weight=2, content_types=(HTML,))
    async def report(self, asked: ById, caller: Caller | None = None) -> HttpFile:
        """The page of a run: equity, drawdown, trades on candles, months, costs, exposures."""
        return await report_of(self._results, await self._records.one(asked.id, caller, Kind.RUN))

    @rpc("document")
    async def document(self, asked: ById, caller: Caller | None = None) -> dict[str, object]:
        """All that a run says of itself, but for its rows."""
        return await run_document_of(self._results, await self._records.one(asked.id, caller, Kind.RUN))

    @rpc("cancel")
    @http("DELETE", "/{id}", scope=Scope.BACKTEST)
    async def cancel(self, asked: ById, caller: Caller | None = None) -> Shown:
        """End a run, a sweep or a walk-forward; one that has ended stays as it is."""
        record = await self._records.one(asked.id, caller)
        check_may_end(caller, record)
        if not record.state.is_final:
            await self._store.cancel(record.id, name_of(caller))
        return await shown(self._store, record)

    @rpc("rerun")
    @http("POST", "/{id}/rerun", scope=Scope.BACKTEST, weight=10, timeout_s=60.0, status=202)
    async def rerun(self, asked: ById, caller: Caller | None = None) -> Submitted:
        """Run a run again with the rows and the code that are there now; its part `rerun` says what has changed."""
        record = await self._records.one(asked.id, caller, Kind.RUN)
        question = record.question
        source = await self._source(record)
        options = {name: each for name, each in question.options.items() if name not in ("fill", "capital")}
        again = SubmitBacktest(
            strategy=question.strategy,
            instruments=question.instruments,
            params=question.params,
            interval=question.interval,
            start=question.ts_from if question.ts_from is not None else "",
            end=question.ts_to if question.ts_to is not None else "",
            venue=question.venue,
            mode=str(question.options["fill"]),
            capital=str(question.options["capital"]),
            settings=options,
            source=source,
            confirm=True,
            force=True,
        )
        return await self._submissions.run(again, caller, follow_of=record.id)

    async def _source(self, record: BacktestRecord) -> str:
        try:
            found = await self._executor.source_of(record)
        except BacktestError as error:
            raise refused(str(error.code), str(error)) from error
        return found.decode() if found is not None else ""

    async def _compared(self, record: BacktestRecord) -> Rerun:
        """What a run that was made again has to do with the first."""
        if not record.follow_of:
            raise wrong("id", "expected a run that `rerun` has made", record.id)
        first = await self._store.record(record.follow_of)
        if first is None or not record.state.is_final:
            return Rerun(record.follow_of, record.id, record.state)
        before = await run_document_of(self._results, first.record)
        now = await run_document_of(self._results, record)
        changed = tuple(differences(before, now))
        return Rerun(record.follow_of, record.id, record.state, not changed, changed)

    @rpc("verify")
    @http("POST", "/{id}/verify", scope=Scope.BACKTEST, weight=10, timeout_s=120.0)
    async def verify(self, asked: ById, caller: Caller | None = None) -> Verified:
        """Prove every fill of a run again by the rows."""
        record = await self._records.one(asked.id, caller, Kind.RUN)
        run = await run_of(self._results, record, "result")
        of = record.same_as or record.id
        tables = [await self._results.rows(of, name, 0, run.counts.get(name, 0)) for name in ("fills", "orders")]
        fills, orders = [await asyncio.to_thread(arrow_of, table) for table in tables]
        try:
            rows = await self._executor.rows_folder(record)
        except BacktestError as error:
            raise refused(str(error.code), str(error)) from error
        work = Verify(rows, record.question.options, fills, orders, ended_at(run.document))
        found = await self._of_child(work)
        unproved = found["unproved"]
        return Verified(
            int(str(found["fills"])),
            unproved if isinstance(unproved, list) else [],
            str(found["gross"]),
            Decimal(str(found["gross"])) == Decimal(str(run.document.get("gross"))),
        )

    @rpc("compare")
    @http("GET", "/compare", scope=Scope.BACKTEST, weight=2)
    async def compare(self, asked: CompareBacktests, caller: Caller | None = None) -> list[dict[str, object]]:
        """Runs beside one another: parameters, results, statistics, a value of each by its name."""
        names = [each.strip() for each in asked.ids.split(",") if each.strip()]
        if not 2 <= len(names) <= _MOST_COMPARED:
            raise wrong("ids", f"expected 2 to {_MOST_COMPARED} runs with commas between", asked.ids)
        records = [await self._records.one(each, caller, Kind.RUN) for each in names]
        return compared({each.id: await run_document_of(self._results, each) for each in records})

    @rpc("strategies")
    @http("GET", "/strategies", scope=Scope.BACKTEST, weight=2, timeout_s=60.0)
    async def strategies(self, _: NoFields) -> list[StrategyShown]:
        """Strategies that can be run, with the JSON Schema of their parameters."""
        if self._strategies is None:
            found = (await self._of_child(Listing()))["strategies"]
            self._strategies = msgspec.convert(found, list[StrategyShown])
        return self._strategies

    @rpc("options")
    @http("GET", "/options", scope=Scope.BACKTEST)
    async def options(self, _: NoFields) -> dict[str, object]:
        """The JSON Schema of the settings that a run may have."""
        return options_schema()

    async def _of_child(self, work: Verify | Listing) -> dict[str, object]:
        try:
            async with self._executor.child(self._executor.job(work)) as child:
                async for frame in child.frames():
                    if isinstance(frame, Found):
                        return frame.document
                    if isinstance(frame, Refused):
                        raise refused(frame.code, frame.text)
        except ChildDied as error:
            raise RemoteError(Code.INTERNAL, str(error)) from error
        raise RemoteError(Code.INTERNAL, "child: expected an answer, was none")


def _is_meant(asked: ListBacktests, record: BacktestRecord) -> bool:
    wanted = (asked.strategy, asked.state, asked.kind, asked.user)
    has = (record.question.strategy, record.state.value, record.kind.value, record.user)
    return (
        all(one in ("", other) for one, other in zip(wanted, has, strict=True))
        and (not asked.before or record.created_at < asked.before)
        and record.created_at > asked.after
    )


def _is_name(text: str) -> bool:
    return len(text) == 16 and all(each in "0123456789abcdef" for each in text)


__all__ = ["BacktestOperations", "Records"]
