"""`backtest sweep` at the size that it promises: 200 runs by one process and by two, and each of them again by itself."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from marketprism_application.backtesting.result_tables import brief_document
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_services.cli.backtest import backtest
from tests.support.backtests import CU, IGNORE, DoubleAverage, calendar, rows_of

pytestmark = pytest.mark.timeout(1_800)
AVERAGE = "examples.double_average:DoubleAverage"
SPACE = ("--param", "fast=5:50:5", "--param", "slow=55:150:5")
TERMS = ("--interval", "1m", "--fee-rate", "0.0001", "--multiplier", "5", "--gap-policy", "ignore", "--json")


def test_200_runs_of_a_sweep_are_200_single_runs(tmp_path: Path) -> None:
    found, seconds = {}, {}
    for workers in ("1", "2"):
        begun = time.perf_counter()
        more = ("--workers", workers, "--out", str(tmp_path / workers), "--data-dir", str(tmp_path / "none"))
        done = CliRunner().invoke(backtest, ["sweep", AVERAGE, str(CU), *SPACE, *TERMS, *more])
        assert done.exit_code == 0, done.output
        found[workers] = json.loads(done.stdout.splitlines()[-1])
        seconds[workers] = time.perf_counter() - begun
    assert found["1"] == found["2"]
    selection, settings = rows_of((CU,), FillMode.BAR, "1m", "0.0001"), RunSettings(gap_policy=IGNORE)
    rows = pq.read_table(tmp_path / "2" / "sweep.parquet").to_pylist()
    assert len(rows) == 200
    for row in rows:
        params = DoubleAverage.Params(fast=int(row["param_fast"]), slow=int(row["param_slow"]))
        single = brief_document(run_backtest(selection, calendar(), RunSpec(DoubleAverage, params, settings, AVERAGE)))
        assert (row["run_id"], row["net"], row["orders"]) == (single["run_id"], str(single["net"]), single["orders"])
        statistics = single["statistics"]
        assert isinstance(statistics, dict)
        assert {name: row[name] for name in statistics} == statistics
    print({"runs": 200, "seconds by one process": seconds["1"], "by two": seconds["2"]})
