"""`backtest sweep --kernel`: the answers of a sweep of events, for which a few of its sets are run by events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marketprism_services.cli.backtest import backtest
from marketprism_services.platform.exits import Exit, Stop
from tests.support.backtests import RU
from tests.support.recordings import part_of

pytest.importorskip("numba", reason="the extra `fast` is not installed: make setup does")
pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

Days = tuple[str, ...]
AVERAGE = "examples.double_average:DoubleAverage"
SPACE = ("--param", "fast=5:20:5", "--param", "slow=30,60")
LIAR = """
from examples.double_average import DoubleAverage

class Liar(DoubleAverage):
    @classmethod
    def signals(cls, table, params):
        return -super().signals(table, params)
"""
SILENT = """
from examples.double_average import DoubleAverage

class Silent(DoubleAverage):
    signals = None
"""


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    """Three days of ru1901, of which each command reads every tenth row anew."""
    folder = tmp_path_factory.mktemp("days")
    return tuple(str(part_of(path, folder, slice(0, None, 10))) for path in RU)


def sweep(strategy: str, *more: str, days: Days, data: Path) -> str:
    call = ("sweep", strategy, *days, "--interval", "1m", "--fee-rate", "0.000045", "--multiplier", "10")
    result = CliRunner().invoke(backtest, [*call, "--gap-policy", "ignore", *SPACE, *more, "--data-dir", str(data)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def found_by(strategy: str, *more: str, days: Days, data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sweep(strategy, *more, "--json", days=days, data=data).splitlines()[-1])
    return found


@pytest.mark.parametrize("objective", ["net", "sharpe"])
@pytest.mark.long_on("sharpe")
def test_it_says_what_a_sweep_of_events_says(objective: str, days: Days, tmp_path: Path) -> None:
    more = ("--objective", objective)
    events = found_by(AVERAGE, *more, days=days, data=tmp_path)
    ranked = found_by(AVERAGE, *more, "--kernel", days=days, data=tmp_path)  # the same trials: they count once
    assert (events["ranked_by_kernel"], ranked["ranked_by_kernel"], ranked["differ_from_kernel"]) == (0, 3, 0)
    same = ("trials", "deflated_sharpe", "pbo", "overfitting", "runs", "failed", "digest", "best")
    assert {name: ranked[name] for name in same} == {name: events[name] for name in same}
    sums = ("number", "value", "params", "net", "gross", "fees", "orders", "lots")
    for left, right in zip(ranked["results"], events["results"], strict=True):
        assert {name: left[name] for name in sums} == {name: right[name] for name in sums}
    assert [each["state"] for each in ranked["results"]] == ["done"] * 5 + ["ranked"] * 3
    assert [each["run_id"] for each in ranked["results"][5:]] == [None] * 3


@pytest.mark.long
def test_signals_of_another_strategy_than_its_callbacks_are_told(
    days: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "liar.py").write_text(LIAR)
    more = ("--objective", "net", "--kernel")
    found = found_by("liar:Liar", *more, days=days, data=tmp_path)
    assert found["differ_from_kernel"] == 5
    assert found["best"]["state"] == "done"
    text = " ".join(sweep("liar:Liar", *more, days=days, data=tmp_path).split())
    assert "`signals` is another strategy 5" in text


@pytest.mark.parametrize(
    ("strategy", "more", "text"),
    [
        ("silent:Silent", (), "kernel: expected signals of Silent, there are none; without --kernel"),
        (AVERAGE, ("--method", "tpe"), "kernel: expected method grid, random or sobol, was 'tpe'"),
        (AVERAGE, ("--latency", "5"), "kernel: expected no latency; without --kernel"),
        (AVERAGE, ("--objective", "win_rate"), "kernel: expected an objective of daily equity or a sum, was win_rate"),
    ],
)
def test_what_a_kernel_cannot_rank_is_refused(
    strategy: str, more: tuple[str, ...], text: str, days: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "silent.py").write_text(SILENT)
    with pytest.raises(Stop, match=text) as stop:
        sweep(strategy, *more, "--kernel", days=days, data=tmp_path)
    assert stop.value.code in (Exit.USAGE, Exit.INPUT)
