"""`marketprism paper` beside a pipeline: how it ends, and what cannot be run. What it decides: tests/chaos."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.paper_program import AVERAGE, BARS, paper, recorded_day
from tests.e2e.program import look, run
from tests.support.recordings import part_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480), pytest.mark.xdist_group("e2e")]
RAISES = """
from marketprism_backtest import Strategy

class Raises(Strategy):
    def on_tick(self, ctx, tick):
        raise ValueError("it does that")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Iterator[Path]:
    # A part of its rows: what a run decides on all of them is looked at elsewhere.
    rows = slice(0, None, 40)
    part = part_of(fixtures / "ctp/ticks/ru1901_20181008.csv.gz", tmp_path_factory.mktemp("recording"), rows)
    with recorded_day(tmp_path_factory.mktemp("paper"), part) as folder:
        yield folder


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
    done = look("paper", *arguments, "--data-dir", str(data))
    assert (done.returncode, text in done.stderr) == (code, True), done.stderr


@pytest.mark.long
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
