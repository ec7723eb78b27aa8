"""Services that share a process die together: somebody else takes over, and nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.program import ENVIRONMENT, PROGRAM, process_of, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400), pytest.mark.xdist_group("e2e")]
SOURCE = ("--source", "sim:days=1,rate=0.5,instruments=rb2505", "--speed", "2500")
MARKET = "aggregator+validator+gateway"


def lines_of(path: Path, event: str) -> list[str]:
    """Services that have logged an event, in the order in which they did."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return [str(json.loads(line)["service"]) for line in lines if line.startswith("{") and f'"{event}"' in line]


def until(path: Path, event: str, service: str) -> None:
    end = time.monotonic() + 90
    while service not in lines_of(path, event):
        assert time.monotonic() < end, f"{path}: expected {event} of {service}"
        time.sleep(0.05)


def test_units_are_killed_in_the_middle_another_one_leads_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    data = tmp_path / "data"
    running = start("up", *SOURCE, "--once", "--json", "--processes", "2", "--data-dir", str(data), "--nats-port", "0")
    standby = None
    try:
        market, log = process_of(running.pid, "gateway"), tmp_path / "standby.log"
        assert market == process_of(running.pid, "validator") == process_of(running.pid, "aggregator")
        until(data / "logs" / f"{MARKET}.log", "lease.acquired", "gateway")
        with log.open("w") as output:
            command = [*PROGRAM, "run", MARKET, "--config", str(data / "run" / "settings.json")]
            standby = subprocess.Popen(command, stdout=output, stderr=output, env=ENVIRONMENT)
        for service in MARKET.split("+"):
            until(log, "service.started", service)
        os.kill(market, signal.SIGKILL)
        until(log, "lease.acquired", "gateway")
        os.kill(process_of(running.pid, "storage"), signal.SIGKILL)
        output, _ = running.communicate(timeout=240)
    finally:
        for each in filter(None, (running, standby)):
            each.kill()
            each.wait()
    assert running.returncode == 0, output
    result = json.loads(output[output.index("{\n") :])
    assert (result["missing"], result["duplicates"], result["ok"]) == (0, 0, True)
    assert result["rows_stored"] == result["rows_read_back"] == result["published"] > 5_000
    assert result["restarts"] >= 1, result
