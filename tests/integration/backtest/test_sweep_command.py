"""`backtest sweep` and `walk-forward`: what is said before the winner, and runs that equal single ones bit for bit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from marketprism_application.backtesting.errors import ParameterError
from marketprism_application.backtesting.result_tables import brief_document
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.sweeps.space import Space
from marketprism_application.sweeps.tpe import TpeSearch
from marketprism_services.cli.backtest import backtest
from marketprism_services.platform.exits import Exit, Stop
from tests.support.backtests import CU, IGNORE, RU, DoubleAverage, calendar, rows_of
from tests.support.recordings import part_of

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

AVERAGE = "examples.double_average:DoubleAverage"
FEES = ("--interval", "1m", "--fee-rate", "0.000045", "--multiplier", "10", "--gap-policy", "ignore")


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of the first two hours of ru1901, which each command reads anew."""
    return part_of(RU[0], tmp_path_factory.mktemp("morning"), slice(10_000))


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(backtest, list(arguments))
    if isinstance(result.exception, Stop):
        return int(result.exception.code), str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def last_object(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text.strip().splitlines()[-1])
    return found


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_runs_of_a_sweep_equal_single_runs_bit_for_bit(workers: str, morning: Path, tmp_path: Path) -> None:
    space = ("--param", "fast=2:10:2", "--param", "slow=12:30:6")
    more = ("--workers", workers, "--out", str(tmp_path), "--json", "--data-dir", str(tmp_path))
    code, text = call("sweep", AVERAGE, str(morning), *space, *FEES, *more)
    found = last_object(text)
    assert (code, found["runs"], found["failed"]) == (0, 20, 0)
    rows = pq.read_table(tmp_path / "sweep.parquet").to_pylist()
    selection = rows_of((morning,), FillMode.BAR, "1m", "0.000045")
    settings = RunSettings(gap_policy=IGNORE)
    outcomes = {}
    for row in rows:
        params = DoubleAverage.Params(fast=int(row["param_fast"]), slow=int(row["param_slow"]))
        single = brief_document(run_backtest(selection, calendar(), RunSpec(DoubleAverage, params, settings, AVERAGE)))
        assert (row["run_id"], row["net"]) == (single["run_id"], str(single["net"]))
        outcomes[row["number"]] = single["outcome"]
    shown = found["results"]
    assert isinstance(shown, list)
    assert {each["number"]: each["outcome"] for each in shown}.items() <= outcomes.items()
    assert [each["value"] for each in shown] == sorted((each["value"] for each in shown), reverse=True)
    assert len(rows) == 20
    assert len({row["net"] for row in rows}) > 10


@pytest.mark.long
def test_what_a_winner_is_worth_stands_before_it(tmp_path: Path) -> None:
    space = ("--param", "fast=5,10,20", "--param", "slow=20,30,60", "--constraint", "fast < slow")
    fees = ("--fee-rate", "0.0001", "--multiplier", "5", "--gap-policy", "ignore")
    code, text = call("sweep", AVERAGE, str(CU), *space, *fees, "--data-dir", str(tmp_path))
    assert code == 0
    places = [
        text.index(word)
        for word in ("trials of this strategy", "deflated Sharpe ratio", "(PBO)", "double costs", "fast 20, slow 60")
    ]
    assert places == sorted(places)
    assert "fast 20, slow 60, lots 1" in text
    assert "-21253.505" in text


@pytest.mark.long
def test_trials_are_counted_over_the_history_of_a_data_directory(morning: Path, tmp_path: Path) -> None:
    first = ("sweep", AVERAGE, str(morning), *FEES, "--param", "fast=5,10", "--param", "slow=30,60", "--json")
    other = ("sweep", AVERAGE, str(morning), *FEES, "--param", "fast=20", "--param", "slow=30,60", "--json")
    here = ("--data-dir", str(tmp_path))
    assert last_object(call(*first, *here)[1])["trials"] == 4
    assert last_object(call(*other, *here)[1])["trials"] == 6
    again = last_object(call(*first, *here)[1])  # the same question tries nothing new
    assert again["trials"] == 6
    assert again["overfitting"]["trials_before"] == 2  # type: ignore[index]
    assert last_object(call(*other, "--data-dir", str(tmp_path / "none"))[1])["trials"] == 2


