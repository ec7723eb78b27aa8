"""The program as a person starts it."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = [sys.executable, "-m", "marketprism_services"]
# Several runs side by side must not fight for the well-known HTTP ports.
ENVIRONMENT = {
    **os.environ,
    "MARKETPRISM_HTTP__STORAGE": "0",
    "MARKETPRISM_HTTP__QUERY": "0",
    "MARKETPRISM_HTTP__MONITOR": "0",
}


def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=timeout, check=False, env=ENVIRONMENT
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=ENVIRONMENT,
    )
