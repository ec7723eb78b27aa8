"""Whole machines lost, cut off, misled and slowed: nothing is lost, nothing is doubled, and how long it is silent."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.chaos.three_nodes import FAULTS, NodesTrial

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
TRIALS = int(os.environ.get("CHAOS_NODE_TRIALS", "2"))
_TOOLS = ("ip", "iptables", "ss")

pytestmark = [
    pytest.mark.timeout(7_200),
    pytest.mark.skipif(
        os.geteuid() != 0 or any(shutil.which(tool) is None for tool in _TOOLS),
        reason=f"needs root and {', '.join(_TOOLS)}",
    ),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_lost_or_doubled(tmp_path: Path, fault: str) -> None:
    number = FAULTS.index(fault)
    trial = NodesTrial(tmp_path / "lab", fault, TRIALS, seed=number + 1, tag=f"c{number}n", subnet=f"10.76.{number}")
    report = await trial.run()
    report.write(RESULTS)
    print("\n" + json.dumps(report.summary()))
    assert report.trials == TRIALS
    assert report.records > 0
    assert report.sound(), report.summary()
