"""What commands of backtests share: the rows that are asked for, errors as exit codes, and runs under their limits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_services.backtest.guard import NoOutside, limited
from marketprism_services.cli.backtest_data import FileRows, calendar_of
from marketprism_services.cli.backtest_options import BacktestOptions, as_stops
from marketprism_services.cli.backtest_stored import stored_selection

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object in the last line.")]
MaxSeconds = Annotated[float, typer.Option(help="Longest time without an event, 0: no limit.")]
MaxMemory = Annotated[int, typer.Option(help="Most memory that a run may add, in MB, 0: no limit.")]


class Limits(NamedTuple):
    """What a run may take: seconds without an event, megabytes beside its rows; 0 for no limit."""

    seconds: float = 60.0
    memory_mb: int = 0


class Asked(NamedTuple):
    """The calendar and the rows of a run, and what was done to the rows."""

    calendar: MarketCalendar
    selection: Selection
    remarks: tuple[str, ...]


def rows_of(options: BacktestOptions, data_dir: Path | None, nats_url: str | None) -> Asked:
    """The rows of files, or of a running pipeline where no such file is there.

    Raises:
        BacktestError: nothing is asked for. NoDataError, SourceError: there is none, or it cannot be read.
    """
    if not options.data:
        raise BacktestError("data: expected a file or an instrument, was none")
    calendar = calendar_of(Path(options.config) if options.config else None)
    files = [Path(each) for each in options.data if Path(each).exists()]
    if not files and not any("/" in each or "." in Path(each).name[-8:] for each in options.data):
        return Asked(calendar, *stored_selection(options, data_dir, nats_url))
    wanted = options.asked(tuple(Path(each) for each in options.data))
    rows = FileRows(wanted, calendar)
    selection = rows.selection()
    if not selection.instruments:
        raise NoDataError("data: expected rows in the range that is asked for, there are none")
    if wanted.ts_to is not None and wanted.ts_to > time.time_ns():
        rows.remarks.append(f"to: {options.end} is in the future, the range ends now")
    return Asked(calendar, selection, tuple(rows.remarks))


def run_limited(asked: Asked, spec: RunSpec, limits: Limits, *, strict: bool = False) -> RunResult:
    """Run once within limits. Raises BacktestError: the run cannot begin."""
    engines: list[Engine] = []

    def now() -> int:
        """Event time while callbacks run; before and after it the clock, which never stands still."""
        return engines[0].clock.now if engines and engines[0].is_running else time.monotonic_ns()

    with limited(now, seconds=limits.seconds, memory_mb=limits.memory_mb):
        if not strict:
            return run_backtest(asked.selection, asked.calendar, spec, remarks=asked.remarks, begun=engines.append)
        with NoOutside.during():
            return run_backtest(asked.selection, asked.calendar, spec, remarks=asked.remarks, begun=engines.append)


__all__ = ["AsJson", "Asked", "Limits", "MaxMemory", "MaxSeconds", "as_stops", "rows_of", "run_limited"]
