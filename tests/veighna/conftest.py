"""A read side over three recorded days of ru1901, which programs on VeighNa ask by NATS and through the API gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.api.service import ApiService
from marketprism_services.query.service import QueryService
from marketprism_services.wiring.store import ServerEngines
from tests.support.backtest_place import fill_store
from tests.support.services import running


class ReadSide(NamedTuple):
    """Its doors."""

    nats: str
    http: str
    connection: NatsConnection


@pytest.fixture(scope="session")
def recorded(clickhouse_url: str) -> str:
    """A ClickHouse server with the ticks and minute bars of the recorded days."""
    fill_store(clickhouse_url)
    return clickhouse_url


@pytest.fixture
async def read_side(recorded: str, tmp_path: Path, calendar: MarketCalendar) -> AsyncIterator[ReadSide]:
    """Query service and API gateway."""
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="veighna-test")
    await streams.ensure_streams(connection)
    query = QueryService(connection, ReadRules(calendar, ("1m",)), ServerEngines(recorded, None))
    api = ApiService(connection, ("1m",))
    try:
        async with running(query), running(api):
            yield ReadSide(server.url, f"http://127.0.0.1:{api.http.port}", connection)
    finally:
        await connection.close()
        await server.stop()
