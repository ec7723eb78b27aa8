"""Every service restarted in turn under load: bars and ticks of the undisturbed run, and nothing stands still."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from marketprism_services.chaos.rolling.trial import RollingTrial
from marketprism_services.cli.options import settings_of

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
ROUNDS = int(os.environ.get("CHAOS_ROLLING_ROUNDS", "2"))
IDLE_S = float(os.environ.get("CHAOS_ROLLING_IDLE_S", "2"))

pytestmark = pytest.mark.timeout(3600)


async def test_a_rolling_restart_is_not_seen() -> None:
    settings = settings_of(source={"spec": "sim:days=1,seed=9,instruments=rb2505+ag2506+m2505", "speed": "400"})
    report = await RollingTrial(settings, ROUNDS, idle_s=IDLE_S, pause_s=3.0, seed=1, say=print).run()
    report.write(RESULTS)
    print("\n" + json.dumps(report.summary()))
    assert report.trials >= 9 * ROUNDS
    assert report.records > 0
    assert report.sound(), report.summary()
