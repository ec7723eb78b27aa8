"""`marketprism logs`: what every service on this machine has written, as one log."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from marketprism_services.cli.clocks import UTC_TIME, Zone, zone_named
from marketprism_services.cli.options import Config, DataDir, err, folder_in_use, out, settings_of
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.log_reading import (
    LEVELS,
    LogEntry,
    LogFilter,
    LogFollower,
    entries,
    log_files,
    services_of,
)

_LOOK_S = 0.3
_INKS = {"debug": "dim", "info": "", "warning": "yellow", "error": "red", "critical": "bold red"}
_AGES = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def logs_command(
    services: Annotated[
        list[str] | None, typer.Argument(help="Services, like gateway storage; without, all, nats-server too.")
    ] = None,
    level: Annotated[str, typer.Option(help="This level and above: debug, info, warning or error.")] = "info",
    event: Annotated[str, typer.Option(help="Lines of this event, as docs/log-events.md lists them.")] = "",
    text: Annotated[str, typer.Option("--text", help="Lines that hold this text, in whatever case.")] = "",
    trace: Annotated[str, typer.Option(help="Lines of one trace, by its id or how that begins.")] = "",
    since: Annotated[
        str | None, typer.Option(help="Lines from then on: 90s, 10m, 2h or 1d ago, or a time like 2026-01-05T21:00.")
    ] = None,
    lines: Annotated[
        int, typer.Option("-n", "--lines", help="The newest lines, at most so many; 0 for all.", min=0)
    ] = 200,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written from now on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    tz: Annotated[str | None, typer.Option("--tz", help="Zone of the times: UTC, local, a name or an offset.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """What the services of a data directory have logged, in the order of time; tracebacks stand with their line."""
    zone = UTC_TIME if tz is None else zone_named(tz)
    folder = folder_in_use(settings_of(config, data_dir))
    files = _files_of(folder, services or [])
    wanted = LogFilter(frozenset(services or ()), _level_of(level), event, text, trace, _instant_of(since, zone))
    follower = LogFollower(lambda: log_files(folder), wanted) if follow else None
    newest = deque(entries(files, wanted), maxlen=lines or None)
    for entry in newest:
        _print(entry, zone, as_json=as_json)
    if not newest and not follow:
        err.print("no such lines", highlight=False, markup=False)
    while follower is not None:
        for entry in follower.read():
            _print(entry, zone, as_json=as_json)
        time.sleep(_LOOK_S)


def _files_of(folder: Path, services: list[str]) -> dict[str, Path]:
    files = log_files(folder)
    if not files:
        raise Stop(
            Exit.USAGE,
            f"{folder}: expected the data directory of a pipeline that has run, no log is there; "
            "what `marketprism run` starts writes to its own standard error",
        )
    known = list(dict.fromkeys(service for name in files for service in services_of(name)))
    for name in services:
        if name not in known:
            raise Stop(Exit.USAGE, f"services: expected one of {', '.join(known)}, was {name!r}")
    return {name: path for name, path in files.items() if not services or set(services) & set(services_of(name))}


def _level_of(level: str) -> str:
    if level not in LEVELS:
        raise Stop(Exit.USAGE, f"--level: expected one of {', '.join(LEVELS)}, was {level!r}")
    return level


def _instant_of(since: str | None, zone: Zone) -> int:
    if since is None:
        return 0
    if (age := re.fullmatch(r"(\d{1,9})([smhd])", since)) is not None:
        return time.time_ns() - int(age[1]) * _AGES[age[2]] * 10**9
    if re.match(r"\d{4}-|\d{10}", since) is None:
        raise Stop(Exit.USAGE, f"--since: expected 90s, 10m, 2h, 1d or a time like 2026-01-05T21:00, was {since!r}")
    return zone.instant(since, "--since") or 0


def _print(entry: LogEntry, zone: Zone, *, as_json: bool) -> None:
    if as_json:
        known = {"ts": entry.ts, "level": entry.level, "service": entry.service, "event": entry.event}
        print(json.dumps({**entry.fields, **known}, ensure_ascii=False), flush=True)
        return
    fields = " ".join(f"{name}={_plain(value)}" for name, value in entry.fields.items() if name != "exception")
    line = f"{zone.text(entry.ts, with_ms=True)} {entry.level:8} {entry.service:11} {_plain(entry.event)}"
    out.print(Text(f"{line}  {fields}".rstrip(), style=_INKS.get(entry.level, "red")), soft_wrap=True)
    if "exception" in entry.fields:
        for each in str(entry.fields["exception"]).splitlines():
            out.print(Text(f"    {_plain(each)}", style="dim"), soft_wrap=True)


def _plain(value: object) -> str:
    """A value without what a terminal would obey: whoever is logged has not written it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)
