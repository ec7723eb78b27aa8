"""Two notifiers, each killed while it leads: nothing that was answered with 200 is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_sdk.nats.connection import NatsConnection
from tests.support.killed_notifiers import kill_notifiers, sound

pytestmark = pytest.mark.timeout(180)


async def test_no_notice_is_lost_when_the_leader_is_killed(
    connection: NatsConnection, nats_url: str, tmp_path: Path
) -> None:
    delivered = await kill_notifiers(connection, nats_url, tmp_path, kills=2)
    assert len(delivered.accepted) > 5
    assert delivered.lost == []
    assert sound(delivered, kills=2), delivered.repeated
