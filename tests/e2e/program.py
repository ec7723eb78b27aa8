"""The program as a person starts it."""

from __future__ import annotations

import os
import subprocess
import sys

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
