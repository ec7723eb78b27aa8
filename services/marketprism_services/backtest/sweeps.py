"""What a sweep or a walk-forward says at its end, made of the results of its runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.identity import digest_of
from marketprism_application.contracts.backtests import BacktestRecord, Kind
from marketprism_application.sweeps.overfitting import verdict_of
from marketprism_application.sweeps.robustness import plateau_of
from marketprism_application.sweeps.run_returns import RANKED, Result, chained, returns_of, trials_digest, winner_of
from marketprism_services.backtest.child_spaces import space_of
from marketprism_services.backtest.objectives import value_of
from marketprism_services.backtest.stored_results import StoredResults, StoredRun
from marketprism_services.backtest.trials_file import Tried, remember, sweeps_of

log = structlog.get_logger()


@dataclass(frozen=True)
class Conclusion:
    """The last word of a record: its summary, or the reason why it has failed."""

    summary: dict[str, object] = field(default_factory=dict)
    code: str = ""
    error: str = ""
    digest: str = ""


class Conclusions:
    """Makes these words."""

    def __init__(self, store: BacktestStore, results: StoredResults, data_dir: Path) -> None:
        """`data_dir` remembers sweeps of the command line, and for it those of this service."""
        self._store, self._results, self._data_dir = store, results, data_dir

    async def of(self, record: BacktestRecord) -> Conclusion:
        """What a record of many runs comes to. Raises what NATS raises, RemoteError where the storage is away."""
        results = results_of(await self._results.runs(record.id))
        if len(results) < record.runs:
            text = f"results: expected those of {record.runs} runs, there are {len(results)}"
            return Conclusion(code="RESULT_LOST", error=text)
        done = [each for each in results if each.get("state") in ("done", "stopped", RANKED)]
        if all(each.get("state") == RANKED for each in done):
            first = next((each["error"] for each in results if each.get("error")), None)
            text = str(first.get("text")) if isinstance(first, Mapping) else ""
            return Conclusion(code="STRATEGY_FAILED", error=f"every run has failed, the first one: {text}")
        digest = await asyncio.to_thread(_digest, record, results)
        before = await self._trials_before(record, digest)
        summary = await asyncio.to_thread(_summed_up, record, results, done, before)
        return Conclusion(summary, digest=digest)

    async def _trials_before(self, record: BacktestRecord, digest: str) -> int:
        """Runs of this strategy over its whole history, the same content once, without those of this record."""
        strategy = record.question.strategy
        found = {
            each.record.digest or each.record.id: each.record.done
            for each in await self._store.records()
            if each.record.id != record.id
            and each.record.question.strategy == strategy
            and not each.record.same_as
            and each.record.created_at < record.created_at
        }
        found |= await self._results.trials(strategy, record.created_at, record.id)
        found |= await asyncio.to_thread(self._of_commands, Tried(strategy, digest, record.runs, by_service=True))
        found.pop(digest, None)
        return sum(found.values())

    def _of_commands(self, mine: Tried) -> dict[str, int]:
        """Trials of sweeps of the command line by their digests; these are written down for it."""
        try:
            known = sweeps_of(self._data_dir, mine.strategy)
            remember(self._data_dir, mine)
        except BacktestError as error:
            log.warning("backtest.trials_not_shared", error=str(error))
            return {}
        return {each.sweep: each.trials for each in known.values() if not each.by_service}


def results_of(runs: Sequence[StoredRun]) -> list[Result]:
    """Runs as they are answered."""
    return [{**each.document, "number": each.number} for each in runs]


def _digest(record: BacktestRecord, results: Sequence[Result]) -> str:
    if record.kind is Kind.SWEEP:
        return trials_digest(results)
    return digest_of([[each.get("run_id"), each.get("outcome"), each["number"]] for each in results])


def _summed_up(record: BacktestRecord, results: Sequence[Result], done: Sequence[Result], before: int) -> Result:
    assert record.sweep is not None  # noqa: S101 (every record of many runs has one)
    objective = record.sweep.objective
    if record.kind is Kind.WALK_FORWARD:
        capital = float(str(record.question.options["capital"]))
        chain = chained(done, capital, record.question.venue)
        return {"windows": len(results), "failed": len(results) - len(done), **chain}
    values = [value_of(each, objective) for each in done]
    best = winner_of(done, values)
    returns = returns_of(done, float(str(record.question.options["capital"])))
    verdict = verdict_of(returns, best, before)
    return {
        # Before the winner: what it is worth that it has won.
        "overfitting": {
            **verdict._asdict(),
            "trials_before": before,
            "plateau": plateau_of(space_of(record.sweep.space, record.sweep.constraint), done, values, best),
            "net_at_double_costs": _dearer(record, done[best]),
        },
        "trials": verdict.trials,
        "pbo": verdict.pbo,
        "deflated_sharpe": verdict.deflated,
        "objective": objective,
        "runs": len(results),
        "failed": len(results) - len(done),
        "ranked_by_kernel": sum(each.get("state") == RANKED for each in done),
        "differ_from_kernel": sum(each.get("differs") is True for each in done),
        "best": _short(done[best], values[best]),
    }


def _dearer(record: BacktestRecord, best: Result) -> object:
    found = record.summary.get("dearer")
    return found.get("net") if isinstance(found, Mapping) and found.get("number") == best["number"] else None


def _short(result: Result, value: float | None) -> Result:
    left_out = ("days", "gaps", "refused_or_rounded", "remarks")
    return {**{name: each for name, each in result.items() if name not in left_out}, "value": value}


__all__ = ["Conclusion", "Conclusions", "results_of"]
