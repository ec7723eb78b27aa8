"""Leaders under faults: separate processes, a real server or three. Times are printed and written, never asserted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from marketprism_services.chaos.leaders.trial import idle_trial, leader_trials
from marketprism_services.chaos.report import Report

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
TRIALS = int(os.environ.get("CHAOS_TRIALS", "50"))
IDLE_S = float(os.environ.get("CHAOS_IDLE_SECONDS", "600"))

pytestmark = pytest.mark.timeout(3600)


def conclude(report: Report) -> None:
    report.write(RESULTS)
    print("\n" + json.dumps(report.summary()))
    assert report.records > 0
    assert report.sound(), report.summary()


@pytest.mark.parametrize("fault", ["term", "kill", "freeze", "cut", "nats-restart", "kill-r3", "node-kill"])
async def test_a_leader_is_hit_again_and_again(fault: str) -> None:
    report = await leader_trials(fault, TRIALS)
    assert report.trials == TRIALS
    if fault in ("freeze", "cut"):
        # The old leader was made to write late in every trial; a fence that was never tried proves nothing.
        assert report.stale_writes_attempted >= TRIALS
    conclude(report)


@pytest.mark.parametrize("fault", ["kill", "freeze"])
async def test_a_leader_is_hit_while_the_machine_is_overloaded(fault: str) -> None:
    report = await leader_trials(fault, TRIALS, overload=4)
    assert report.trials == TRIALS
    conclude(report)


async def test_nobody_takes_over_from_a_healthy_leader_on_an_overloaded_machine() -> None:
    report = await idle_trial(IDLE_S, overload=4)
    conclude(report)
    assert report.false_takeovers == 0
