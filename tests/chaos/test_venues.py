"""Simulated venues under random faults: a thousand schedules, each of them its seed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from marketprism_services.chaos.venue_leaders.trial import FAULTS, VenueLeaderTrial
from marketprism_services.chaos.venues.trial import trials
from marketprism_services.settings.settings import Settings

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
TRIALS = int(os.environ.get("CHAOS_VENUE_TRIALS", "1000"))
LEADERS = int(os.environ.get("CHAOS_VENUE_LEADER_TRIALS", "20"))

pytestmark = pytest.mark.timeout(3600)


async def test_no_book_is_published_as_valid_that_is_wrong_and_every_hole_is_named() -> None:
    found = await trials(TRIALS, first_seed=1, parallel=25)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "venue.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print("\n" + json.dumps({name: value for name, value in found.items() if name != "faults"}))
    assert found["wrong"] == []
    assert found["book_messages_checked"] > TRIALS * 20
    memory = found["memory_mb"]
    assert not memory or memory[-1] < memory[len(memory) // 4] * 1.1 + 10


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("market", ["binance-usdm", "okx"])
async def test_no_trade_is_lost_or_doubled_when_a_venues_leader_is_struck(market: str, fault: str) -> None:
    report = await VenueLeaderTrial(Settings(), market, fault, LEADERS, seed=5, say=print).run()
    report.fault = f"{report.fault}-{market}"
    report.write(RESULTS)
    print("\n" + json.dumps(report.summary()))
    assert report.sound()
    assert report.records > 50 * LEADERS
