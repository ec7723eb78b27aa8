"""Commands for who comes from VeighNa: ticks of its database as recordings, settings of its recorder as ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from marketprism_adapters.imports.veighna.recorder import SECTIONS, recorder_settings
from marketprism_adapters.imports.veighna.recordings import Recorded, recordings_of
from marketprism_adapters.imports.veighna.settings import DatabasePlace, database_of, is_settings
from marketprism_services.cli.clocks import Tz
from marketprism_services.cli.data_files import zone_name
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import err, out
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop


def recordings(
    path: Annotated[Path, typer.Argument(help="vt_setting.json of VeighNa, or its database.db.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder that the recordings are written into.")],
    symbol: Annotated[
        list[str] | None, typer.Option(help="An instrument of the database, like rb2405; repeated for several.")
    ] = None,
    tz: Tz = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write the ticks of a database of VeighNa as recordings, which `up` and `run gateway` replay.

    A file an instrument. Times without an offset are those of `database.timezone`, else China's. Exit 3: ticks of an
    instrument are no recording.
    """
    if is_settings(path):
        place = database_of(path)
    elif path.is_file():
        place = DatabasePlace("sqlite", path=path, name=path.name)
    else:
        raise Stop(Exit.INPUT, f"file {path}: expected a file, was none")
    place = replace(place, zone=zone_name(tz) or place.zone)
    done = []
    for each in recordings_of(place, place.zone, symbol or [], folder):
        done.append(each)
        if not as_json:
            _show(each)
    if as_json:
        files = [
            {
                "symbol": each.symbol,
                "exchange": each.exchange,
                "rows": each.rows,
                "file": str(each.path) if each.path else None,
                **({"refused": each.text} if each.text else {}),
            }
            for each in done
        ]
        print(json.dumps({"files": files}, indent=1, ensure_ascii=False))
    if any(each.path is None for each in done):
        raise typer.Exit(Exit.INPUT)


def recorder(
    path: Annotated[Path, typer.Argument(help="data_recorder_setting.json of vnpy_datarecorder.")],
) -> None:
    """Print what vnpy_datarecorder records as settings of this program, ready for marketprism.toml."""
    found = recorder_settings(path)
    say = spoken().translate
    sections = {SECTIONS[gateway]: names for gateway, names in found.instruments.items() if gateway in SECTIONS}
    lines = []
    if len(sections) == 1:
        lines += ["[source]", f"spec = {json.dumps(next(iter(sections)))}", ""]
    for section, names in sections.items():
        lines += [f"[{section}]", f"instruments = {json.dumps(names, ensure_ascii=False)}", ""]
    for gateway, names in found.instruments.items():
        if gateway not in SECTIONS:
            lines.append(f"# {gateway or '?'}: {json.dumps(names, ensure_ascii=False)}")
    print("\n".join(lines))
    for vt_symbol, text in found.left_out:
        err.print(f"{vt_symbol}: {say(text)}", highlight=False, markup=False, soft_wrap=True)


def _show(each: Recorded) -> None:
    say = spoken().translate
    if each.path is None:
        err.print(f"{each.symbol}.{each.exchange}: {say(each.text)}", style="red", highlight=False, markup=False)
    else:
        text = f"{each.symbol}.{each.exchange}: {say(count_of(each.rows, 'row'))} {each.path}"
        out.print(text, highlight=False, markup=False, soft_wrap=True)


__all__ = ["recorder", "recordings"]
