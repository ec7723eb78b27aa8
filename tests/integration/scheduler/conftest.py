"""A server, a worker and schedulers as a test starts them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_sdk.nats.connection import NatsConnection
from tests.support.nats_server import running_nats
from tests.support.scheduled import Place, Worker
from tests.support.services import running


@pytest.fixture
def own_nats_url(tmp_path: Path) -> Iterator[str]:
    """A server of its own: every scheduler of a server competes for one lease."""
    with running_nats(tmp_path) as url:
        yield url


@pytest.fixture
async def place(own_nats_url: str) -> AsyncIterator[Place]:
    connection = await NatsConnection.open(own_nats_url)
    await streams.ensure_one(connection, streams.TICKS, StreamLayout())
    await streams.ensure_one(connection, streams.EVENTS, StreamLayout())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        worker = Worker("worker", connection)
        await stack.enter_async_context(running(worker))
        yield Place(connection, worker, stack)