@pytest.mark.long
def test_a_walk_forward_chains_the_days_behind_its_trainings(tmp_path: Path) -> None:
    space = ("--param", "fast=5,10", "--param", "slow=30,60", "--train", "20", "--test", "10")
    fees = ("--fee-rate", "0.0001", "--multiplier", "5", "--gap-policy", "ignore", "--objective", "net")
    one, two = (
        call("walk-forward", AVERAGE, str(CU), *space, *fees, "--workers", n, "--json", "--data-dir", str(tmp_path))
        for n in ("1", "2")
    )
    assert one == two
    found = last_object(one[1])
    assert (one[0], found["windows"], found["failed"], found["trials"]) == (0, 3, 0, 4)
    equity = found["equity"]
    chosen = found["chosen"]
    assert isinstance(equity, list)
    assert isinstance(chosen, list)
    assert len(equity) == 28  # of 48 days without the first training
    assert equity[-1][1] - 1_000_000 == pytest.approx(found["net"])
    assert sum(each["net"] for each in chosen) == pytest.approx(found["net"])
    assert all(each["train"][1] < each["test"][0] for each in chosen)
    code, text = call("walk-forward", AVERAGE, str(CU), *space, *fees, "--data-dir", str(tmp_path))
    assert (code, "net behind the trainings" in text) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--param", "fast=5:1:1"], 2, "expected a range that rises"),
        (["--param", "fats=5,10"], 2, "space.fats: expected one of fast, slow, lots"),
        (["--param", "fast=0,10"], 2, "properties.fast.minimum"),
        (["--param", "fast=5,10", "--constraint", "fast < slow"], 2, "constraint: expected one of fast, was 'slow'"),
        (["--param", "fast=5,10", "--constraint", "fast > 100"], 2, "constraint: expected one that a set fulfils"),
        (["--param", "fast=5,10", "--objective", "sharp"], 2, "did you mean 'sharpe'"),
        (["--param", "fast=5,10", "--method", "gird"], 2, "did you mean 'grid'"),
        (["--param", "fast=5,10", "--workers", "0"], 2, "workers: expected 1 or more"),
        (["--param", "fast=5,10", "--fill", "quotes"], 2, "did you mean 'quote'"),
        ([], 2, "expected a parameter with several values"),
        (["--param", "fast=5,10", "--from", "2030-01-01"], 3, "expected"),
    ],
)
def test_what_cannot_be_swept_is_refused_with_its_field(
    morning: Path, arguments: list[str], code: int, words: str
) -> None:
    found, text = call("sweep", AVERAGE, str(morning), *arguments)
    assert (found, words in text) == (code, True), text


def test_windows_that_do_not_fit_are_refused(morning: Path) -> None:
    text = call("walk-forward", AVERAGE, str(morning), "--param", "fast=5,10", "--train", "20", "--test", "5")[1]
    assert "expected more than 20 trading days, was 2" in text


def test_a_set_that_fails_leaves_the_others(morning: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from marketprism_backtest import BarView, Context, Field, Parameters, Strategy\n\n\n"
        "class Mine(Strategy):\n"
        "    class Params(Parameters):\n"
        "        size: int = Field(1)\n\n"
        "    def on_bar(self, ctx: Context, bar: BarView) -> None:\n"
        "        ctx.target(bar.symbol, 6 // self.params.size)\n",
        encoding="utf-8",
    )
    arguments = ("sweep", f"{path}:Mine", str(morning), "--json", "--data-dir", str(tmp_path))
    found = last_object(call(*arguments, "--param", "size=0,1,2")[1])
    assert (found["runs"], found["failed"]) == (3, 1)
    code, text = call(*arguments, "--param", "size=0")
    assert (code, "every run has failed, the first one: ZeroDivisionError" in text) == (Exit.FAILED, True)


def test_tpe_without_optuna_says_what_to_install(morning: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, text = call("sweep", AVERAGE, str(morning), "--param", "fast=5:50", "--method", "tpe", "--samples", "5")
    assert (code, "pip install 'marketprism[tpe]'" in text) == (2, True)


def search(space: Space, budget: int, seed: int, at_once: int) -> list[dict[str, str]]:
    """What a search tries for the top of a hill at x 70, y 30."""
    found: list[dict[str, str]] = []
    tpe = TpeSearch(space, budget, seed)
    while chosen := tpe.ask(at_once):
        for values in chosen:
            x, y = int(values["x"]), int(values["y"])
            tpe.tell(values, -((x - 70) ** 2) - (y - 30) ** 2 if values["side"] == "long" else None)
        found += chosen
    return found


def test_tpe_climbs_and_tries_nothing_twice() -> None:
    pytest.importorskip("optuna")
    space = Space.of_texts(["x=0:100", "y=0:100", "side=long,short"], "x != y")
    found = search(space, 80, 1, 8)
    assert found == search(space, 80, 1, 8)
    assert len(found) == len({tuple(each.values()) for each in found}) == 80
    assert all(each["x"] != each["y"] for each in found)
    away = [abs(int(each["x"]) - 70) + abs(int(each["y"]) - 30) for each in found]
    assert sorted(away[-40:])[20] < sorted(away[:20])[10] / 2
    assert sum(each["side"] == "long" for each in found[-40:]) > 30
    small = Space.of_texts(["x=1,2,3", "y=1", "side=long"])
    assert len(search(small, 50, 1, 8)) == 3
    with pytest.raises(ParameterError, match="budget"):
        TpeSearch(space, 0)


def test_a_sweep_by_tpe_is_the_same_whatever_the_workers(morning: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    space = ("--param", "fast=5:50:5", "--param", "slow=20:100:10", "--constraint", "fast < slow")
    more = ("--method", "tpe", "--samples", "16", "--objective", "net", "--json", "--data-dir", str(tmp_path))
    one, two = (
        last_object(call("sweep", AVERAGE, str(morning), *space, *FEES, *more, "--workers", n)[1]) for n in ("1", "2")
    )
    assert one == two
    assert one["runs"] == 16
