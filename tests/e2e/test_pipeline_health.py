"""A pipeline that stands still says so, and where: in the monitor's health, and by the exit code of `status`."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats.local_server import choose_port
from marketprism_services.platform.catalogue import in_up
from tests.e2e.program import look, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.xdist_group("e2e")]


def status(data: Path) -> tuple[int, dict[str, Any]]:
    done = look("status", "--json", "--data-dir", str(data))
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        return done.returncode, {}


def health(endpoint: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{endpoint}/health", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def until(wanted: Any, seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.5)
    return found


@pytest.mark.long
def test_a_stage_that_stands_still_makes_the_pipeline_unhealthy_by_name_until_it_moves(tmp_path: Path) -> None:
    port = choose_port(0)
    running = start(
        "up",
        "--source",
        "sim:days=0,instruments=rb2505,rate=1",
        "--speed",
        "10",
        "--data-dir",
        str(tmp_path),
        "--nats-port",
        str(port),
        "--processes",  # one of them is frozen alone
        "each",
    )
    try:

        def active() -> dict[str, dict[str, Any]]:
            code, found = status(tmp_path)
            by_name = {each["service"]: each for each in found.get("instances", []) if each["status"] == "active"}
            flowing = bool(found.get("pipeline", {}).get("accepted"))
            return by_name if code == 0 and flowing and len(by_name) == len(in_up()) else {}

        services = until(active, 90)
        monitor = services["monitor"]["endpoints"]["http"]
        assert until(lambda: health(monitor)[0] == 200)
        frozen = int(services["validator"]["instance"].split("-")[-2])
        os.kill(frozen, signal.SIGSTOP)
        try:
            code, answer = until(lambda: (found := health(monitor))[0] == 503 and found)
            assert answer["dependencies"]["pipeline"] == "unhealthy"
            code, found = status(tmp_path)
            assert code == 1, found
            assert any(
                problem.startswith("validator partition") and "shfe.rb2505" in problem for problem in found["problems"]
            ), found["problems"]
        finally:
            os.kill(frozen, signal.SIGCONT)
        assert until(lambda: health(monitor)[0] == 200)
        until(lambda: status(tmp_path)[0] == 0)
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
