"""`marketprism capture`: what was captured, and is it whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from marketprism_adapters.capture.files import CaptureFile
from marketprism_adapters.capture.find import capture_files, channels_of, runs_of
from marketprism_application.errors import SourceError
from marketprism_services.cli.clocks import Tz, Zone, zone_of_venues
from marketprism_services.cli.language.console import harmless
from marketprism_services.cli.options import err, out
from marketprism_services.platform.exits import Exit, Stop

capture = typer.Typer(help="Raw frames of sources; `up --source capture:…` plays them again.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="Folder of captured frames, or one file of it.")]
Run = Annotated[str, typer.Option(help="The run to read; without, the latest.")]


def _zone(tz: str | None) -> Zone:
    """A folder may hold frames of any source: UTC, unless another zone is named."""
    return zone_of_venues(["any"], tz)


def _files(folder: Path, run: str) -> list[CaptureFile]:
    try:
        return capture_files(folder, run)
    except SourceError as error:
        raise Stop(Exit.INPUT, str(error)) from error


@capture.command("list")
def listed(folder: Folder, tz: Tz = None) -> None:
    """Show every run: its files, frames and times."""
    zone = _zone(tz)
    table = Table("run", "files", "frames", "MB", f"first, {zone.name}", "last", box=None)
    for run in runs_of(folder):
        files = _files(folder, run)
        blocks = [block for file in files for block in file.blocks]
        size = sum(file.path.stat().st_size for file in files) / 1e6
        first, last = (zone.text(blocks[0].ts_first), zone.text(blocks[-1].ts_last)) if blocks else ("", "")
        table.add_row(run, str(len(files)), f"{sum(file.frames for file in files):,}", f"{size:.1f}", first, last)
    if not table.row_count:
        raise Stop(Exit.INPUT, f"capture {folder}: expected captured frames, found none")
    out.print(table)


@capture.command()
def show(
    folder: Folder,
    run: Run = "",
    channel: Annotated[str, typer.Option(help="Only this channel.")] = "",
    start: Annotated[str | None, typer.Option("--from", help="Show frames received at or after this time.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Show frames received before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most frames to show.")] = 20,
    tz: Tz = None,
) -> None:
    """Print frames as they came: time, channel, bytes."""
    zone = _zone(tz)
    given = zone.range(start, end)
    ts_from, ts_to = given[0] or 0, given[1] or 2**63 - 1
    shown = 0
    for file in _files(folder, run):
        for frame in _read(file, ts_from, ts_to):
            if channel and frame.channel.name != channel:
                continue
            text = harmless(frame.payload.decode("utf-8", "backslashreplace").rstrip())
            if not shown:
                err.print(f"times are {zone.name}", highlight=False)
            print(f"{zone.text(frame.ts_recv, with_ms=True)}  {frame.channel.name}  {text}")
            shown += 1
            if shown == limit:
                return


@capture.command()
def check(folder: Folder, run: Run = "") -> None:
    """Read every frame of a run; says what each channel holds, and what is damaged."""
    files = _files(folder, run)
    broken = [f"{file.path}: its last {file.truncated} bytes are no whole block" for file in files if file.truncated]
    try:
        found = channels_of(files)
    except SourceError as error:
        raise Stop(Exit.INPUT, str(error)) from error
    for channel, count in found.items():
        out.print(f"{channel.name}  {count:,} frames  ({channel.decoder})", highlight=False)
    for text in broken:
        out.print(text, style="yellow", highlight=False)


def _read(file: CaptureFile, ts_from: int, ts_to: int) -> Any:
    try:
        yield from file.read(ts_from, ts_to)
    except SourceError as error:
        raise Stop(Exit.INPUT, str(error)) from error
