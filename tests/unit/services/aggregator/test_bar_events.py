"""Bars that close by the thousand are some events and a count."""

from __future__ import annotations

from marketprism_domain.events.registry import BarDataAggregated, MarketBarGenerated
from marketprism_services.aggregator.bar_events import BarEvents
from tests.contract.test_codec import SAMPLES


def test_the_first_bars_are_named_and_longer_ones_are_counted() -> None:
    events = BarEvents()
    bar = SAMPLES["bar"]._replace(interval="1m")
    for n in range(50):
        events.closed([bar._replace(ts_open=n), bar._replace(interval="5m", ts_open=n)])
    found = events.take()
    named = [event for event in found if isinstance(event, MarketBarGenerated)]
    assert [(event.interval, event.ts_open) for event in named] == [(i, n) for n in range(10) for i in ("1m", "5m")]
    assert [event for event in found if event not in named] == [BarDataAggregated("5m", 50)]
    assert events.take() == []
