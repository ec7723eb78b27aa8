"""What must be equal wherever a backtest is run, as a line of JSON: `python -m tests.support.repeated_backtest FILE`."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.settings import FillMode, Slippage
from tests.support.backtests import CU, double_average, rows_of


def outcome(result: RunResult) -> dict[str, object]:
    fills = repr([tuple(fill) for fill in result.fills])
    return {
        "run_id": result.run_id,
        "decisions": result.decisions_digest,
        "fills": hashlib.sha256(fills.encode()).hexdigest(),
        "net": str(result.net),
        "statistics": [[each.name, None if each.value is None else each.value.hex()] for each in result.statistics],
    }


def outcomes(recording: Path) -> dict[str, object]:
    """Of the bars of a file, and of the ticks of a recording."""
    bars = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    ticks = rows_of((recording,), FillMode.QUOTE, "1m", "0.000045")
    noise = Slippage.parse("noise:2")
    return {
        "bars": outcome(double_average(bars, 10, 30)),
        "ticks": outcome(double_average(ticks, 10, 30, fill=FillMode.QUOTE, slippage=noise, seed=7)),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(outcomes(Path(sys.argv[1]))))
