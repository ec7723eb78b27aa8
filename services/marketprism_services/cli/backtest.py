"""`marketprism backtest`: a strategy over recordings, files of bars, or what is stored, without any server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from marketprism_application.backtesting.causality import prove_causality
from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.comparing import compared, differences
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.report_page import report_page
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.result_tables import run_document
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.verification import verify_fills
from marketprism_application.errors import SourceError
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_services.backtest.guard import NoOutside, limited
from marketprism_services.cli import backtest_service
from marketprism_services.cli.backtest_data import FileRows, calendar_of
from marketprism_services.cli.backtest_files import active_orders, json_text, read_fills, read_run, write_run
from marketprism_services.cli.backtest_options import BacktestOptions, params_of
from marketprism_services.cli.backtest_stored import stored_selection
from marketprism_services.cli.backtest_view import show_result, show_trials
from marketprism_services.cli.options import Config, DataDir, From, NatsUrl, To, err
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    from typer._click import Command, Context

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object in the last line.")]


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


@backtest.command("run")
def run(
    strategy: Annotated[str, typer.Argument(help="package.module:Class or file.py:Class; looked for here first.")],
    data: Annotated[
        list[str], typer.Argument(help="Recordings of ticks, files of bars or trades, or a stored instrument.")
    ],
    param: Annotated[
        list[str] | None, typer.Option("--param", help="name=value of the strategy; several times.")
    ] = None,
    interval: Annotated[str, typer.Option(help="Of the bars: 1m 5m 1h 1d …; a file tells its own.")] = "",
    fill: Annotated[str, typer.Option(help="What fills orders: bar, quote, trade or queue.")] = "bar",
    start: From = None,
    end: To = None,
    symbol: Annotated[str, typer.Option(help="The instrument of a file that does not name it.")] = "",
    venue: Annotated[str, typer.Option(help="The exchange or the market of the data.")] = "",
    capital: Annotated[str, typer.Option(help="Money that the account begins with.")] = "1000000",
    fee_rate: Annotated[str, typer.Option(help="Fee as a share of the value; without, the tables of orders.")] = "",
    fee_per_lot: Annotated[str, typer.Option(help="Fee in money of each lot.")] = "",
    multiplier: Annotated[str, typer.Option(help="Units of one lot; without, the product's own.")] = "",
    margin_rate: Annotated[str, typer.Option(help="Margin as a share of the value; 0 asks for none.")] = "",
    leverage: Annotated[str, typer.Option(help="Leverage of a crypto account, 1 without.")] = "",
    price_tick: Annotated[str, typer.Option(help="Least step of a price, where the terms are not known.")] = "",
    participation: Annotated[str, typer.Option(help="Most of a bar's volume that is filled: 0.1 of it.")] = "",
    unlimited: Annotated[bool, typer.Option("--unlimited", help="Fill more than a quote shows.")] = False,
    touch: Annotated[bool, typer.Option("--touch", help="A bar that only touches a limit fills it.")] = False,
    detail: Annotated[str, typer.Option(help="tick: ticks decide between a stop and a target in one bar.")] = "",
    slippage: Annotated[
        str, typer.Option(help="none, ticks:1, bps:2, spread:0.5, noise:2 (ticks, seeded) or sqrt_impact:0.5.")
    ] = "none",
    latency: Annotated[
        str, typer.Option(help="Until an order is there: 600ms, 09:00=5ms,21:00=20ms, measured or measured+2ms.")
    ] = "0",
    queue: Annotated[
        str, typer.Option(help="Cancellations before us: risk_averse, proportional or power:2.")
    ] = "risk_averse",
    gap_policy: Annotated[
        str, typer.Option(help="Gaps: ignore, no_entry, no_entry:MINUTES, flat_before_unknown or stop.")
    ] = "no_entry",
    funding: Annotated[
        str, typer.Option(help="A settlement without a rate: strict (an error), assume:RATE, stored or ignore.")
    ] = "strict",
    expiry: Annotated[
        str, typer.Option(help="On a contract's last day: close at its last price, settle in cash, or ignore.")
    ] = "close",
    roll: Annotated[
        str, typer.Option(help="When rolls are traded: first_minutes, close:MINUTES or twap:MINUTES.")
    ] = "first_minutes",
    rolls: Annotated[
        str, typer.Option(help="Files of contracts as one product: rb2405@20231220 leads from that day on.")
    ] = "",
    adjust: Annotated[
        str, typer.Option(help="What a product's view is moved by at rolls: difference, ratio or none.")
    ] = "difference",
    depth: Annotated[int, typer.Option(help="Levels of a book that an order sweeps.")] = 20,
    impact: Annotated[
        int, typer.Option(help="Ticks that each further size of the best quote is worse, 0: it is waited for.")
    ] = 0,
    clock: Annotated[str, typer.Option(help="event, or recv: when rows were received.")] = "event",
    seed: Annotated[int, typer.Option(help="Of ctx.random and of noise.")] = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse prices off the tick, clocks, chance, files and networks.")
    ] = False,
    max_seconds: Annotated[float, typer.Option(help="Longest time without an event, 0: no limit.")] = 60.0,
    max_memory: Annotated[int, typer.Option(help="Most memory that a run may add, in MB, 0: no limit.")] = 0,
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
    config: Config = None,
) -> None:
    """Run a strategy and say what became of it: orders, fees, profit, statistics, and what gaps have to do with it.

    Exit 0 where the run is done, 1 where the strategy failed, 2 wrong usage, 3 no data.
    """
    with _as_stops():
        names = [each for each in data if "=" not in each or Path(each).exists()]
        given = params_of([*(param or ()), *(each for each in data if each not in names)])
        options = BacktestOptions(
            strategy,
            tuple(str(Path(each).resolve()) if Path(each).exists() else each for each in names),
            given,
            interval,
            fill,
            start,
            end,
            symbol,
            venue,
            capital,
            fee_rate,
            fee_per_lot,
            multiplier,
            margin_rate,
            leverage,
            price_tick,
            participation,
            unlimited,
            touch,
            detail,
            slippage,
            latency,
            queue,
            gap_policy,
            funding,
            seed,
            strict,
            clock,
            "" if config is None else str(config),
            expiry=expiry,
            roll=roll,
            rolls=rolls,
            adjust=adjust,
            depth=depth,
            impact=impact,
        )
        spec = options.spec(Path.cwd())
        calendar = calendar_of(config)
        selection, remarks = _selection(options, calendar, data_dir, nats_url)
        trials = None
        if prove:
            trials = prove_causality(selection, calendar, spec, points=points, seed=seed)
        result = _run(selection, calendar, spec, remarks, strict=strict, seconds=max_seconds, memory_mb=max_memory)
        if out_dir is not None:
            write_run(out_dir, result, options)
        if plot or out_dir is not None:
            _write_page(out_dir or Path.cwd(), report_page(result, selection))
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


@backtest.command("verify")
def verify(
    run_dir: Annotated[Path, typer.Argument(help="The folder that --out wrote.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Prove every fill of a run again by the rows that are there now; exit 1 where one has no proof."""
    with _as_stops():
        stored = read_run(run_dir)
        options = _options_of(stored)
        selection, _ = _selection(options, calendar_of(_config_of(options)), data_dir, nats_url)
        found = verify_fills(read_fills(run_dir), selection, options.settings(), active_orders(run_dir))
        gross_is_equal = found.gross == stored.get("gross")
        if as_json:
            unproved = [each._asdict() for each in found.unproved]
            print(
                json_text({"fills": found.fills, "unproved": unproved, "gross": found.gross, "equal": gross_is_equal})
            )
        else:
            err.print(f"{found.fills} fills, {len(found.unproved)} without proof", highlight=False)
            for each in found.unproved[:20]:
                err.print(f"fill {each.fill}: {each.text}", style="red", highlight=False, markup=False)
            if not gross_is_equal:
                text = f"gross: expected {stored.get('gross')}, the fills give {found.gross}"
                err.print(text, style="red", highlight=False, markup=False)
        if found.unproved or not gross_is_equal:
            raise typer.Exit(Exit.FAILED)


