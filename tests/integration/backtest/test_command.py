"""The command: what it prints and writes, and what it answers to what cannot be run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from marketprism_services.cli.backtest import backtest
from marketprism_services.platform.exits import Exit, Stop
from tests.conftest import FIXTURES
from tests.support.backtests import CU

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

AVERAGE = "examples.double_average:DoubleAverage"
FEES = ("--fee-rate", "0.0001", "--multiplier", "5", "--gap-policy", "ignore")
HEAD = "from marketprism_backtest import BarView, Context, Field, Parameters, Strategy\n\n\n"


def call(*arguments: str) -> tuple[int, str]:
    """Exit code and all that is printed; of a Stop its code and its text."""
    result = CliRunner().invoke(backtest, list(arguments))
    if isinstance(result.exception, Stop):
        return int(result.exception.code), str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def last_object(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text.strip().splitlines()[-1])
    return found


def strategy_in(folder: Path, body: str, head: str = HEAD) -> str:
    path = folder / "mine.py"
    path.write_text(head + body, encoding="utf-8")
    return f"{path}:Mine"


def on_bar(folder: Path, lines: str) -> str:
    body = f"class Mine(Strategy):\n    def on_bar(self, ctx: Context, bar: BarView) -> None:\n        {lines}\n"
    return strategy_in(folder, body)


def test_the_last_line_is_one_object_with_the_reference_result() -> None:
    params = ("--param", "fast=10", "--param", "slow=30")
    code, text = call(AVERAGE, str(CU), "--interval", "1m", *params, "--fill", "bar", *FEES, "--json")
    found = last_object(text)
    assert code == 0
    expected = {"orders": 870, "lots": 1739, "gross": -23550, "fees": 42554.115, "net": -66104.115}
    assert {name: found[name] for name in expected} == expected
    assert {"run_id", "gap_exposure"} <= found.keys()
    again = last_object(call(AVERAGE, str(CU), "fast=10", "slow=30", *FEES, "--json")[1])
    assert again["net"] == found["net"]


def test_a_run_is_written_verified_repeated_and_compared(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code, text = call(AVERAGE, str(CU), *FEES, "--out", str(folder))
    assert code == 0
    assert "-66104.115" in text
    names = {path.name for path in folder.iterdir()}
    assert {
        "run.json",
        "report.html",
        "fills.parquet",
        "fills.csv",
        "orders.csv",
        "equity.csv",
        "equity.parquet",
    } <= names
    returns = pq.read_table(folder / "equity.parquet")
    assert (returns.num_rows, returns.column("date")[0].as_py()) == (48, "2019-03-05")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") == 3
    assert call("verify", str(folder), "--json")[0] == 0
    assert last_object(call("rerun", str(folder), "--json")[1])["equal"] is True
    assert "differs" in call("compare", str(folder), str(folder))[1]

    fills = pq.read_table(folder / "fills.parquet")
    spoilt = [value + 100_000 for value in fills.column("price").to_pylist()]
    number = fills.schema.get_field_index("price")
    pq.write_table(
        fills.set_column(number, fills.schema.field(number), pa.array(spoilt, fills.schema.field(number).type)),
        folder / "fills.parquet",
    )
    code, text = call("verify", str(folder), "--json")
    assert code == Exit.FAILED
    assert len(last_object(text)["unproved"]) == 870  # type: ignore[arg-type]


def test_rates_of_a_file_beside_the_bars_are_paid() -> None:
    bars, rates = (
        str(FIXTURES / "bars" / f"ft_XRP_USDT_USDT-{name}.csv") for name in ("1h-futures", "8h-funding_rate")
    )
    params = ("--param", "fast=5", "--param", "slow=20", "--fee-rate", "0.0005", "--json")
    without = last_object(call(AVERAGE, bars, *params, "--funding", "ignore")[1])
    found = last_object(call(AVERAGE, bars, rates, *params)[1])
    assert found["funding"] == pytest.approx(-0.000524568858)  # at the close of the hour that ends at the settlement
    assert found["net"] == pytest.approx(without["net"] + found["funding"])  # type: ignore[operator]
    assert last_object(call(AVERAGE, bars, rates, *params, "--funding", "ignore")[1])["funding"] == 0
    code, text = call(AVERAGE, bars, *params)
    assert (code, last_object(text)["error"]["code"]) == (1, "FUNDING_MISSING")  # type: ignore[index]


def test_causality_is_proved_on_demand() -> None:
    code, text = call(AVERAGE, str(CU), *FEES, "--prove-causality", "--points", "3", "--json")
    assert (code, last_object(text)["causality"]) == (0, {"trials": 6, "different": 0})


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["examples.double_average:Double", "DATA"], 2, "did you mean"),
        (["examples.nothing:Mine", "DATA"], 2, "there is no examples.nothing"),
        (["nothing", "DATA"], 2, "expected package.module:Class"),
        (["examples.double_average:deque", "DATA"], 2, "expected a subclass of Strategy"),
        ([AVERAGE, "DATA", "--param", "fast=0"], 2, "properties.fast.minimum"),
        ([AVERAGE, "DATA", "--param", "fast=many"], 2, "params.fast"),
        ([AVERAGE, "DATA", "--param", "fats=3"], 2, "did you mean 'fast'"),
        ([AVERAGE, "DATA", "--param", "fast"], 2, "expected name=value"),
        ([AVERAGE, "DATA", "--fill", "bars"], 2, "did you mean 'bar'"),
        ([AVERAGE, "DATA", "--gap-policy", "stopp"], 2, "did you mean 'stop'"),
        ([AVERAGE, "DATA", "--slippage", "tick:1"], 2, "did you mean 'ticks'"),
        ([AVERAGE, "DATA", "--capital", "-5"], 2, "capital: expected more than 0"),
        ([AVERAGE, "DATA", "--fee-rate", "nan"], 2, "fee_rate: expected a number"),
        ([AVERAGE, "DATA", "--multiplier", "0"], 2, "multiplier: expected more than 0"),
        ([AVERAGE, "DATA", "--fill", "quote"], 3, "ticks of cu1905"),
        ([AVERAGE, "DATA", "--from", "2020-01-01", "--to", "2020-01-02"], 3, "expected rows"),
        ([AVERAGE, "/nowhere/at_all.csv"], 3, "expected a file, was none"),
        (["verify", "/nowhere"], 2, "expected a folder with run.json"),
        (["compare", "/nowhere"], 2, "expected two folders or more"),
        ([AVERAGE, "DATA", "--interval", "1minute"], 2, "interval: expected a number and one of s m h d w"),
        ([AVERAGE, "DATA", "--interval", "7m"], 3, "interval: expected 1m"),
        ([AVERAGE, "DATA", "--venue", "SHFEE"], 2, "did you mean 'shfe'"),
        ([AVERAGE, "DATA", "--from", "2019-04-01", "--to", "2019-03-01"], 2, "expected at or after --from"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_field(arguments: list[str], code: int, words: str) -> None:
    found, text = call(*(str(CU) if each == "DATA" else each for each in arguments))
    assert (found, words in text) == (code, True), text


def test_an_import_that_fails_names_file_and_line(tmp_path: Path) -> None:
    code, text = call(strategy_in(tmp_path, "import nowhere_at_all\n"), str(CU))
    assert code == 2
    assert "nowhere_at_all" in text
    assert "mine.py:4" in text
    code, text = call(strategy_in(tmp_path, "class Mine(:\n"), str(CU))
    assert (code, "mine.py:4" in text) == (2, True)


def test_what_a_callback_raises_ends_the_run_and_keeps_what_there_is(tmp_path: Path) -> None:
    lines = "ctx.target(bar.symbol, 1)\n        if ctx.position(bar.symbol):\n            raise KeyError('none')"
    code, text = call(on_bar(tmp_path, lines), str(CU), *FEES, "--json")
    found = last_object(text)
    error = found["error"]
    assert (code, found["state"], found["fills"]) == (1, "failed", 1)
    assert isinstance(error, dict)
    assert error["code"] == "STRATEGY_FAILED"
    assert "mine.py:8 at 2019-03-04T14:53:00" in error["text"]


def test_numbers_that_are_none_are_refused_and_end_the_run_after_a_hundred(tmp_path: Path) -> None:
    code, text = call(on_bar(tmp_path, "ctx.target(bar.symbol, float('nan'))"), str(CU), *FEES, "--json")
    found = last_object(text)
    assert (code, found["state"], found["orders"]) == (1, "failed", 0)
    assert found["refused_or_rounded"] == {"NOT_A_NUMBER": 100}


def test_a_price_off_the_tick_is_rounded_towards_safety_or_refused(tmp_path: Path) -> None:
    name = on_bar(tmp_path, "ctx.buy(bar.symbol, 1, limit=49567) if not ctx.orders else None")
    code, text = call(name, str(CU), *FEES, "--json", "--to", "2019-03-04T22:55", "--out", str(tmp_path / "run"))
    assert (code, last_object(text)["refused_or_rounded"]) == (0, {"ROUNDED_PRICE": last_object(text)["orders"]})
    assert {row["limit"] for row in pq.read_table(tmp_path / "run" / "orders.parquet").to_pylist()} == {49560}
    code, text = call(name, str(CU), *FEES, "--json", "--to", "2019-03-04T22:55", "--strict")
    assert last_object(text)["orders"] == 0
    assert "OFF_TICK" in str(last_object(text)["refused_or_rounded"])


def test_a_loop_without_an_end_is_ended(tmp_path: Path) -> None:
    lines = "while True:\n            pass"
    code, text = call(on_bar(tmp_path, lines), str(CU), *FEES, "--json", "--max-seconds", "0.4")
    error = last_object(text)["error"]
    assert isinstance(error, dict)
    assert (code, error["code"]) == (1, "LIMIT")


def test_an_end_in_the_future_is_cut_to_now_and_said() -> None:
    code, text = call(AVERAGE, str(CU), *FEES, "--to", "2099-01-01", "--json")
    assert code == 0
    assert "to: 2099-01-01 is in the future, the range ends now" in last_object(text)["remarks"]  # type: ignore[operator]


def test_a_leverage_above_the_lowest_tier_is_refused(tmp_path: Path) -> None:
    prices = [60_000.0 + number for number in range(60)]
    rows = {
        "ts_open": [1_704_153_600_000_000_000 + 60_000_000_000 * number for number in range(60)],
        **dict.fromkeys(("open", "high", "low", "close"), prices),
        "volume": [10.0] * 60,
    }
    pq.write_table(pa.table(rows), tmp_path / "bars.parquet")
    given = (AVERAGE, str(tmp_path / "bars.parquet"), "--symbol", "BTC-USDT-PERP", "--venue", "binance", "--leverage")
    code, text = call(*given, "126")
    assert (code, "expected at most 125, by tier 1 of BTC-USDT-PERP at binance, was 126" in text) == (2, True)
    assert call(*given, "125")[0] == 0


def test_a_quantity_off_the_step_is_rounded_towards_zero_or_refused(tmp_path: Path) -> None:
    name = on_bar(tmp_path, "ctx.buy(bar.symbol, '1.7') if not ctx.orders else None")
    given = (name, str(CU), *FEES, "--to", "2019-03-04T22:55", "--json")
    found = last_object(call(*given)[1])
    assert found["lots"] == found["fills"]
    assert found["refused_or_rounded"] == {"ROUNDED_QUANTITY": found["orders"]}
    strict = last_object(call(*given, "--strict")[1])
    assert (strict["orders"], "OFF_STEP" in str(strict["refused_or_rounded"])) == (0, True)


@pytest.mark.parametrize(
    "head",
    [
        "import random\n",
        "from datetime import datetime\nNOW = datetime.now\n",
        "from datetime import datetime as clock\nNOW = clock.now\n",
        "import datetime as d\nNOW = d.datetime.today\n",
        "import time\n",
        "from time import monotonic\n",
        "import numpy as np\nX = np.random.default_rng\n",
        "import os\nX = os.urandom(1)\n",
        "X = __import__('time')\n",
    ],
)
def test_strict_runs_refuse_clocks_and_chance(tmp_path: Path, head: str) -> None:
    name = strategy_in(tmp_path, "class Mine(Strategy):\n    pass\n", head + HEAD)
    code, text = call(name, str(CU), *FEES, "--strict")
    assert (code, "expected ctx.now and ctx.random" in text) == (2, True)


def test_names_that_only_look_like_clocks_are_let_through(tmp_path: Path) -> None:
    lines = "time, http = ctx.now, ctx.random.random()\n        ctx.record('time', time + http)"
    assert call(on_bar(tmp_path, lines), str(CU), *FEES, "--strict", "--to", "2019-03-04T22:55")[0] == 0


def test_strict_runs_look_at_the_modules_of_the_package_too(tmp_path: Path) -> None:
    package = tmp_path / "strategies_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "helper.py").write_text("import time\n\n\ndef now():\n    return time.time()\n", encoding="utf-8")
    body = "from strategies_of_mine.helper import now\n\n\nclass Mine(Strategy):\n    clock = now\n"
    (package / "mine.py").write_text(HEAD + body, encoding="utf-8")
    sys.path.insert(0, str(tmp_path))
    try:
        code, text = call("strategies_of_mine.mine:Mine", str(CU), *FEES, "--strict")
    finally:
        sys.path.remove(str(tmp_path))
    assert (code, "was time (" in text, "helper.py:1" in text) == (2, True, True), text


def test_strict_runs_have_no_network(tmp_path: Path) -> None:
    lines = "__builtins__['__imp' + 'ort__']('socket').create_connection(('127.0.0.1', 9))"
    code, text = call(on_bar(tmp_path, lines), str(CU), *FEES, "--strict", "--json")
    error = last_object(text)["error"]
    assert isinstance(error, dict)
    assert (code, "strict: expected neither files to write nor a network" in error["text"]) == (1, True)


def test_strict_runs_write_no_files(tmp_path: Path) -> None:
    name = on_bar(tmp_path, f"open({str(tmp_path / 'out')!r}, 'w')")
    code, text = call(name, str(CU), *FEES, "--strict", "--json")
    assert (code, last_object(text)["state"]) == (1, "failed")
    assert not (tmp_path / "out").exists()


def test_a_history_beyond_the_lookback_is_refused(tmp_path: Path) -> None:
    code, text = call(on_bar(tmp_path, "ctx.bars(bar.symbol, '1m', 5)"), str(CU), *FEES, "--json")
    error = last_object(text)["error"]
    assert isinstance(error, dict)
    assert (code, error["code"]) == (1, "LOOKBACK_EXCEEDED")
    body = (
        "from datetime import timedelta\n\n\nclass Mine(Strategy):\n    lookback = timedelta(minutes=5)\n\n"
        "    def on_bar(self, ctx, bar):\n        last = ctx.bars(bar.symbol, '1m', 5)\n"
        "        assert last[-1].close == bar.close and last[-1].ts_close <= ctx.now\n        assert len(last) <= 5\n"
    )
    assert call(strategy_in(tmp_path, body), str(CU), *FEES, "--to", "2019-03-06")[0] == 0
