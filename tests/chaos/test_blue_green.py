"""Blue-green of a venue's gateway: green is started beside blue, stands by, and takes over when blue is asked to end.

`BLUE_GREEN_TRIALS` hand-overs of each market at `BLUE_GREEN_RATE` trades a second.
"""

from __future__ import annotations

import json
import os

import pytest

from marketprism_services.chaos.venue_leaders.trial import LEAVE, VenueLeaderTrial
from marketprism_services.settings.settings import Settings

TRIALS = int(os.environ.get("BLUE_GREEN_TRIALS", "10"))
RATE = float(os.environ.get("BLUE_GREEN_RATE", "200"))

pytestmark = pytest.mark.timeout(3_600)


@pytest.mark.parametrize("market", ["binance-usdm", "okx"])
async def test_a_gateway_that_leaves_for_another_loses_and_doubles_no_trade(market: str) -> None:
    trial = VenueLeaderTrial(Settings(), market, LEAVE, TRIALS, seed=7, say=print, rate=RATE / 2)
    report = await trial.run()
    print("\n" + json.dumps(report.summary()))
    assert report.sound(), report.summary()
    assert any(", 0 missing in gaps that are named" in note for note in report.notes), report.notes
    assert report.records > TRIALS * RATE
