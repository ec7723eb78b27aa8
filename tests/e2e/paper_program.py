"""`marketprism paper` as a process beside a pipeline that reads a recorded day."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.program import ENVIRONMENT, PROGRAM, start

AVERAGE = ("examples.double_average:DoubleAverage", "ru1901", "--gap-policy", "ignore", "--fee-rate", "0.000045")
BARS = ("--param", "fast=10", "--param", "slow=30")


@contextmanager
def recorded_day(folder: Path, recording: Path) -> Iterator[Path]:
    """The data directory of the pipeline; it has begun when this is there."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    source = ("--source", f"replay:{recording}", "--speed", "400", "--nats-port", str(port))
    up = start("up", *source, "--data-dir", str(folder))
    try:
        end = time.monotonic() + 90
        while not (folder / "run" / "url").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        yield folder
    finally:
        os.killpg(up.pid, signal.SIGTERM)
        up.communicate(timeout=60)


def paper(data: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [*PROGRAM, "paper", *arguments, "--data-dir", str(data), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
