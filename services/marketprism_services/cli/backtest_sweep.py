"""`marketprism backtest sweep`: one strategy with many sets of parameters, and what the best of them is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.loading import load_strategy, parameters_of
from marketprism_application.backtesting.options import settings_of
from marketprism_application.backtesting.repeatability import check_repeatable
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.sweeps.overfitting import verdict_of
from marketprism_application.sweeps.robustness import dearer_options, dearer_rows, plateau_of
from marketprism_application.sweeps.run_returns import RANKED, returns_of, trials_digest, winner_of
from marketprism_application.sweeps.shortlist import to_confirm
from marketprism_application.sweeps.space import METHODS, Space
from marketprism_application.sweeps.tpe import TpeSearch
from marketprism_services.backtest.child_messages import Check
from marketprism_services.backtest.child_spaces import sets_of
from marketprism_services.backtest.objectives import objectives, value_of
from marketprism_services.backtest.trials_file import Tried, remember, trials_before
from marketprism_services.cli.backtest_files import json_text
from marketprism_services.cli.backtest_options import BacktestOptions
from marketprism_services.cli.backtest_pool import Pool, Result, pool_of
from marketprism_services.cli.backtest_ranked import by_kernel, confirmed
from marketprism_services.cli.backtest_rows import AsJson, Asked, Limits, MaxMemory, MaxSeconds, as_stops, rows_of
from marketprism_services.cli.backtest_sweep_view import Counted, show_sweep
from marketprism_services.cli.options import DataDir, NatsUrl
from marketprism_services.cli.options import settings_of as settings_of_command
from marketprism_services.platform.exits import Exit, Stop

Objective = Annotated[
    str, typer.Option(help="What runs are ranked by: net, or a statistic as sharpe; the most is best.")
]
Condition = Annotated[str, typer.Option("--constraint", help="Which sets are tried: 'fast < slow'.")]
Method = Annotated[str, typer.Option(help="Which sets are tried: grid, random, sobol or tpe.")]
Samples = Annotated[int, typer.Option(help="How many sets random, sobol and tpe try.")]
Workers = Annotated[int, typer.Option(help="Processes that run at once.")]
ByKernel = Annotated[
    bool,
    typer.Option("--kernel", help="Rank the sets by the strategy's signals (extra fast), run the best by events."),
]
_AT_ONCE = 8  # sets of tpe that are asked for together, whatever the number of workers: so it changes no result
_SHOWN = 10


def sweep(
    options: BacktestOptions,
    constraint: Condition = "",
    method: Method = "grid",
    samples: Samples = 100,
    objective: Objective = "sharpe",
    workers: Workers = 1,
    kernel: ByKernel = False,
    max_seconds: MaxSeconds = 60.0,
    max_memory: MaxMemory = 0,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Write every run's numbers here: sweep.parquet.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Run a strategy with many sets of parameters: --param fast=5:50:5 --param slow=30,60. What the best one is worth
    stands before it: trials (over its history, where there is a data directory), deflated Sharpe ratio, PBO.

    Exit 0 where a run is done, 1 where all have failed, 2 wrong usage, 3 no data.
    """
    with as_stops():
        question = Question(options, constraint, method, samples, objective)
        strategy = question.strategy()
        if kernel and method == "tpe":
            raise BacktestError("kernel: expected method grid, random or sobol, was 'tpe'")
        sets = question.sets(strategy)
        asked = rows_of(options, data_dir, nats_url)
        ranking = by_kernel(strategy, options, objective, asked, sets) if kernel and sets is not None else None
        total = samples if sets is None else len(sets if ranking is None else to_confirm(ranking))
        counted = Counted(total, silent=as_json)
        limits = Limits(max_seconds, max_memory)
        with pool_of(options, asked, limits, workers) as (pool, _), counted.running():
            if sets is None:
                results = question.by_search(pool, counted)
            elif ranking is None:
                results = list(counted.through(pool.runs(sets)))
            else:
                results = confirmed(ranking, sets, pool, counted)
        results.sort(key=lambda each: int(str(each["number"])))
        if not any(_is_done(each) and each.get("state") != RANKED for each in results):
            raise Stop(Exit.FAILED, f"every run has failed, the first one: {_error(results)}")
        folder = settings_of_command(Path(options.config) if options.config else None, data_dir).data_dir
        found = question.verdict(strategy, results, folder, asked)
        if out_dir is not None:
            _write(out_dir, results, objective)
    if as_json:
        print(json_text(found))
    else:
        show_sweep(found, asked.remarks)


