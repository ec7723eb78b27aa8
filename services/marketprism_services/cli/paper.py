"""`marketprism paper`: a strategy on what is published now, or sent again, with an account that is not real."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from marketprism_adapters.nats.market_rows import MarketRows
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.options import TermsGiven, terms_of
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.result import DecisionRow, RunResult
from marketprism_backtest import PaperRun, Watching, run_paper
from marketprism_client import MarketClient
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.backtest.guard import NoOutside, limited
from marketprism_services.cli.backtest_data import calendar_of, instrument_of
from marketprism_services.cli.backtest_files import json_text, write_run
from marketprism_services.cli.backtest_options import BacktestOptions, as_stops, with_run_options
from marketprism_services.cli.backtest_view import show_result
from marketprism_services.cli.clocks import Tz, Zone, zone_of_symbol
from marketprism_services.cli.options import DataDir, NatsUrl, ask, err, nats_of, out
from marketprism_services.platform.exits import Exit
from marketprism_services.platform.nats_place import NatsPlace

_MONITOR_S = 5.0


def _options(
    data: Annotated[list[str], typer.Argument(metavar="symbols", help="Instruments, like ru1901.")],
    interval: Annotated[str, typer.Option(help="Of the bars: 1m 5m 1h …; without, 1m where bars fill orders.")] = "",
) -> None:
    """Those that mean something else here than in a backtest."""


def _paper(
    options: BacktestOptions,
    prefix: Annotated[str, typer.Option(help="Listen to a replay: its --prefix. The run ends with it.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Instruments may be yet to come.")] = False,
    hold: Annotated[
        float, typer.Option(help="Longest time that a row waits for those of other instruments, seconds.", min=0)
    ] = PaperRun.hold_s,
    patience: Annotated[
        float, typer.Option(help="Longest time that ticks wait for the bar that they have ended, seconds.", min=0)
    ] = PaperRun.patience_s,
    max_seconds: Annotated[float, typer.Option(help="Longest time without an event, 0: no limit.")] = 60.0,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Write fills, orders, equity (Parquet, CSV) and report.html here.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, and that of the result in the last line.")
    ] = False,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Run a strategy on what is published, with engine, account and fills of a backtest; no order is sent.

    Ends with Ctrl-C, with the replay, or when the strategy fails, and says what became of it as a backtest does. Exit 0
    where the run is over, 1 where the strategy failed, 2 wrong usage, 3 nothing came.
    """
    with as_stops():
        given = terms_of(options.plain())
        spec, calendar = options.spec(Path.cwd()), calendar_of(Path(options.config) if options.config else None)
        terms = _Terms(given)
        run = PaperRun(spec, options.data, calendar, terms, options.interval, options.venue, wait, hold, patience)
        shown = _Shown(zone_of_symbol(options.data[0], tz), as_json=as_json)
        around = NoOutside.during if options.strict else nullcontext
        watching = Watching(shown.begin, shown.decision, shown.fill, around=around)
        result = _run(run, watching, shown, nats_of(data_dir, nats_url), prefix, seconds=max_seconds)
        if out_dir is not None:
            first, last = watching.bounds
            bounds = replace(options, start=str(first), end=str(last + 1))
            write_run(out_dir, result, replace(bounds, funding=str(result.settings["funding"])))
        if result.failed is not None:
            err.print(result.failed.text, style="red", highlight=False, markup=False, soft_wrap=True)
        if as_json:
            print(json_text(result.summary()))
        else:
            show_result(result)
        if result.failed is not None:
            raise typer.Exit(Exit.FAILED)


class _Terms:
    """Terms of instruments, as they are given, else by the tables of orders."""

    def __init__(self, given: TermsGiven) -> None:
        self._given = given

    def __call__(self, venue: str, symbol: str, on: date) -> Instrument:
        return instrument_of(venue, symbol, on, self._given)


