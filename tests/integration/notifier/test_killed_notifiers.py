"""Two notifiers, each killed while it leads: nothing that was answered with 200 is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_sdk.nats.connection import NatsConnection
from tests.support.killed_notifiers import kill_notifiers, sound
from tests.support.nats_server import running_nats

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server of its own: what was killed leaves alerts behind, which are nobody else's."""
    with running_nats(tmp_path / "nats") as found:
        yield found


@pytest.mark.long
async def test_no_notice_is_lost_when_the_leader_is_killed(url: str, tmp_path: Path) -> None:
    connection = await NatsConnection.open(url)
    try:
        delivered = await kill_notifiers(connection, url, tmp_path, kills=2)
    finally:
        await connection.close()
    assert len(delivered.accepted) > 5
    assert delivered.lost == []
    assert sound(delivered, kills=2), delivered.repeated
