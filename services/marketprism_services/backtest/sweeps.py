"""What a sweep or a walk-forward says at its end, made of the results of its runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.backtesting.identity import digest_of
from marketprism_application.backtesting.statistics import statistics_of
from marketprism_application.contracts.backtests import BacktestRecord, Kind
from marketprism_application.sweeps.overfitting import verdict_of
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_services.backtest.objectives import value_of
from marketprism_services.backtest.stored_results import StoredResults, StoredRun

_DAYS_OF_CHINA, _DAYS_OF_ALWAYS = 242, 365
Result = dict[str, object]


@dataclass(frozen=True)
class Conclusion:
    """The last word of a record: its summary, or the reason why it has failed."""

    summary: dict[str, object] = field(default_factory=dict)
    code: str = ""
    error: str = ""
    digest: str = ""


class Conclusions:
    """Makes these words."""

    def __init__(self, store: BacktestStore, results: StoredResults) -> None:
        self._store, self._results = store, results

    async def of(self, record: BacktestRecord) -> Conclusion:
        """What a record of many runs comes to. Raises what NATS raises, RemoteError where the storage is away."""
        results = results_of(await self._results.runs(record.id))
        if len(results) < record.runs:
            text = f"results: expected those of {record.runs} runs, there are {len(results)}"
            return Conclusion(code="RESULT_LOST", error=text)
        done = [each for each in results if each.get("state") in ("done", "stopped")]
        if not done:
            first = results[0].get("error") if results else None
            text = str(first.get("text")) if isinstance(first, Mapping) else ""
            return Conclusion(code="STRATEGY_FAILED", error=f"every run has failed, the first one: {text}")
        before = await self._trials_before(record)
        summary = await asyncio.to_thread(_summed_up, record, results, done, before)
        digest = await asyncio.to_thread(
            digest_of, [[each.get("run_id"), each.get("outcome"), each["number"]] for each in results]
        )
        return Conclusion(summary, digest=digest)

    async def _trials_before(self, record: BacktestRecord) -> int:
        """Runs of this strategy over its whole history, without those of this record."""
        open_ones = sum(
            each.record.done
            for each in await self._store.records()
            if each.record.id != record.id
            and each.record.question.strategy == record.question.strategy
            and not each.record.same_as
            and each.record.created_at < record.created_at
        )
        return open_ones + await self._results.trials(record.question.strategy, record.created_at, record.id)


def results_of(runs: Sequence[StoredRun]) -> list[Result]:
    """Runs as they are answered."""
    return [{**each.document, "number": each.number} for each in runs]


def _summed_up(record: BacktestRecord, results: Sequence[Result], done: Sequence[Result], before: int) -> Result:
    assert record.sweep is not None  # noqa: S101 (every record of many runs has one)
    objective = record.sweep.objective
    if record.kind is Kind.WALK_FORWARD:
        return {"windows": len(results), "failed": len(results) - len(done), **_chained(record, done)}
    values = [value_of(each, objective) for each in done]
    best = max(range(len(done)), key=lambda at: (values[at] is not None, values[at] or 0.0, -at))
    returns = _returns(done, float(str(record.question.options["capital"])))
    verdict = verdict_of(returns, best, before)
    return {
        # Before the winner: what it is worth that it has won.
        "overfitting": verdict._asdict(),
        "trials": verdict.trials,
        "pbo": verdict.pbo,
        "deflated_sharpe": verdict.deflated,
        "objective": objective,
        "runs": len(results),
        "failed": len(results) - len(done),
        "best": _short(done[best], values[best]),
    }


def _short(result: Result, value: float | None) -> Result:
    left_out = ("days", "gaps", "refused_or_rounded", "remarks")
    return {**{name: each for name, each in result.items() if name not in left_out}, "value": value}


def _returns(done: Sequence[Result], capital: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Returns by trading day [days x runs]; a day that a run does not have is one without a return."""
    equities = [dict(_days(each)) for each in done]
    days = sorted(set().union(*equities))
    found = np.zeros((len(days), len(done)), dtype=np.float64)
    for run, equity in enumerate(equities):
        last = capital
        for row, day in enumerate(days):
            now = equity.get(day, last)
            found[row, run] = now / last - 1 if last else 0.0
            last = now
    return found


def _days(result: Result) -> list[tuple[str, float]]:
    rows = result.get("days")
    return [(str(day), float(str(equity))) for day, equity in rows] if isinstance(rows, list) else []


def _chained(record: BacktestRecord, windows: Sequence[Result]) -> Result:
    """Profits behind each training, one after another: what would have been earned by whoever chose anew each time."""
    capital = float(str(record.question.options["capital"]))
    equity, chain = capital, list[list[object]]()
    for window in windows:
        last = capital
        for day, now in _days(window):
            equity += now - last
            last = now
            chain.append([day, equity])
    year = _DAYS_OF_CHINA if is_chinese(record.question.venue) else _DAYS_OF_ALWAYS
    found = statistics_of([float(str(each[1])) for each in chain], capital, year=year, intraday=None)
    return {
        "net": equity - capital,
        "equity": chain,
        "statistics": {each.name: each.value for each in found},
        "chosen": [
            {name: each.get(name) for name in ("train", "test", "params", "in_sample", "net", "tried")}
            for each in windows
        ],
    }


__all__ = ["Conclusion", "Conclusions", "results_of"]
