"""A pipeline's worth of servers and recordings for the tests of the rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at
from tests.integration.rules.rules_side import RawMessage, RulesPlace, recorded, rules_place


@pytest.fixture
async def place(tmp_path: Path, calendar: MarketCalendar) -> AsyncIterator[RulesPlace]:
    async with rules_place(tmp_path, calendar) as made:
        yield made


@pytest.fixture(scope="session")
def recording(fixtures: Path, calendar: MarketCalendar) -> list[RawMessage]:
    """The afternoon of two contracts, as a gateway puts it into the raw log."""
    files = [fixtures / "ctp/ticks" / f"{name}_20200803.csv.gz" for name in ("AP010", "AP101")]
    return asyncio.run(recorded(files, calendar, at("2020-08-03 13:30:00")))
