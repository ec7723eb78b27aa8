"""The program as a person starts it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
    return _child(pid, lambda command: word in command, word, other_than)


def process_of(pid: int, service: str, other_than: int = 0) -> int:
    """Process of `up` in which a service is, alone or with others, once there is one."""
    return _child(pid, lambda command: runs(command, service), service, other_than)


def runs(command: str, service: str) -> bool:
    """Whether a command line is that of a process of the service."""
    return (found := re.search(r" run ([a-z+]+) ", command)) is not None and service in found[1].split("+")


def _child(pid: int, is_it: Callable[[str], bool], name: str, other_than: int) -> int:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        for child, command in children_of(pid):
            if is_it(command) and child != other_than:
                return child
        time.sleep(0.05)
    raise AssertionError(f"no {name} was started")
