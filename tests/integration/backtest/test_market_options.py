"""Market rules by the options of the command and of a request."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.options import option_values, settings_of
from tests.conftest import FIXTURES
from tests.integration.backtest.test_command import call, last_object, strategy_in

BTC = str(FIXTURES / "binance" / "usdm" / "hft_btcusdt_20230404.txt.xz")


def bars_file(folder: Path, symbol: str, level: int) -> str:
    """Two mornings of minutes of a contract."""
    lines = ["datetime,open,high,low,close,volume"]
    for day, count in (("2023-12-19", 5), ("2023-12-20", 5)):
        for minute in range(count):
            price = level + minute + (5 if day.endswith("20") else 0)
            lines.append(f"{day} 09:0{minute}:00,{price},{price},{price},{price},100")
    path = folder / f"SHFE.{symbol}_1m.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_files_of_contracts_are_one_product(tmp_path: Path) -> None:
    files = [bars_file(tmp_path, "rb2401", 4_000), bars_file(tmp_path, "rb2405", 3_900)]
    strategy = strategy_in(
        tmp_path,
        "class Mine(Strategy):\n"
        "    def on_bar(self, ctx: Context, bar: BarView) -> None:\n"
        "        ctx.log(f'{bar.symbol} {bar.close}')\n"
        "        ctx.target('continuous:rb', 1)\n",
    )
    out = tmp_path / "run"
    options = ("--rolls", "rb2405@20231220", "--roll", "twap:2", "--gap-policy", "ignore", "--margin-rate", "0")
    code, text = call(strategy, *files, "--interval", "1m", *options, "--out", str(out), "--json")
    assert code == 0, text
    fills = pq.read_table(out / "fills.parquet").to_pylist()
    assert [(fill["symbol"], fill["side"], int(fill["price"]), fill["tag"]) for fill in fills] == [
        ("rb2401", "buy", 4_001, "target"),
        ("rb2401", "sell", 4_005, "roll"),
        ("rb2405", "buy", 3_905, "roll"),
    ]
    assert call("verify", str(out))[0] == 0
    assert call("rerun", str(out))[0] == 0
    code, text = call(strategy, *files, "--interval", "1m", "--rolls", "rb2405")
    assert (code, "rolls: expected CONTRACT@YYYYMMDD" in text) == (2, True)


@pytest.mark.long
def test_a_recording_with_a_book_is_what_fills_in_mode_queue(tmp_path: Path) -> None:
    strategy = strategy_in(
        tmp_path,
        "class Mine(Strategy):\n"
        "    def on_book(self, ctx: Context, book) -> None:\n"
        "        if not ctx.orders and book.bid is not None:\n"
        "            ctx.buy(book.symbol, '0.01', limit=book.bid)\n",
    )
    out = tmp_path / "run"
    options = ("--fill", "queue", "--queue", "power:3", "--latency", "measured+1ms", "--depth", "5")
    code, text = call(strategy, BTC, *options, "--gap-policy", "ignore", "--out", str(out), "--json")
    assert code == 0, text
    found = last_object(text)
    assert int(str(found["fills"])) > 0
    assert {row["evidence_series"] for row in pq.read_table(out / "fills.parquet").to_pylist()} <= {"book", "trade"}
    assert call("verify", str(out))[0] == 0


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"funding": "sometimes"}, "funding: expected strict, assume:RATE"),
        ({"expiry": "setle"}, "did you mean 'settle'"),
        ({"roll": "twap:0"}, "roll: expected first_minutes"),
        ({"depth": 0}, "depth: expected 1 level or more"),
        ({"impact": -1}, "impact: expected 0 ticks or more"),
        ({"latency": "later"}, "latency: expected a number"),
        ({"slippage": "sqrt:1"}, "slippage: expected one of"),
    ],
)
def test_an_option_that_is_none_is_refused(given: dict[str, object], problem: str) -> None:
    with pytest.raises(BacktestError, match=problem):
        settings_of(option_values(given))


def test_what_a_run_chose_is_printed_with_it() -> None:
    plain = settings_of(option_values({"funding": "assume:0.0001", "roll": "close", "latency": "09:00=5ms"})).plain()
    assert {name: plain[name] for name in ("funding", "roll", "expiry", "latency", "depth", "impact")} == {
        "funding": "assume:0.0001",
        "roll": "close:1",
        "expiry": "close",
        "latency": "09:00:00=5000000ns",
        "depth": 20,
        "impact": 0,
    }