@backtest.command("rerun")
def rerun(
    run_dir: Annotated[Path, typer.Argument(help="The folder that --out wrote.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Run a run again and say whether it is equal, or what has changed: which day's data, the code, the settings."""
    with _as_stops():
        stored = read_run(run_dir)
        options = _options_of(stored)
        calendar = calendar_of(_config_of(options))
        selection, remarks = _selection(options, calendar, data_dir, nats_url)
        again = _run(selection, calendar, options.spec(Path.cwd()), remarks, strict=options.strict)
        changed = differences(stored, run_document(again))
        if as_json:
            print(json_text({"equal": not changed, "run_id": again.run_id, "changed": changed}))
        else:
            for each in changed or ["equal"]:
                err.print(each, highlight=False, markup=False, soft_wrap=True)
        if changed:
            raise typer.Exit(Exit.FAILED)


@backtest.command("compare")
def compare(
    run_dirs: Annotated[list[Path], typer.Argument(help="Folders that --out wrote, two or more.")],
    as_json: AsJson = False,
) -> None:
    """Hold runs beside one another: parameters, results, statistics."""
    from marketprism_services.cli.backtest_view import show_compared  # noqa: PLC0415 (only here)

    with _as_stops():
        rows = compared({str(each): read_run(each) for each in run_dirs})
    if as_json:
        print(json_text(rows))
    else:
        show_compared(rows, [str(each) for each in run_dirs])


for _name, _command in (
    ("submit", backtest_service.submit),
    ("list", backtest_service.list_runs),
    ("show", backtest_service.show),
    ("cancel", backtest_service.cancel),
):
    backtest.command(_name)(_command)


def _options_of(stored: dict[str, object]) -> BacktestOptions:
    found = stored.get("options")
    return BacktestOptions.of_plain(dict(found) if isinstance(found, dict) else {})


def _config_of(options: BacktestOptions) -> Path | None:
    return Path(options.config) if options.config else None


def _selection(
    options: BacktestOptions, calendar: MarketCalendar, data_dir: Path | None, nats_url: str | None
) -> tuple[Selection, tuple[str, ...]]:
    """The rows of files, or of a running pipeline where no such file is there."""
    if not options.data:
        raise BacktestError("data: expected a file or an instrument, was none")
    files = [Path(each) for each in options.data if Path(each).exists()]
    if not files and not any("/" in each or "." in Path(each).name[-8:] for each in options.data):
        return stored_selection(options, data_dir, nats_url)
    rows = FileRows(options.asked(tuple(Path(each) for each in options.data)), calendar)
    selection = rows.selection()
    if not selection.instruments:
        raise NoDataError("data: expected rows in the range that is asked for, there are none")
    return selection, tuple(rows.remarks)


def _run(
    selection: Selection,
    calendar: MarketCalendar,
    spec: RunSpec,
    remarks: tuple[str, ...],
    *,
    strict: bool = False,
    seconds: float = 60.0,
    memory_mb: int = 0,
) -> RunResult:
    engines: list[Engine] = []

    def now() -> int:
        """Event time while callbacks run; before and after it the clock, which never stands still."""
        return engines[0].clock.now if engines and engines[0].is_running else time.monotonic_ns()

    with limited(now, seconds=seconds, memory_mb=memory_mb):
        if not strict:
            return run_backtest(selection, calendar, spec, remarks=remarks, begun=engines.append)
        with NoOutside.during():
            return run_backtest(selection, calendar, spec, remarks=remarks, begun=engines.append)


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


@contextmanager
def _as_stops() -> Iterator[None]:
    """Errors of a run as exit codes: 3 where there is no data, 2 where something is asked for that cannot be."""
    try:
        yield
    except (NoDataError, SourceError) as error:
        raise Stop(Exit.INPUT, str(error)) from error
    except BacktestError as error:
        raise Stop(Exit.USAGE, str(error)) from error


__all__ = ["backtest"]
