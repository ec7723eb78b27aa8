"""The program as a person starts it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.warm import ask

PROGRAM = [sys.executable, "-m", "marketprism_services"]
# Several runs side by side must not fight for the well-known HTTP ports.
ENVIRONMENT = {
    **os.environ,
    "MARKETPRISM_HTTP__STORAGE": "0",
    "MARKETPRISM_HTTP__QUERY": "0",
    "MARKETPRISM_HTTP__API": "0",
    "MARKETPRISM_HTTP__MONITOR": "0",
}


def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=timeout, check=False, env=ENVIRONMENT
    )


def look(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """The same by a process that need not load its libraries first: for the many commands that look at a pipeline."""
    return ask(arguments, ENVIRONMENT, timeout)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=ENVIRONMENT,
    )


def children_of(pid: int) -> Iterator[tuple[int, str]]:
    """Processes that this one started, also through others, and their commands."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                state = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(state[1]) == pid and state[0] != "Z":
                    yield int(folder.name), (folder / "cmdline").read_text().replace("\0", " ")
                    yield from children_of(int(folder.name))


def server_of(pid: int, word: str, other_than: int = 0) -> int:
    """Process of a server of `up`, once there is one."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        for child, command in children_of(pid):
            if word in command and child != other_than:
                return child
        time.sleep(0.05)
    raise AssertionError(f"no {word} was started")
