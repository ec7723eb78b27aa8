"""What must be equal wherever a backtest is run, as one line of JSON: `python -m tests.support.repeated_backtest`."""

from __future__ import annotations

import hashlib
import json
import sys

from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.settings import FillMode, Slippage
from tests.support.backtests import CU, RU, double_average, rows_of


def outcome(result: RunResult) -> dict[str, object]:
    fills = repr([tuple(fill) for fill in result.fills])
    return {
        "run_id": result.run_id,
        "decisions": result.decisions_digest,
        "fills": hashlib.sha256(fills.encode()).hexdigest(),
        "net": str(result.net),
        "statistics": [[each.name, None if each.value is None else each.value.hex()] for each in result.statistics],
    }


def outcomes() -> dict[str, object]:
    bars = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    ticks = rows_of(RU[:1], FillMode.QUOTE, "1m", "0.000045")
    noise = Slippage.parse("noise:2")
    return {
        "bars": outcome(double_average(bars, 10, 30)),
        "ticks": outcome(double_average(ticks, 10, 30, fill=FillMode.QUOTE, slippage=noise, seed=7)),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(outcomes()))
