"""`marketprism backtest`: a strategy over recordings, files of bars, or what is stored, without any server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from typer.core import TyperGroup

from marketprism_application.backtesting.causality import prove_causality
from marketprism_application.backtesting.comparing import compared, differences
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.report_page import report_page
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.result_tables import ended_at, run_document
from marketprism_application.backtesting.verification import verify_fills
from marketprism_services.cli import backtest_service, backtest_sweep, backtest_walk
from marketprism_services.cli.backtest_files import active_orders, json_text, read_fills, read_run, write_run
from marketprism_services.cli.backtest_options import BacktestOptions, with_run_options
from marketprism_services.cli.backtest_rows import (
    AsJson,
    Asked,
    Limits,
    MaxMemory,
    MaxSeconds,
    as_stops,
    rows_of,
    run_limited,
)
from marketprism_services.cli.backtest_view import show_result, show_trials
from marketprism_services.cli.options import DataDir, NatsUrl, err
from marketprism_services.platform.exits import Exit

if TYPE_CHECKING:
    from typer._click import Command, Context

RunDir = Annotated[Path, typer.Argument(help="The folder that --out wrote.")]


class RunByDefault(TyperGroup):
    """`backtest STRATEGY …` is `backtest run STRATEGY …`."""

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The subcommand that is named, or `run` where the first word is a strategy."""
        return super().resolve_command(ctx, args if args and args[0] in self.commands else ["run", *args])


backtest = typer.Typer(
    cls=RunByDefault,
    help="Run a strategy over recordings, files of bars, or what is stored; prove, repeat and compare runs.",
    no_args_is_help=True,
)


def run(
    options: BacktestOptions,
    max_seconds: MaxSeconds = 60.0,
    max_memory: MaxMemory = 0,
    prove: Annotated[
        bool, typer.Option("--prove-causality", help="Prove that no decision sees the future, at random instants.")
    ] = False,
    points: Annotated[int, typer.Option(help="At how many instants.")] = 20,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Write fills, orders, equity (Parquet, CSV) and report.html here.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Write report.html, into --out or here.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Run a strategy and say what became of it: orders, fees, profit, statistics, and what gaps have to do with it.

    Exit 0 where the run is done, 1 where the strategy failed, 2 wrong usage, 3 no data.
    """
    with as_stops():
        spec = options.spec(Path.cwd())
        asked = rows_of(options, data_dir, nats_url)
        trials = None
        if prove:
            trials = prove_causality(asked.selection, asked.calendar, spec, points=points, seed=options.seed)
        result = run_limited(asked, spec, Limits(max_seconds, max_memory), strict=options.strict)
        if out_dir is not None:
            write_run(out_dir, result, options)
        if plot or out_dir is not None:
            _write_page(out_dir or Path.cwd(), report_page(result, asked.selection))
        _show(result, as_json=as_json)
        if trials is not None:
            proved = show_trials(trials, as_json=as_json)
            if not proved:
                raise typer.Exit(Exit.FAILED)
        if as_json:
            summary = result.summary()
            if trials is not None:
                summary["causality"] = {
                    "trials": len(trials),
                    "different": sum(bool(each.difference) for each in trials),
                }
            print(json_text(summary))
        if result.failed is not None:
            raise typer.Exit(Exit.FAILED)


def verify(run_dir: RunDir, as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Prove every fill of a run again by the rows that are there now; exit 1 where one has no proof."""
    with as_stops():
        stored = _stored_run(run_dir, data_dir, nats_url)
        settings = stored.options.settings()
        found = verify_fills(
            read_fills(run_dir), stored.rows.selection, settings, active_orders(run_dir), ended_at(stored.document)
        )
        gross = stored.document.get("gross")
        if as_json:
            unproved = [each._asdict() for each in found.unproved]
            equal = found.gross == gross
            print(json_text({"fills": found.fills, "unproved": unproved, "gross": found.gross, "equal": equal}))
        else:
            err.print(f"{found.fills} fills, {len(found.unproved)} without proof", highlight=False)
            for each in found.unproved[:20]:
                err.print(f"fill {each.fill}: {each.text}", style="red", highlight=False, markup=False)
            if found.gross != gross:
                text = f"gross: expected {gross}, the fills give {found.gross}"
                err.print(text, style="red", highlight=False, markup=False)
        if found.unproved or found.gross != gross:
            raise typer.Exit(Exit.FAILED)


def rerun(run_dir: RunDir, as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Run a run again and say whether it is equal, or what has changed: which day's data, the code, the settings."""
    with as_stops():
        stored = _stored_run(run_dir, data_dir, nats_url)
        again = run_limited(stored.rows, stored.options.spec(Path.cwd()), Limits(), strict=stored.options.strict)
        changed = differences(stored.document, run_document(again))
        if as_json:
            print(json_text({"equal": not changed, "run_id": again.run_id, "changed": changed}))
        else:
            for each in changed or ["equal"]:
                err.print(each, highlight=False, markup=False, soft_wrap=True)
        if changed:
            raise typer.Exit(Exit.FAILED)


def compare(
    run_dirs: Annotated[list[Path], typer.Argument(help="Folders that --out wrote, two or more.")],
    as_json: AsJson = False,
) -> None:
    """Hold runs beside one another: parameters, results, statistics."""
    from marketprism_services.cli.backtest_view import show_compared  # noqa: PLC0415 (only here)

    with as_stops():
        if len(run_dirs) < 2:
            raise BacktestError(f"run: expected two folders or more, was {len(run_dirs)}")
        rows = compared({str(each): read_run(each) for each in run_dirs})
    if as_json:
        print(json_text(rows))
    else:
        show_compared(rows, [str(each) for each in run_dirs])


for _name, _command in (
    ("run", with_run_options(run)),
    ("sweep", with_run_options(backtest_sweep.sweep)),
    ("walk-forward", with_run_options(backtest_walk.walk_forward)),
    ("verify", verify),
    ("rerun", rerun),
    ("compare", compare),
    ("submit", backtest_service.submit),
    ("list", backtest_service.list_runs),
    ("show", backtest_service.show),
    ("cancel", backtest_service.cancel),
):
    backtest.command(_name)(_command)


class _StoredRun(NamedTuple):
    """A run that `--out` has written: what it says, what it was asked for by, and its rows as they are now."""

    document: dict[str, object]
    options: BacktestOptions
    rows: Asked


def _stored_run(run_dir: Path, data_dir: Path | None, nats_url: str | None) -> _StoredRun:
    document = read_run(run_dir)
    found = document.get("options")
    options = BacktestOptions.of_plain(dict(found) if isinstance(found, dict) else {})
    return _StoredRun(document, options, rows_of(options, data_dir, nats_url))


def _write_page(folder: Path, text: str) -> None:
    path = folder / "report.html"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BacktestError(f"out: expected a folder that can be written, {folder}: {error.strerror}") from error
    err.print(f"wrote {os.path.relpath(path)}", highlight=False, markup=False, soft_wrap=True)


def _show(result: RunResult, *, as_json: bool) -> None:
    if result.failed is not None:
        err.print(result.failed.text, style="red", highlight=False, markup=False, soft_wrap=True)
    if not as_json:
        show_result(result)


__all__ = ["backtest"]
