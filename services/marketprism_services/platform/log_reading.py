"""The log files of a data directory as one log: every service and its servers, in the order of time."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import NamedTuple

from marketprism_services.platform.log_files import KEPT

LEVELS = ("debug", "info", "warning", "error", "critical")
_SERVER_LINE = re.compile(r"^\[\d+\] (\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}) \[(\w+)\] (.*)$")
_SERVER_LEVELS = {"DBG": "debug", "TRC": "debug", "INF": "info", "WRN": "warning", "ERR": "error", "FTL": "critical"}
_OWN = ("timestamp", "level", "event", "service", "instance")


class LogEntry(NamedTuple):
    """A line: `ts` nanoseconds UTC, 0 where it says no time; `fields` everything else that it holds."""

    ts: int
    level: str
    service: str
    event: str
    fields: dict[str, object]
    text: str  # as it stands in the file


@dataclass(frozen=True)
class LogFilter:
    """Which lines are wanted: of these services (all where none is named), of this level and above, with this event,
    with this text somewhere, of this trace, at or after an instant in nanoseconds UTC. What a process of several
    services says of itself is a line of each."""

    services: frozenset[str] = frozenset()
    level: str = "debug"
    event: str = ""
    text: str = ""
    trace: str = ""
    since: int = 0

    def takes(self, entry: LogEntry) -> bool:
        """Whether a line is one of them."""
        return (
            entry.ts >= self.since
            and _rank(entry.level) >= _rank(self.level)
            and (not self.services or not self.services.isdisjoint(services_of(entry.service)))
            and self.event in ("", entry.event)
            and self.text.lower() in entry.text.lower()
            and (not self.trace or str(entry.fields.get("trace_id", "")).startswith(self.trace))
        )


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("error")


def services_of(name: str) -> list[str]:
    """The services that write a file of this name, or what they say together."""
    return name.split("+")


def log_files(folder: Path) -> dict[str, Path]:
    """The newest file of each process and server that has written below a data directory, by name."""
    found = {path.stem: path for path in sorted((folder / "logs").glob("*.log"))}
    servers = {"nats-server": folder / "nats" / "server.log"}
    return {**found, **{name: path for name, path in servers.items() if path.is_file()}}


def entry_of(line: str, service: str) -> LogEntry:
    """A line of the file of a service; what is no line of ours keeps its text, and has no time."""
    if line.startswith("{"):
        try:
            fields = json.loads(line)
            ts = _nanoseconds(datetime.fromisoformat(str(fields["timestamp"])))
            said = {name: value for name, value in fields.items() if name not in _OWN}
            service = str(fields.get("service", service))
            if "instance" in fields:
                said["instance"] = fields["instance"]
            return LogEntry(ts, str(fields.get("level", "info")), service, str(fields.get("event", "")), said, line)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            pass
    if (found := _SERVER_LINE.match(line)) is not None:
        when, level, text = found.groups()
        try:
            moment = datetime.strptime(when, "%Y/%m/%d %H:%M:%S.%f").astimezone()  # in this machine's zone
        except (ValueError, OverflowError):  # no such day
            return LogEntry(0, "info", service, line, {}, line)
        return LogEntry(_nanoseconds(moment), _SERVER_LEVELS.get(level, "error"), service, text, {}, line)
    return LogEntry(0, "info", service, line, {}, line)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1_000


def entries(files: dict[str, Path], wanted: LogFilter) -> Iterator[LogEntry]:
    """Lines of all files in the order of time, those that were moved aside when a file grew too large too."""
    return merge(*(_of_file(path, name, wanted) for name, path in files.items()), key=lambda entry: entry.ts)


def _of_file(path: Path, service: str, wanted: LogFilter) -> Iterator[LogEntry]:
    last = 0
    for each in [*(path.with_name(f"{path.name}.{n}") for n in range(KEPT, 0, -1)), path]:
        try:
            with each.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    entry = _placed(entry_of(line.rstrip("\n"), service), last)
                    last = entry.ts
                    if entry.text and wanted.takes(entry):
                        yield entry
        except FileNotFoundError:
            continue


def _placed(entry: LogEntry, last: int) -> LogEntry:
    """A line without a time, as those of a traceback, belongs to the line before it."""
    return entry if entry.ts else entry._replace(ts=last)


class LogFollower:
    """What comes into the files from now on; a file that begins anew is read from its beginning."""

    def __init__(self, find: Callable[[], dict[str, Path]], wanted: LogFilter) -> None:
        self._find = find
        self._wanted = wanted
        self._at: dict[Path, int] = {path: _size(path) for path in find().values()}
        self._rest: dict[Path, bytes] = {}
        self._last = time.time_ns()

    def read(self) -> list[LogEntry]:
        """Whole lines since the last call, in the order of time."""
        found: list[LogEntry] = []
        for service, path in self._find().items():
            found += [_placed(entry_of(line, service), self._last) for line in self._lines(path) if line]
        found.sort(key=lambda entry: entry.ts)
        self._last = max([self._last, *(entry.ts for entry in found)])
        return [entry for entry in found if self._wanted.takes(entry)]

    def _lines(self, path: Path) -> Iterable[str]:
        at = self._at.get(path, 0)
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < at:
                    at, self._rest[path] = 0, b""
                file.seek(at)
                data = file.read()
        except FileNotFoundError:
            return []
        self._at[path] = at + len(data)
        *whole, rest = (self._rest.get(path, b"") + data).split(b"\n")
        self._rest[path] = rest
        return [line.decode(errors="replace") for line in whole]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


__all__ = ["LEVELS", "LogEntry", "LogFilter", "LogFollower", "entries", "entry_of", "log_files", "services_of"]
