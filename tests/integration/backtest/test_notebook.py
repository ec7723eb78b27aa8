"""A run in a program: a table of bars, and the strategy that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from marketprism_backtest import BacktestError, RunSettings, Strategy, backtest

ROOT = Path(__file__).parents[3]
MINUTE = 60_000_000_000
START = 1_704_153_600_000_000_000


def shown() -> type[Strategy]:
    text = (ROOT / "docs" / "backtests.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    names: dict[str, object] = {"__name__": "tests.integration.backtest.test_notebook"}
    exec(compile(code[1], "docs/backtests.md", "exec", dont_inherit=True), names)
    found = names["Breakout"]
    assert isinstance(found, type)
    assert issubclass(found, Strategy)
    return found


def table(prices: list[float]) -> pa.Table:
    return pa.table(
        {
            "ts_open": [START + MINUTE * number for number in range(len(prices))],
            **dict.fromkeys(("open", "high", "low", "close"), prices),
            "volume": [10.0] * len(prices),
        }
    )


def test_the_documented_strategy_buys_what_breaks_out() -> None:
    prices = [100.0] * 20 + [100.5, 101.0, 101.25]
    result = backtest(
        shown(), table(prices), symbol="BTC-USDT-PERP", params={"bars": 5}, multiplier=10, fee_rate="0.001"
    )
    assert [(fill.side, str(fill.price)) for fill in result.fills] == [("buy", "101")]
    assert str(result.net.normalize()) == "1.49"
    assert result.statistic("trading_days") == 1


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(BacktestError, match=r"params\.bars.*properties\.bars\.minimum"):
        backtest(shown(), table([1.0] * 3), symbol="X", params={"bars": 1})
    with pytest.raises(BacktestError, match="capital: expected more than 0"):
        RunSettings(capital=0)  # type: ignore[arg-type]
