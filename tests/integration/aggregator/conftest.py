"""Bars that several tests look at, built once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules


@pytest.fixture(scope="session")
def ru1901_bars(calendar: MarketCalendar, fixtures: Path) -> Sequence[Bar]:
    """All bars of the three recorded days of ru1901, in the order in which they closed.

    Whoever uses it is in the group `rebuilt`.
    """

    async def build() -> Sequence[Bar]:
        source = ReplaySource(sorted((fixtures / "ctp/ticks").glob("ru1901_*.csv.gz")), calendar, checked=True)
        await source.connect()
        intervals = BarSettings(("1m", "4m", "7m", "45m", "3h", "1d"))
        return (await rebuild(source.stream({}), calendar, bars=intervals, rules=ValidationRules())).bars

    return asyncio.run(build())
