"""What the processes of a pipeline cost, read from /proc: processor time, wake-ups and memory, a row a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_CLOCK_S = 1 / os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """A process at one moment: seconds of processor time and times that its threads slept and were woken, since it
    began."""

    name: str
    pid: int
    cpu_s: float
    wakeups: int


def below(pid: int) -> dict[int, Process]:
    """A process and all that it has begun, by its number."""
    parents: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (parent := _parent(folder)) is not None:
            parents.setdefault(parent, []).append(int(folder.name))
    found, waiting = {}, [pid]
    while waiting:
        at = waiting.pop()
        if (read := _process(_PROC / str(at), "up" if at == pid else "")) is not None:
            found[at] = read
        waiting += parents.get(at, [])
    return found


def memory_mb(pid: int) -> dict[str, float]:
    """Resident, proportional (shared pages by the number that share them) and unshared memory, megabytes."""
    fields = dict(_fields(_PROC / str(pid) / "smaps_rollup"))
    own = fields.get("Private_Clean", 0) + fields.get("Private_Dirty", 0)
    return {
        name: round(kilobytes / 1024, 1)
        for name, kilobytes in (("rss", fields.get("Rss", 0)), ("pss", fields.get("Pss", 0)), ("uss", own))
    }


def threads(pid: int) -> dict[str, tuple[float, int]]:
    """Seconds of processor time and wake-ups of the threads of a process, by their names."""
    found: dict[str, tuple[float, int]] = {}
    for task in (_PROC / str(pid) / "task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            cpu_s = int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue
        was = found.get(name, (0.0, 0))
        found[name] = (was[0] + cpu_s, was[1] + _wakeups(task))
    return found


def _parent(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _process(folder: Path, name: str) -> Process | None:
    try:
        command = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").split()
        times = (folder / "stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(times[11]) + int(times[12])) * _CLOCK_S  # of threads that have ended as well
        wakeups = sum(_wakeups(task) for task in (folder / "task").iterdir())
    except OSError:
        return None
    return Process(name or _named(command), int(folder.name), cpu_s, wakeups)


def _wakeups(task: Path) -> int:
    return dict(_fields(task / "status")).get("voluntary_ctxt_switches", 0)


def _named(command: list[str]) -> str:
    """What a process is by its command line: a service, the process that they are forks of, or a server."""
    if "run" in command[:-1] and any("marketprism" in word for word in command):
        return command[command.index("run") + 1]
    for word in command:
        if word.startswith(("marketprism_", "tests.")):
            return word.rpartition(".")[2]
    return Path(command[0]).name


def _fields(path: Path) -> Iterator[tuple[str, int]]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        name, _, rest = line.partition(":")
        if rest and (words := rest.split()) and words[0].isdigit():
            yield name, int(words[0])
