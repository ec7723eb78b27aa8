"""Bars that several tests look at, built once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_application.contracts.packed import Packed
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules


class Rebuilt(NamedTuple):
    """A recording through the live pipeline's code: validated ticks in the order of the log, and bars in their last
    revision, by interval and opening."""

    settings: BarSettings
    ticks: Sequence[Tick]
    bars: Sequence[Bar]


@pytest.fixture(scope="session")
def ru1901(calendar: MarketCalendar, fixtures: Path) -> Rebuilt:
    """The three recorded days of ru1901: ticks of four trading days.

    Whoever uses it is in the group `rebuilt`.
    """
    settings = BarSettings(("1m", "4m", "7m", "45m", "3h", "1d"))
    ticks: list[Tick] = []

    def keep(packed: Packed) -> None:
        ticks.extend(packed.ticks)

    async def build() -> Sequence[Bar]:
        source = ReplaySource(sorted((fixtures / "ctp/ticks").glob("ru1901_*.csv.gz")), calendar, checked=True)
        await source.connect()
        rules = ValidationRules()
        return (await rebuild(source.stream({}), calendar, bars=settings, rules=rules, on_validated=keep)).bars

    return Rebuilt(settings, ticks, asyncio.run(build()))


@pytest.fixture(scope="session")
def ru1901_bars(ru1901: Rebuilt) -> Sequence[Bar]:
    """All bars of the three recorded days of ru1901, by interval and opening."""
    return ru1901.bars
