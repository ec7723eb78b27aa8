"""The notifier's reader of events says each time that it cannot read them, and once."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import MutableMapping
from typing import Any

import pytest

from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import EVENT
from marketprism_application.notifications.event_alerts import ENDS, RULES
from marketprism_domain.events.registry import to_record
from marketprism_sdk.errors import NotConnected
from marketprism_services.notifier import event_reader
from marketprism_services.notifier.event_reader import EventReader, alert_in

_ANSWERS = ("away", "away", "there", "away", "away", "end")  # of NATS, at each look


class _Consumer:
    """One that can be opened, and then has nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        return

    async def open(self) -> None:
        return

    async def fetch(self, *_: object) -> list[object]:
        raise NotConnected("NATS is away")

    async def close(self) -> None:
        return


class _Sent:
    async def position(self) -> int:
        return 1


async def test_each_outage_is_told_once(monkeypatch: pytest.MonkeyPatch, logs: list[MutableMapping[str, Any]]) -> None:
    answers = iter(_ANSWERS)

    async def info(*_: object) -> dict[str, dict[str, int]]:
        answer = next(answers)
        if answer == "away":
            raise NotConnected("NATS is away")
        if answer == "end":
            raise asyncio.CancelledError
        return {"state": {"last_seq": 5}}

    monkeypatch.setattr(event_reader, "leader_info", info)
    monkeypatch.setattr(event_reader, "PullConsumer", _Consumer)
    monkeypatch.setattr(event_reader, "_AGAIN_S", 0.0)
    reader = EventReader(None, None, _Sent())  # type: ignore[arg-type]
    with pytest.raises(asyncio.CancelledError):
        await reader.run()
    assert [entry["event"] for entry in logs] == ["events.not_readable", "events.not_readable"]


@pytest.mark.parametrize("kind", [*RULES, *ENDS], ids=lambda kind: kind.__name__)
def test_no_text_of_an_alert_of_an_event_has_a_secret(kind: type) -> None:
    """Whatever field an error text got into, with the URL of a server, a web hook or a collector in it."""
    text = (
        'cannot reach nats://me:canary-1@host:4222, "https://oapi/robot/send?access_token=canary-2", '
        "http://me:canary-3@store:8123/?password=canary-4&secret=canary-5"
    )
    fields = {
        field.name: text if "str" in str(field.type) else (True if "bool" in str(field.type) else 1)
        for field in dataclasses.fields(kind)
    }
    record = to_record(kind(**fields), event_id="x", source="gateway", ts_event=1)
    record = record._replace(data={**record.data, "api_key": "canary-6", "smtp_password": "canary-7"})
    alert = alert_in("market.event.x", encode(EVENT, record))
    assert alert is not None
    assert text not in fields.values() or "cannot reach nats://***@host:4222" in str(alert)
    assert "canary" not in str(alert)
    assert "api_key=***" in alert.description
