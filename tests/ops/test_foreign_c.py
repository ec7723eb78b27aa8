"""`examples/c`, compiled, on a true nats-server: golden messages and a stream, to the last digit.

Needs libnats-dev and libmsgpack-dev (apt-get install gcc make libnats-dev libmsgpack-dev).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_sdk.nats.connection import NatsConnection
from tests.support import foreign_clients as foreign
from tests.support.nats_server import running_nats

pytestmark = [pytest.mark.ops, pytest.mark.timeout(120)]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with running_nats(tmp_path / "nats") as found:
        yield found


async def test_every_message_is_read_as_it_was_published(url: str, tmp_path: Path) -> None:
    if shutil.which("cc") is None or not Path("/usr/include/nats/nats.h").exists():
        pytest.skip("needs a C compiler and libnats-dev, libmsgpack-dev")
    client = foreign.c(foreign.c_client(tmp_path))
    connection = await NatsConnection.open(url, name="test")
    await foreign.same_as_published(client, connection, url)
    await connection.close()
