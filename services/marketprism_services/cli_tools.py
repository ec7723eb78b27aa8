"""Commands that work by themselves: rebuild, doctor."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.recordings.replay import ReplaySource, recording_paths
from marketprism_application.export import bars_csv
from marketprism_application.rebuild import Rebuilt, rebuild
from marketprism_domain.bars import BarSettings
from marketprism_domain.errors import InvalidValue
from marketprism_services.cli import Config, DataDir, NatsUrl, app, err, out, settings_of
from marketprism_services.doctor import examine
from marketprism_services.exits import Exit, Stop
from marketprism_services.settings import Settings


@app.command("rebuild")
def rebuild_command(
    recordings: Annotated[list[str], typer.Argument(help="Files, folders or globs.")],
    interval: Annotated[str, typer.Option(help="Intervals, with commas between.")] = "1m,1d",
    output: Annotated[Path | None, typer.Option(help="CSV file; without it, standard output.")] = None,
    config: Config = None,
) -> None:
    """Bars of recordings, offline: the same code and the same bytes as the live pipeline, without a server."""
    settings = settings_of(config)
    paths = [path for pattern in recordings for path in recording_paths(pattern)]
    bars = _bars_of(settings, tuple(part.strip() for part in interval.split(",")))
    started = time.monotonic()
    with _spinner() as spinner:
        spinner.add_task(f"rebuilding {len(paths)} recordings")
        result = asyncio.run(_rebuild(paths, bars, settings))
    # Written in one piece at the end: a failed rebuild leaves no half a file.
    text = bars_csv(result.bars)
    if output is None:
        sys.stdout.write(text)
    else:
        _write(output, text)
    seconds = time.monotonic() - started
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(result.rejected.items())) or "none"
    err.print(
        f"{result.ticks_read} ticks, rejected: {rejected}, stale: {result.stale}; "
        f"{len(result.bars)} bars in {seconds:.1f} s",
        highlight=False,
    )


def _spinner() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not sys.stderr.isatty())


def _bars_of(settings: Settings, intervals: tuple[str, ...]) -> BarSettings:
    base = settings.bars
    try:
        return BarSettings(intervals, base.alignment, base.fill_empty, base.grace_s, base.revision_window_s)
    except InvalidValue as error:
        raise Stop(Exit.USAGE, f"--interval: {error}") from error


async def _rebuild(paths: list[Path], bars: BarSettings, settings: Settings) -> Rebuilt:
    calendar = chinese_calendar_of_markets()
    source = ReplaySource(paths, calendar, checked=True)
    await source.connect()
    return await rebuild(source.stream({}), calendar, bars=bars, rules=settings.validation_rules())


def _write(output: Path, text: str) -> None:
    partial = output.with_name(f".{output.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(output)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Stop(Exit.USAGE, f"--output {output}: expected a writable file: {error.strerror}") from error


@app.command()
def doctor(data_dir: DataDir = None, nats_url: NatsUrl = None, config: Config = None) -> None:
    """Check the set-up and say what is wrong."""
    settings = settings_of(config, data_dir, nats_url)
    findings = asyncio.run(examine(settings))
    colours = {"ok": "green", "warning": "yellow", "wrong": "red"}
    for finding in findings:
        out.print(f"[{colours[finding.grade]}]{finding.grade:>8}[/]  {finding.what}: {finding.text}", highlight=False)
    if any(finding.grade == "wrong" for finding in findings):
        raise typer.Exit(Exit.FAILED)
