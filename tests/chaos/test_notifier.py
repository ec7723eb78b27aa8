"""Notifiers are killed while notices are due: none is lost, and how many arrive twice is counted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from marketprism_sdk.nats.connection import NatsConnection
from tests.support.killed_notifiers import kill_notifiers, sound

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
KILLS = int(os.environ.get("CHAOS_NOTIFIER_KILLS", "10"))

pytestmark = pytest.mark.timeout(120 + 30 * KILLS)


async def test_every_notice_arrives_however_often_its_notifier_is_killed(
    connection: NatsConnection, nats_url: str, tmp_path: Path
) -> None:
    delivered = await kill_notifiers(connection, nats_url, tmp_path, KILLS)
    found = delivered.summary(KILLS)
    print("\n" + json.dumps(found))
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "notifier.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    assert len(delivered.accepted) > 5 * KILLS
    assert delivered.lost == []
    assert sound(delivered, KILLS), delivered.repeated
