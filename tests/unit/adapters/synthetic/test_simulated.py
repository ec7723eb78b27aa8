"""The simulated market is made as it is asked for: a day of it is never in memory."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest

from marketprism_adapters.synthetic.plan import parse_plan
from marketprism_adapters.synthetic.source import SimulatedVenue
from marketprism_domain.sessions.calendar import MarketCalendar


@pytest.mark.parametrize("plan", ["days=1,rate=0.2", "days=1,rate=0.2,faults=gap:2+duplicate:3+stale:2"])
@pytest.mark.long_on("days=1,rate=0.2,faults=gap:2+duplicate:3+stale:2")
def test_ticks_are_made_one_by_one(calendar: MarketCalendar, plan: str) -> None:
    tracemalloc.start()
    try:
        ticks = SimulatedVenue(parse_plan(plan), calendar).ticks()
        count = sum(1 for _ in itertools.islice(ticks, 10_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 10_000
    assert peak < 8_000_000  # the times of a day take some 2 MB, its ticks 40
