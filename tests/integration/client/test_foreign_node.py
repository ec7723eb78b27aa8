"""`examples/node` on a true nats-server: golden messages, and what the true pipeline publishes, to the last digit.

Long: it needs node, and installs the packages that the example names.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_sdk.nats.connection import NatsConnection
from tests.support import foreign_clients as foreign
from tests.support.nats_server import running_nats
from tests.support.pipeline import Pipeline

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> foreign.Client:
    if shutil.which("npm") is None:
        pytest.skip("no npm on PATH")
    return foreign.node(foreign.node_client(tmp_path_factory.mktemp("client")))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with running_nats(tmp_path / "nats") as found:
        yield found


async def test_every_message_is_read_as_it_was_published(client: foreign.Client, url: str) -> None:
    connection = await NatsConnection.open(url, name="test")
    await foreign.same_as_published(client, connection, url)
    await connection.close()


async def test_what_the_pipeline_publishes_is_what_its_stream_holds(
    client: foreign.Client, url: str, tmp_path: Path
) -> None:
    pipeline = Pipeline(url, tmp_path / "data")
    await pipeline.start()
    live = await asyncio.create_subprocess_exec(
        *client.live, url, "rb2505", "60", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    stdout, _ = await live.communicate()
    await pipeline.stop()
    held, _ = await foreign.read_history(client, url, "rb2505")
    by_place = {(each["epoch"], each["seq"]): each for each in held.values()}
    lines = [each["message"] for each in foreign.lines_of(stdout.decode())]
    ticks = [each for each in lines if "interval" not in each]
    assert len(lines) == 60
    assert len(ticks) > 20
    assert ticks == [by_place[each["epoch"], each["seq"]] for each in ticks]
    numbers = [int(each["seq"]) for each in ticks]
    assert numbers == list(range(numbers[0], numbers[0] + len(ticks)))
