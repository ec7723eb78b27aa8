"""`marketprism paper` beside a pipeline of a whole recorded day: what is published and what a replay sends again."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.paper_program import AVERAGE, BARS, paper, recorded_day
from tests.e2e.program import run

pytestmark = pytest.mark.timeout(900)
TICKS = ("--param", "fast=120", "--param", "slow=480", "--fill", "quote")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Iterator[Path]:
    with recorded_day(tmp_path_factory.mktemp("paper"), fixtures / "ctp/ticks/ru1901_20181008.csv.gz") as folder:
        yield folder


def ended(child: subprocess.Popen[str]) -> list[dict[str, Any]]:
    output, errors = child.communicate(timeout=240)
    assert child.returncode == 0, errors
    return [json.loads(line) for line in output.splitlines()]


def check_by_what_is_stored(data: Path, folder: Path) -> None:
    """A run on paper is a run of the rows that are stored: it can be proved and repeated."""
    end = time.monotonic() + 120
    for command in ("rerun", "verify"):
        done = run("backtest", command, str(folder), "--data-dir", str(data), "--json")
        while done.returncode and time.monotonic() < end:  # the last rows are being stored
            done = run("backtest", command, str(folder), "--data-dir", str(data), "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["equal"] is True


def test_what_is_published_and_what_is_sent_again_are_decided_alike(data: Path, tmp_path: Path) -> None:
    live = ended(paper(data, *AVERAGE, *BARS, "--wait", "--out", str(tmp_path / "live")))
    summary = live[-1]
    assert (summary["state"], summary["error"], summary["remarks"]) == ("done", None, [])
    assert sum("decision" in line for line in live) > 3
    assert sum("fill" in line and "price" in line for line in live) == summary["fills"]
    check_by_what_is_stored(data, tmp_path / "live")
    again = paper(data, *AVERAGE, *TICKS, "--prefix", "replay", "--out", str(tmp_path / "again"))
    assert again.stderr is not None
    assert "listening" in again.stderr.readline()
    sent = run("replay", "--symbol", "ru1901", "--speed", "max", "--kinds", "tick,gap", "--data-dir", str(data))
    assert sent.returncode == 0, sent.stderr
    found = ended(again)[-1]
    assert (found["state"], found["remarks"]) == ("done", [])
    check_by_what_is_stored(data, tmp_path / "again")