@dataclass(frozen=True)
class Question:
    """What a sweep is asked for by."""

    options: BacktestOptions
    constraint: str
    method: str
    samples: int
    objective: str

    def strategy(self) -> type[Strategy]:
        """The strategy's class, its settings and objective checked. Raises BacktestError: one of them cannot be."""
        self.options.settings()
        known = objectives()
        if self.objective not in known:
            near = did_you_mean(self.objective, known)
            raise BacktestError(f"objective: expected net or a statistic as sharpe, was {self.objective!r}{near}")
        if self.method not in METHODS:
            near = did_you_mean(self.method, METHODS)
            raise BacktestError(f"method: expected one of {', '.join(METHODS)}, was {self.method!r}{near}")
        strategy = load_strategy(self.options.strategy, Path.cwd())
        if self.options.strict:
            check_repeatable(strategy)
        return strategy

    def space(self) -> Space:
        """Every combination of the parameters' values. Raises ParameterError: it cannot be read."""
        return Space.of_texts([f"{name}={values}" for name, values in self.options.params.items()], self.constraint)

    def sets(self, strategy: type[Strategy]) -> list[tuple[int, dict[str, object]]] | None:
        """Every set with its number, complete; None where results decide what is tried. Raises ParameterError."""
        if self.method == "tpe":
            TpeSearch(self.space(), self.samples)  # what it cannot is said before rows are read
            parameters_of(strategy, self.space().at([0] * len(self.space().dimensions)))
            return None
        values: dict[str, object] = dict(self.options.params)
        seed = self.options.seed
        check = Check({}, space=values, method=self.method, samples=self.samples, constraint=self.constraint, seed=seed)
        return list(enumerate(sets_of(check, strategy)))

    def by_search(self, pool: Pool, counted: Counted) -> list[Result]:
        """Sets that are chosen by the results of those before."""
        search, results = TpeSearch(self.space(), self.samples, self.options.seed), list[Result]()
        strategy = load_strategy(self.options.strategy, Path.cwd())
        while chosen := search.ask(_AT_ONCE):
            whole = [parameters_of(strategy, values).model_dump(mode="json") for values in chosen]
            numbered = [(len(results) + place, each) for place, each in enumerate(whole)]
            found = sorted(counted.through(pool.runs(numbered)), key=lambda each: int(str(each["number"])))
            for values, each in zip(chosen, found, strict=True):
                search.tell(values, value_of(each, self.objective) if _is_done(each) else None)
            results += found
        return results

    def verdict(self, strategy: type[Strategy], results: Sequence[Result], folder: Path, asked: Asked) -> Result:
        """What is said of a sweep: first how far its best can be trusted. Writes down that these were tried."""
        done = [each for each in results if _is_done(each)]
        values = [value_of(each, self.objective) for each in done]
        ranked = sum(each.get("state") == RANKED for each in results)
        best = winner_of(done, values)
        name = f"{strategy.__module__}:{strategy.__qualname__}"
        digest = trials_digest(results)
        before = trials_before(folder, name, digest)
        remember(folder, Tried(name, digest, len(results)))
        capital = float(self.options.capital)
        verdict = verdict_of(returns_of(done, capital), best, before)
        return {
            "trials": verdict.trials,
            "deflated_sharpe": verdict.deflated,
            "pbo": verdict.pbo,
            "overfitting": {
                **verdict._asdict(),
                "trials_before": before,
                "plateau": plateau_of(self.space(), done, values, best),
                "net_at_double_costs": self._dearer(strategy, done[best], asked),
            },
            "objective": self.objective,
            "method": self.method,
            "runs": len(results),
            "ranked_by_kernel": ranked,
            "differ_from_kernel": sum(each.get("differs") is True for each in results),
            "failed": len(results) - len(done),
            "digest": digest,
            "best": _short(done[best], values[best]),
            "results": [
                _short(done[at], values[at])
                for at in sorted(range(len(done)), key=lambda at: (values[at] is None, -(values[at] or 0.0), at))[
                    :_SHOWN
                ]
            ],
        }

    def _dearer(self, strategy: type[Strategy], best: Result, asked: Asked) -> Decimal | None:
        """Net of the best with fees twice as high and fills a tick worse; None where it fails."""
        params = best["params"]
        assert isinstance(params, dict)  # noqa: S101 (a summary has them)
        settings = settings_of(dearer_options(self.options.plain()))
        spec = RunSpec(strategy, parameters_of(strategy, params), settings, self.options.strategy)
        result = run_backtest(dearer_rows(asked.selection), asked.calendar, spec)
        return None if result.failed is not None else result.net


def _is_done(result: Result) -> bool:
    return result.get("state") in ("done", "stopped", RANKED)


def _error(results: Sequence[Result]) -> str:
    error = next((each.get("error") for each in results if each.get("error")), None)
    return str(error.get("text")) if isinstance(error, dict) else "no run"


def _short(result: Result, value: float | None) -> Result:
    names = ("number", "state", "params", "net", "gross", "fees", "orders", "lots", "gap_exposure", "run_id", "outcome")
    return {"value": value, **{name: result.get(name) for name in names}}


def _rows(results: Sequence[Result], objective: str) -> Iterator[Result]:
    for each in results:
        params = each.get("params")
        statistics = each.get("statistics")
        yield {
            "number": each["number"],
            "state": each.get("state"),
            "value": value_of(each, objective),
            **({f"param_{name}": str(value) for name, value in params.items()} if isinstance(params, dict) else {}),
            **{name: None if each.get(name) is None else str(each[name]) for name in ("net", "gross", "fees", "lots")},
            "orders": each.get("orders"),
            **(statistics if isinstance(statistics, dict) else {}),
            "run_id": each.get("run_id"),
        }


def _write(folder: Path, results: Sequence[Result], objective: str) -> None:
    rows = list(_rows(results, objective))
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / "sweep.parquet")
    except OSError as error:
        raise BacktestError(f"out: expected a folder that can be written, {folder}: {error.strerror}") from error


__all__ = ["Condition", "Method", "Objective", "Question", "Samples", "Workers", "sweep"]
