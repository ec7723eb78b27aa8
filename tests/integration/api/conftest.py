"""A server for the tests of the live stream, and the stream beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from tests.integration.api.stream_side import Side, side_of


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = asyncio.run(EmbeddedServer.start(EmbeddedOptions(Path(tmp_path_factory.mktemp("nats")), port=0)))
    yield server.url
    asyncio.run(server.stop())


@pytest.fixture
async def side(server_url: str) -> AsyncIterator[Side]:
    async with side_of(server_url) as made:
        await made.serve()
        yield made
