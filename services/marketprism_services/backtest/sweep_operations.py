"""What the backtest service answers about many runs of one question: sweeps and walk-forwards."""

from __future__ import annotations

import msgspec

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.backtests import (
    BacktestRecord,
    ById,
    GridOf,
    Kind,
    ResultsOf,
    RunState,
    Shown,
    SubmitSweep,
    Submitted,
    SubmitWalkForward,
)
from marketprism_application.contracts.failures import Code
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller
from marketprism_sdk.service import http, rpc
from marketprism_services.backtest.objectives import objectives, value_of
from marketprism_services.backtest.operations import Records
from marketprism_services.backtest.refusals import wrong
from marketprism_services.backtest.showing import shown
from marketprism_services.backtest.stored_results import StoredResults
from marketprism_services.backtest.submitting import Submissions
from marketprism_services.backtest.sweeps import results_of

_MOST_ROWS = 1_000


class Overfitting(msgspec.Struct, frozen=True):
    """What is to be seen before a winner: trials of the strategy over its history, the probability that the best is
    so by chance (`pbo`), its Sharpe ratio against that of so many trials (`deflated_sharpe`)."""

    trials: int
    pbo: float | None
    deflated_sharpe: float | None
    details: dict[str, object]


class SweepResults(msgspec.Struct, frozen=True):
    """Results of a sweep: first how far its best can be trusted, then the runs, the best first."""

    overfitting: Overfitting | None
    sort: str
    total: int
    rows: list[dict[str, object]]


class SweepGrid(msgspec.Struct, frozen=True):
    """Every run of a sweep by one value: first how far its best can be trusted, then a number, parameters and a value
    each, None of a run that has failed."""

    overfitting: Overfitting | None
    by: str
    rows: list[dict[str, object]]


class SweepOperations:
    """Answers of every instance."""

    def __init__(self, store: BacktestStore, results: StoredResults, submissions: Submissions) -> None:
        self._store, self._results, self._submissions = store, results, submissions
        self._records = Records(store, results)

    @rpc("sweep")
    @http("POST", "/sweeps", scope=Scope.BACKTEST, weight=20, timeout_s=120.0, status=202)
    async def sweep(self, asked: SubmitSweep, caller: Caller | None = None) -> Submitted:
        """Run a strategy with many sets of parameters; where to look for the results."""
        return await self._submissions.sweep(asked, caller)

    @rpc("show_sweep")
    @http("GET", "/sweeps/{id}", scope=Scope.BACKTEST)
    async def show_sweep(self, asked: ById, caller: Caller | None = None) -> Shown:
        """How far a sweep is, and what it has come to."""
        return await shown(self._store, await self._records.one(asked.id, caller, Kind.SWEEP))

    @rpc("sweep_results")
    @http("GET", "/sweeps/{id}/results", scope=Scope.BACKTEST, weight=2)
    async def results(self, asked: ResultsOf, caller: Caller | None = None) -> SweepResults:
        """The runs of a sweep, the best first."""
        record = await self._records.one(asked.id, caller, Kind.SWEEP)
        sort = "number" if asked.sort == "number" else _sort_of(record, asked.sort, "sort")
        if record.state is not RunState.DONE:
            raise _not_ended(record)
        by, limit = "" if sort == "number" else sort, min(max(0, asked.limit), _MOST_ROWS)
        part = results_of(await self._results.runs(record.same_as or record.id, by, max(0, asked.offset), limit))
        return SweepResults(_overfitting(record), sort, record.runs, part)

    @rpc("sweep_grid")
    @http("GET", "/sweeps/{id}/grid", scope=Scope.BACKTEST, weight=2)
    async def grid(self, asked: GridOf, caller: Caller | None = None) -> SweepGrid:
        """Every run of a sweep by its parameters and one value, in the order of their numbers."""
        record = await self._records.one(asked.id, caller, Kind.SWEEP)
        by = _sort_of(record, asked.by, "by")
        rows = [
            {"number": each["number"], "params": each.get("params"), "value": value_of(each, by)}
            for each in await self._found(record)
        ]
        return SweepGrid(_overfitting(record), by, rows)

    @rpc("pbo")
    @http("GET", "/sweeps/{id}/pbo", scope=Scope.BACKTEST)
    async def pbo(self, asked: ById, caller: Caller | None = None) -> Overfitting:
        """How far the best run of a sweep can be trusted."""
        record = await self._records.one(asked.id, caller, Kind.SWEEP)
        found = _overfitting(record)
        if found is None:
            raise _not_ended(record)
        return found

    @rpc("walk_forward")
    @http("POST", "/walk-forwards", scope=Scope.BACKTEST, weight=20, timeout_s=120.0, status=202)
    async def walk_forward(self, asked: SubmitWalkForward, caller: Caller | None = None) -> Submitted:
        """Choose parameters over days of training and run them on the days behind, again and again."""
        return await self._submissions.walk_forward(asked, caller)

    @rpc("show_walk_forward")
    @http("GET", "/walk-forwards/{id}", scope=Scope.BACKTEST)
    async def show_walk_forward(self, asked: ById, caller: Caller | None = None) -> Shown:
        """How far a walk-forward is, its windows, and the chained equity behind them."""
        return await shown(self._store, await self._records.one(asked.id, caller, Kind.WALK_FORWARD))

    async def _found(self, record: BacktestRecord) -> list[dict[str, object]]:
        if record.state is not RunState.DONE:
            raise _not_ended(record)
        return results_of(await self._results.runs(record.same_as or record.id))


def _sort_of(record: BacktestRecord, name: str, field: str) -> str:
    """By what runs are ordered. Raises RemoteError: there is no such value."""
    assert record.sweep is not None  # noqa: S101 (every sweep has one)
    found = name or record.sweep.objective
    if found not in objectives():
        raise wrong(field, "expected number, net or a statistic as sharpe", found)
    return found


def _overfitting(record: BacktestRecord) -> Overfitting | None:
    details = record.summary.get("overfitting")
    if not isinstance(details, dict):
        return None
    return msgspec.convert(
        {
            "trials": record.summary["trials"],
            "pbo": record.summary["pbo"],
            "deflated_sharpe": record.summary["deflated_sharpe"],
            "details": details,
        },
        Overfitting,
    )


def _not_ended(record: BacktestRecord) -> RemoteError:
    text = f"id: expected a {record.kind} that is done, was {record.id}, which is {record.state}"
    return RemoteError(Code.NOT_FOUND, f"{text}: {record.error}" if record.error else text, {"field": "id"})


__all__ = ["SweepOperations"]