class _Shown:
    """Decisions and fills on a line each, when they are there."""

    def __init__(self, zone: Zone, *, as_json: bool) -> None:
        self._zone, self._as_json = zone, as_json
        self.engine: Engine | None = None

    def begin(self, engine: Engine) -> None:
        self.engine = engine

    def decision(self, row: DecisionRow) -> None:
        if self._as_json:
            self._json({"decision": row.text, "ts": row.ts, "venue": row.venue, "symbol": row.symbol})
        else:
            self._line(row.ts, f"{row.venue}.{row.symbol}", row.text)

    def fill(self, fill: Fill) -> None:
        if self._as_json:
            self._json({"fill": fill.number, **fill._asdict(), "evidence": fill.evidence._asdict()})
        else:
            numbers = (fill.quantity, fill.price, fill.fee, fill.held)
            quantity, price, fee, held = (format(each.normalize() + 0, "f") for each in numbers)
            text = f"filled: {fill.side} {quantity} at {price}, fee {fee}, held {held}"
            self._line(fill.ts_known, f"{fill.venue}.{fill.symbol}", text)

    def _line(self, ts: int, name: str, text: str) -> None:
        out.print(f"{self._zone.text(ts, with_ms=True)}  {name}  {text}", highlight=False, markup=False, soft_wrap=True)

    @staticmethod
    def _json(values: dict[str, object]) -> None:
        print(json_text(values), flush=True)


def _run(
    run: PaperRun, watching: Watching, shown: _Shown, nats: NatsPlace, prefix: str, *, seconds: float
) -> RunResult:
    def now() -> int:
        """Event time while callbacks run; before and after it the clock, which never stands still."""
        engine = shown.engine
        return engine.clock.now if engine is not None and engine.is_running else time.monotonic_ns()

    async def work(market: MarketClient) -> RunResult:
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, watching.stop.set)
        if prefix:
            _say_listening()
            return await run_paper(market, run, watching)
        if not run.wait:
            for name in run.symbols:
                await market.latest_tick(name)  # a name that nobody has is refused
        connection = await nats.open("paper")
        try:
            rows = PublishedRows(connection)
            watching.has_ended = _End(market, rows).is_reached
            _say_listening()
            return await run_paper(rows, run, watching)
        finally:
            await connection.close()

    with limited(now, seconds=seconds, memory_mb=0):
        return ask(nats, work, prefix=prefix)


def _say_listening() -> None:
    err.print("listening; Ctrl-C ends the run and shows its result", highlight=False)


class PublishedRows:
    """What is published, out of its streams: nothing is left out, however busy the strategy is."""

    prefix = ""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._rows: MarketRows | None = None

    async def has_all(self) -> bool:
        """Whether everything that was published has come."""
        return self._rows is not None and await self._rows.has_all()

    @property
    def live(self) -> PublishedRows:
        """Rows from now on."""
        return self

    def together(
        self,
        symbol: str | Sequence[str],
        interval: str = "",
        *,
        ticks: bool = True,
        venue: str = "*",
        wait: bool = False,  # noqa: ARG002 (a stream waits)
    ) -> MarketRows:
        """Ticks, bars and gaps as they are put into their streams."""
        names = (symbol,) if isinstance(symbol, str) else symbol
        at = "" if venue == "*" else venue
        self._rows = MarketRows(self._connection, names, interval, ticks=ticks, venue=at)
        return self._rows


class _End:
    """Whether a recording that the pipeline reads is over, and all of it has come here."""

    def __init__(self, market: MarketClient, rows: PublishedRows) -> None:
        self._market, self._rows, self._since = market, rows, 0.0

    async def is_reached(self) -> bool:
        """Whether it has been so for as long as the monitor's last look may lie back."""
        try:
            over = await _is_read(self._market) and await self._rows.has_all()
        except SdkError:
            over = False  # whoever does not know it listens on
        if not over:
            self._since = 0.0
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since >= _MONITOR_S


async def _is_read(market: MarketClient) -> bool:
    """Whether every gateway has read its recording to the end, and nothing of it is on its way."""
    found = await market.monitor(timeout_s=_MONITOR_S)
    gateways = [each["status"] for each in found["services"] if each["service"] == "gateway"]
    behind = any(lag for stage, lag in found["behind"].items() if not stage.startswith("storage"))
    return bool(gateways) and set(gateways) == {"finished"} and not behind


# What a store, a past or a product's view gives does not reach a run on paper.
_NOT_HERE = (
    "start",
    "end",
    "symbol",
    "detail",
    "funding",
    "expiry",
    "roll",
    "rolls",
    "halts",
    "adjust",
    "depth",
    "impact",
)
paper = with_run_options(_paper, without=_NOT_HERE, instead=_options, of_files=False)

__all__ = ["PublishedRows", "paper"]
