"""The gateway of a counter struck while it is logged in: one at a time, and what it missed lies in named gaps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from marketprism_services.chaos.counters.trial import CounterTrial
from marketprism_services.cli.options import settings_of

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
TRIALS = int(os.environ.get("CHAOS_TRIALS", "50"))

pytestmark = pytest.mark.timeout(3600)


@pytest.mark.parametrize("fault", ["kill", "freeze", "cut", "front-lost"])
async def test_what_is_missed_is_named_and_nobody_is_logged_in_twice(fault: str, fixtures: Path) -> None:
    recordings = [str(path) for path in sorted((fixtures / "ctp" / "ticks").glob("ru1901*.csv.gz"))]
    report = await CounterTrial(settings_of(), recordings, fault, TRIALS, speed=60.0, seed=1, say=print).run()
    report.write(RESULTS)
    print("\n" + json.dumps(report.summary()))
    assert report.records > 0
    assert report.trials >= min(TRIALS, 5)
    assert report.sound(), report.summary()
