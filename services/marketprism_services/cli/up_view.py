"""What a person sees of `marketprism up`: progress, the first bars, and the report of one run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from marketprism_adapters.clickhouse.access import READER
from marketprism_adapters.nats import pipeline_probe
from marketprism_application.contracts.kinds import BAR
from marketprism_client import MarketClient
from marketprism_domain.marketdata.bar import Bar
from marketprism_sdk.errors import SdkError
from marketprism_sdk.observability import logs
from marketprism_sdk.private_files import UMASK
from marketprism_sdk.service import run
from marketprism_services.cli.clocks import zone_of_venues
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.notices import show_events_on
from marketprism_services.cli.options import err, out
from marketprism_services.cli.tables import Look, show_bars
from marketprism_services.cli.up_problems import show_problems
from marketprism_services.cli.up_stored import Counts, StoredLine, show_stored, symbols_of
from marketprism_services.platform import local_stack, run_verdict
from marketprism_services.platform.data_contents import data_of
from marketprism_services.platform.exits import Exit
from marketprism_services.platform.launcher import Launcher
from marketprism_services.settings.secret_files import warn_of_open_files
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.pipeline_contents import SIMULATED
from marketprism_services.wiring.source_names import is_live

_FEW_BARS = 5
_FIRST_LOOK_S = 0.1
_PATIENCE_S = 20.0
_LINE_EVERY_S = 15.0
_LOOK_S = 2.0
_EMPTY_LOOK_S = 15.0  # at a store that has nothing, and no source
_PACED_LOOK_S = 5.0  # at a source that takes its time
_LOOKS = 3  # before it is said that there is nothing


def run_up(
    settings: Settings,
    launcher: Launcher,
    extent: local_stack.Extent,
    *,
    once: bool,
    as_json: bool,
) -> int:
    """Exit code of the whole run."""
    os.umask(UMASK)
    level = "warning" if settings.log.level == "info" else settings.log.level
    if settings.log.format == "auto":
        show_events_on(err, level=level)
    else:
        logs.configure(level=level, form=settings.log.format)
    warn_of_open_files(type(settings))
    work = partial(_up, settings, launcher, extent, once=once, as_json=as_json)
    return run(work, settings.drain_s + 8)


async def _up(
    settings: Settings,
    launcher: Launcher,
    extent: local_stack.Extent,
    stop: asyncio.Event,
    *,
    once: bool,
    as_json: bool,
) -> int:
    async with AsyncExitStack() as stack:
        with err.status("checking the source and starting NATS and the services …"):
            running = await local_stack.start(settings, stack, launcher, stop, extent)
        err.print(f"NATS [bold]{running.url}[/bold], data in {settings.data_dir}", highlight=False, soft_wrap=True)
        if data_of(settings) == SIMULATED:
            err.print("the data are simulated: they are no market's", style="yellow", highlight=False)
        if (clickhouse := running.servers.clickhouse) is not None:
            where = f"ClickHouse [bold]{clickhouse.bare_url}[/bold]"
            text = f"{where}, user {READER}, password in {clickhouse.passwords_file}"
            err.print(text, highlight=False, soft_wrap=True)
        if (monitoring := running.monitoring) is not None:
            text = f"Prometheus [bold]{monitoring.prometheus}[/bold]; alerts: marketprism alerts list"
            err.print(text, highlight=False, soft_wrap=True)
        if monitoring is not None and monitoring.alertmanager is not None:
            err.print(f"Alertmanager [bold]{monitoring.alertmanager}[/bold]", highlight=False, soft_wrap=True)
        watching = asyncio.create_task(show_problems(running.connection), name="problems shown")
        stack.push_async_callback(_ended, watching)
        code = await _watch(running, stop, once=once, as_json=as_json)
        if stop.is_set():
            err.print("stopping the services …", highlight=False)
        return code


async def _watch(running: local_stack.Running, stop: asyncio.Event, *, once: bool, as_json: bool) -> int:
    """Show what comes until there is no more, or it is to stop; exit code."""
    if not running.reads:
        return await _serve(running, stop)
    notices = _SourceNotices()
    with _bar() as bar:
        show = _shown_in(bar)

        def seen(progress: pipeline_probe.Progress, total: int) -> None:
            if not progress.error:  # which ends this, and is printed then
                notices.of(progress)
            show(progress, total)

        first = asyncio.create_task(asyncio.sleep(0) if once else _show_first_bars(running))
        try:
            done = await local_stack.until_done(running, stop, seen, _never if once else _long_enough(running))
        finally:
            first.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await first
    if stop.is_set():
        return Exit.INTERRUPTED if once else Exit.OK
    if once:
        return await _report(running, done, as_json=as_json)
    await _stay(running, stop, notices, whole=done.done)
    return Exit.OK


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class _SourceNotices:
    """Says once what is wrong with the source, and that it is well again."""

    def __init__(self) -> None:
        self._wrong = ""
        self._refused: set[str] = set()

    def of(self, progress: pipeline_probe.Progress) -> None:
        wrong = f"the source cannot be reached, trying again: {progress.away}" if progress.away else ""
        if progress.error:
            wrong = f"the source cannot go on: {progress.error}; `marketprism gateway connect` tries again"
        if wrong != self._wrong:
            self._wrong = wrong
            err.print(wrong or "the source is reached again", style="yellow", highlight=False, markup=False)
        for symbol in progress.refused.keys() - self._refused:
            self._refused.add(symbol)
            err.print(
                f"{symbol} is not subscribed: {progress.refused[symbol]}", style="yellow", highlight=False, markup=False
            )


def _never(_: pipeline_probe.Progress) -> bool:
    return False


def _long_enough(running: local_stack.Running) -> Callable[[pipeline_probe.Progress], bool]:
    """A source that goes on for long shows where it is after a while."""

    def seen(progress: pipeline_probe.Progress) -> bool:
        return bool(progress.bars) and time.monotonic() - running.started > _PATIENCE_S

    return seen


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}", table_column=Column()),  # which folds where there is no room
        BarColumn(None, table_column=Column(min_width=4, ratio=1)),  # what is left: numbers are never cut
        MofNCompleteColumn(),
        TextColumn(spoken().translate("ticks")),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err, transient=True, expand=True, disable=not sys.stderr.isatty())


def _shown_in(bar: Progress) -> local_stack.OnProgress:
    task, shown_at = bar.add_task(spoken().translate("validated"), total=None), time.monotonic()

    def show(progress: pipeline_probe.Progress, total: int) -> None:
        seen = progress.accepted + sum(progress.rejected.values())
        behind = sum(progress.behind.values())
        text = f"validated · {sum(progress.bars.values())} bars" + (f" · {behind} messages behind" if behind else "")
        bar.update(task, completed=seen, total=total or None, description=spoken().translate(text))
        nonlocal shown_at
        if not err.is_terminal and time.monotonic() - shown_at > _LINE_EVERY_S:  # no bar moves there
            shown_at = time.monotonic()
            err.print(f"{seen} ticks validated, {sum(progress.bars.values())} bars so far", highlight=False)

    return show


async def _report(running: local_stack.Running, done: pipeline_probe.Progress, *, as_json: bool) -> int:
    result = await run_verdict.verdict(running, done)
    if as_json:
        print(run_verdict.as_json(result))
    else:
        for name, value in result.items():
            out.print(f"{name:>18}  {value}", highlight=False)
    return Exit.OK if result["ok"] else Exit.FAILED


async def _show_first_bars(running: local_stack.Running) -> None:
    """The first one-minute bars of this run, while the source goes on: in the stream, and maybe not stored yet."""
    from marketprism_application.queries.arrow_tables import table_of  # noqa: PLC0415 (loads pyarrow)

    bars: list[Bar] = []
    while len(bars) < _FEW_BARS:
        await asyncio.sleep(1.0 if local_stack.is_paced(running) else _FIRST_LOOK_S)
        with contextlib.suppress(SdkError):  # NATS is away: whoever follows the progress says so
            bars = await local_stack.first_bars(running, _FEW_BARS)
    for venue, symbol in dict.fromkeys((bar.venue, bar.symbol) for bar in bars):
        table = table_of(BAR, [bar for bar in bars if (bar.venue, bar.symbol) == (venue, symbol)])
        zone = zone_of_venues([venue])
        show_bars(out, table, "1m", Look(f"{venue}.{symbol} 1m, the first of them, {zone.name}", zone, _FEW_BARS))


async def _serve(running: local_stack.Running, stop: asyncio.Event) -> int:
    """Without a source: what is stored can be read, until `stop`."""
    text = "no source is read; what is stored here is served (`--source` names a source, `up --help` lists them)"
    err.print(text, highlight=False, markup=False, soft_wrap=True)
    async with MarketClient(running.url, access=running.connection.access) as market:
        looks = 0
        while not stop.is_set() and not await show_stored(running, market, whole=True):
            looks += 1
            if looks == _LOOKS:
                err.print("nothing is stored here yet", highlight=False)
            await _pause(stop, _LOOK_S if looks < _LOOKS else _EMPTY_LOOK_S)
    running.supervisor.failed.add_done_callback(lambda _: stop.set())
    await stop.wait()
    local_stack.raise_if_failed(running)
    return Exit.OK


async def _stay(running: local_stack.Running, stop: asyncio.Event, notices: _SourceNotices, *, whole: bool) -> None:
    """Show what is stored, and go on showing it until the source is at its end and everything of it is stored."""
    running.supervisor.failed.add_done_callback(lambda _: stop.set())
    shown = False
    async with MarketClient(running.url, access=running.connection.access) as market:
        with StoredLine() as line:
            while not stop.is_set():
                if not shown:
                    shown = await show_stored(running, market, whole=whole)
                    ended = shown and whole
                with contextlib.suppress(SdkError):  # NATS is away: its services say so
                    whole = await _look(running, notices) or whole
                if shown and not ended and (whole or line.is_due(time.monotonic())):
                    counts = Counts.of(await symbols_of(market))
                    if whole and counts.instruments:
                        ended = True
                        line.end(counts)
                    else:
                        line.show(counts, time.monotonic())
                await _pause(stop, _PACED_LOOK_S if shown and local_stack.is_paced(running) else _LOOK_S)
    local_stack.raise_if_failed(running)


async def _look(running: local_stack.Running, notices: _SourceNotices) -> bool:
    """Say what is new of the source; whether it is at its end and stored. Only what has an end is looked at whole."""
    ends = not is_live(running.settings.source.spec)
    progress = await (running.probe.read(running.sources) if ends else running.probe.read_sources())
    notices.of(progress)
    return ends and progress.done


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
