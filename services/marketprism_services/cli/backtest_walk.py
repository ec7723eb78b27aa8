"""`marketprism backtest walk-forward`: parameters chosen over days of training, and tried on the days behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.identity import digest_of
from marketprism_application.sweeps.run_returns import chained
from marketprism_application.sweeps.windows import walk_forward_windows
from marketprism_services.backtest.child_messages import Walk
from marketprism_services.backtest.child_walk import days_of
from marketprism_services.backtest.trials_file import Tried, remember, trials_before
from marketprism_services.cli.backtest_files import json_text
from marketprism_services.cli.backtest_options import BacktestOptions
from marketprism_services.cli.backtest_pool import pool_of
from marketprism_services.cli.backtest_rows import AsJson, Limits, MaxMemory, MaxSeconds, as_stops, rows_of
from marketprism_services.cli.backtest_sweep import Condition, Method, Objective, Question, Samples, Workers
from marketprism_services.cli.backtest_sweep_view import Counted, show_walk
from marketprism_services.cli.options import DataDir, NatsUrl, settings_of
from marketprism_services.platform.exits import Exit, Stop


def walk_forward(
    options: BacktestOptions,
    train: Annotated[int, typer.Option(help="Trading days that parameters are chosen over.")],
    test: Annotated[int, typer.Option(help="Trading days behind them that the chosen ones are tried on.")],
    anchored: Annotated[bool, typer.Option("--anchored", help="Every training begins at the first day.")] = False,
    embargo: Annotated[int, typer.Option(help="Days between both that neither sees.")] = 0,
    constraint: Condition = "",
    method: Method = "grid",
    samples: Samples = 100,
    objective: Objective = "sharpe",
    workers: Workers = 1,
    max_seconds: MaxSeconds = 60.0,
    max_memory: MaxMemory = 0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Choose parameters over days of training and run them on the days behind, window after window: what whoever chose
    anew each time would have earned.

    Exit 0 where a window is done, 1 where all have failed, 2 wrong usage, 3 no data.
    """
    with as_stops():
        question = Question(options, constraint, method, samples, objective)
        strategy = question.strategy()
        if method == "tpe":
            raise BacktestError("method: expected grid, random or sobol of a walk-forward, was 'tpe'")
        sets = tuple(params for _, params in question.sets(strategy) or ())
        asked = rows_of(options, data_dir, nats_url)
        days = days_of(asked.selection)
        windows = walk_forward_windows(days, train=train, test=test, embargo=embargo, anchored=anchored)
        counted = Counted(len(windows), silent=as_json)
        with (
            pool_of(options, asked, Limits(max_seconds, max_memory), workers) as (pool, work),
            counted.running(),
        ):
            walks = [
                Walk(work.rows, work.calendar, options.plain(), sets, number, each.train, each.test, objective)
                for number, each in enumerate(windows)
            ]
            results = sorted(counted.through(pool.walks(walks)), key=lambda each: int(str(each["number"])))
        done = [each for each in results if each.get("state") in ("done", "stopped")]
        if not done:
            error = results[0].get("error")
            text = error.get("text") if isinstance(error, dict) else "no window"
            raise Stop(Exit.FAILED, f"every window has failed, the first one: {text}")
        name = f"{strategy.__module__}:{strategy.__qualname__}"
        digest = digest_of([[each.get("run_id"), each.get("outcome")] for each in results])
        folder = settings_of(Path(options.config) if options.config else None, data_dir).data_dir
        before = trials_before(folder, name, digest)
        remember(folder, Tried(name, digest, len(sets)))
        venue = asked.selection.instruments[0].instrument.venue
        found = {
            "trials": before + len(sets),
            "windows": len(results),
            "failed": len(results) - len(done),
            "objective": objective,
            **chained(done, float(options.capital), venue),
            "digest": digest,
        }
    if as_json:
        print(json_text(found))
    else:
        show_walk(found, asked.remarks)


__all__ = ["walk_forward"]
