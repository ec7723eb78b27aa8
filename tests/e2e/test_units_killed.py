"""Services that share a process die together: somebody else takes over, and nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.e2e.program import ENVIRONMENT, PROGRAM, process_of, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400), pytest.mark.xdist_group("e2e")]
# Some 40 s, so that a process that begins on a busy machine finds it in its middle.
SOURCE = ("--source", "sim:days=1,rate=0.5,instruments=rb2505", "--speed", "500")
MARKET = "aggregator+validator+gateway"


def lines_of(path: Path, event: str) -> list[str]:
    """Services that have logged an event, in the order in which they did."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return [str(json.loads(line)["service"]) for line in lines if line.startswith("{") and f'"{event}"' in line]


def first_of(paths: Iterable[Path], event: str, service: str) -> Path:
    """The first of these logs in which a service has logged an event."""
    end = time.monotonic() + 90
    while not (found := [path for path in paths if service in lines_of(path, event)]):
        assert time.monotonic() < end, f"{[*paths]}: expected {event} of {service}"
        time.sleep(0.05)
    return found[0]


def until(path: Path, event: str, service: str) -> None:
    first_of([path], event, service)


@contextlib.contextmanager
def killed(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[None]:
    """Ends with the process, and with its pipe closed."""
    with process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.long
def test_units_are_killed_in_the_middle_another_one_leads_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings, log, standby_log = (
        data / "run" / "settings.json",
        data / "logs" / f"{MARKET}.log",
        tmp_path / "standby.log",
    )
    with contextlib.ExitStack() as stack:
        running = start(
            "up", *SOURCE, "--once", "--json", "--processes", "2", "--data-dir", str(data), "--nats-port", "0"
        )
        stack.enter_context(killed(running))
        # Both begin together, and either may lead.
        market = process_of(running.pid, "gateway")
        assert market == process_of(running.pid, "validator") == process_of(running.pid, "aggregator")
        output = stack.enter_context(standby_log.open("w"))
        command = [*PROGRAM, "run", MARKET, "--config", str(settings)]
        # Where the usual ports are taken, the settings name those that `up` has chosen for its own services.
        ports = {f"MARKETPRISM_HTTP__{service.upper()}": "0" for service in MARKET.split("+")}
        standby = subprocess.Popen(command, stdout=output, stderr=output, env={**ENVIRONMENT, **ports})
        stack.enter_context(killed(standby))
        for service in MARKET.split("+"):
            until(log, "service.started", service)
            until(standby_log, "service.started", service)
        leads = {log: market, standby_log: standby.pid}
        first = first_of(leads, "lease.acquired", "gateway")
        (other,) = leads.keys() - {first}
        os.kill(leads[first], signal.SIGKILL)
        until(other, "lease.acquired", "gateway")
        os.kill(process_of(running.pid, "storage"), signal.SIGKILL)
        text, _ = running.communicate(timeout=240)
    assert running.returncode == 0, text
    result = json.loads(text[text.index("{\n") :])
    assert (result["missing"], result["duplicates"], result["ok"]) == (0, 0, True)
    assert result["rows_stored"] == result["rows_read_back"] == result["published"] > 5_000
    assert result["restarts"] >= 1, result
