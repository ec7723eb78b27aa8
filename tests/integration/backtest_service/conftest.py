"""The recorded days in a store, and a service that works on them for whole modules."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.backtest_place import Place, fill_store, place
from tests.support.services import running


@pytest.fixture(scope="module")
def stored(clickhouse_url: str) -> str:
    """A ClickHouse server with the ticks and minute bars of three days of ru1901."""
    fill_store(clickhouse_url)
    return clickhouse_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(stored: str, tmp_path_factory: pytest.TempPathFactory, calendar: MarketCalendar) -> AsyncIterator[Place]:
    """A service of two workers for a module, whose tests run in one event loop: `asyncio(loop_scope="module")`."""
    folder = tmp_path_factory.mktemp("backtests")
    async with place(stored, folder, calendar) as found, running(found.service(found.connection, workers=2)):
        yield found
