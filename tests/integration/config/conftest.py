"""A server and a monitor as a test starts them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.configured import ConfigPlace
from tests.support.nats_server import running_nats


@pytest.fixture
def own_nats_url(tmp_path: Path) -> Iterator[str]:
    """A server of its own: there is one central configuration to a server."""
    with running_nats(tmp_path / "nats") as url:
        yield url


@pytest.fixture
async def place(own_nats_url: str, tmp_path: Path) -> AsyncIterator[ConfigPlace]:
    async with AsyncExitStack() as stack:
        place = ConfigPlace(own_nats_url, tmp_path, stack)
        await place.begin()
        yield place
