"""`marketprism paper` beside a pipeline: how it ends, and what cannot be run. What it decides: tests/chaos."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import ENVIRONMENT, PROGRAM, run, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480), pytest.mark.xdist_group("e2e")]
AVERAGE = ("examples.double_average:DoubleAverage", "ru1901", "--gap-policy", "ignore", "--fee-rate", "0.000045")
BARS = ("--param", "fast=10", "--param", "slow=30")
RAISES = """
from marketprism_backtest import Strategy

class Raises(Strategy):
    def on_tick(self, ctx, tick):
        raise ValueError("it does that")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Iterator[Path]:
    """The data directory of a pipeline that reads a recorded day; it begins when this is there."""
    folder = tmp_path_factory.mktemp("paper")
    recording = fixtures / "ctp/ticks/ru1901_20181008.csv.gz"
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


def test_ctrl_c_ends_a_run_with_its_result(data: Path) -> None:
    child = paper(data, *AVERAGE, *BARS, "--wait", "--prefix", "replay.silent")
    assert child.stderr is not None
    assert "listening" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert (child.returncode, "none has come" in errors) == (3, True), errors


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("examples.nothing:Here", "ru1901"), 2, "there is no"),
        ((*AVERAGE, "--param", "fast=0"), 2, "params.fast"),
        ((*AVERAGE, "--fill", "quotes"), 2, "fill: expected one of bar, quote, trade, queue"),
        ((AVERAGE[0], "ru*"), 2, "symbol: expected the name of one instrument, was 'ru*'"),
        ((AVERAGE[0], "ru9999x"), 1, "symbol: expected one that is stored"),
    ],
)
def test_what_cannot_be_run_is_refused(data: Path, arguments: tuple[str, ...], code: int, text: str) -> None:
    done = run("paper", *arguments, "--data-dir", str(data))
    assert (done.returncode, text in done.stderr) == (code, True), done.stderr


def test_a_strategy_that_raises_fails_its_run(data: Path, tmp_path: Path) -> None:
    (tmp_path / "raises.py").write_text(RAISES)
    child = paper(data, str(tmp_path / "raises.py") + ":Raises", "ru1901", "--fill", "quote", "--prefix", "replay.once")
    assert child.stderr is not None
    assert "listening" in child.stderr.readline()
    sent = ("--speed", "max", "--prefix", "replay.once", "--data-dir", str(data))
    run("replay", "--symbol", "ru1901", *sent)
    output, errors = child.communicate(timeout=120)
    assert (child.returncode, "ValueError: it does that" in errors) == (1, True), errors
    assert json.loads(output.splitlines()[-1])["error"]["code"] == "STRATEGY_FAILED"
