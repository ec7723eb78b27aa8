"""The scripted gateway, and sources of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.vnpy_gateway.source import VnpySource
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.vnpy_gateways import scripted_gateway
from tests.support.vnpy_sources import QUICK, Opened


@pytest.fixture
def vnpy(tmp_path: Path) -> Iterator[Any]:
    with scripted_gateway(tmp_path) as module:
        yield module


@pytest.fixture
def opened(vnpy: Any, calendar: MarketCalendar) -> Opened:
    """A source of the scripted gateway, connected."""

    @asynccontextmanager
    async def source(**more: Any) -> AsyncIterator[VnpySource]:
        made = VnpySource(f"{vnpy.__name__}.ScriptedGateway", replace(QUICK, **more), calendar)
        try:
            await made.connect()
            yield made
        finally:
            await made.close()

    return source
