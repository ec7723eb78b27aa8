"""A run in a program: a table of bars, and the strategy that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

import marketprism_client
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


def frames() -> dict[str, object]:
    """The same bars as each library has them: numbers, times with a zone, times without, times as the index."""
    import pandas as pd  # noqa: PLC0415 (an extra)
    import polars as pl  # noqa: PLC0415 (an extra)

    arrow = table([100.0] * 20 + [100.5, 101.0, 101.25])
    times = pd.to_datetime(arrow.column("ts_open").to_pylist(), utc=True)
    plain = arrow.to_pandas()
    return {
        "pyarrow": arrow,
        "pandas": plain,
        "pandas, times": plain.assign(ts_open=times.as_unit("ms")),
        "pandas, index": plain.drop(columns="ts_open").set_index(times.tz_localize(None)),
        "polars": pl.from_arrow(arrow),
        "polars, times": pl.from_arrow(arrow).with_columns(pl.from_epoch("ts_open", time_unit="ns")),
    }


@pytest.mark.parametrize("kind", ["pyarrow", "pandas", "pandas, times", "pandas, index", "polars", "polars, times"])
def test_tables_of_three_libraries_give_the_same_run(kind: str) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    given: dict[str, object] = {"params": {"bars": 5}, "multiplier": 10, "fee_rate": "0.001"}
    result = marketprism_client.backtest(shown(), bars=frames()[kind], symbol="BTC-USDT-PERP", **given)  # type: ignore[arg-type]
    expected = backtest(shown(), frames()["pyarrow"], symbol="BTC-USDT-PERP", **given)  # type: ignore[arg-type]
    assert (str(result.net.normalize()), result.run_id) == ("1.49", expected.run_id)


def test_what_a_table_says_of_itself_need_not_be_given() -> None:
    minutes = table([100.0] * 5)
    hours = minutes.set_column(0, "ts_open", pa.array([START + 60 * MINUTE * number for number in range(5)]))
    for name, value in (("symbol", "ETH-USDT-PERP"), ("venue", "okx")):
        hours = hours.append_column(name, pa.array([value] * 5))
    found = marketprism_client.backtest(Strategy, hours)
    assert found.digests.keys() == {"bar.1h okx.ETH-USDT-PERP"}


@pytest.mark.parametrize(
    ("bars", "words"),
    [
        ([1, 2], "expected a table of pyarrow, pandas or polars, was list"),
        (pa.table({"ts_open": [1]}), "open is not among ts_open"),
        (table([]), "expected a row or more"),
        (table([1.0]).set_column(0, "ts_open", pa.array(["now"])), "bars.ts_open: expected times or nanoseconds"),
        (table([1.0, 2.0]).append_column("symbol", pa.array(["A", "B"])), "bars.symbol: expected one, was A, B"),
    ],
)
def test_tables_that_are_none_are_named(bars: object, words: str) -> None:
    with pytest.raises(BacktestError, match=words):
        backtest(Strategy, bars)
