"""The notifier's reader of events says each time that it cannot read them, and once."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from marketprism_sdk.errors import NotConnected
from marketprism_services.notifier import event_reader
from marketprism_services.notifier.event_reader import EventReader

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

    monkeypatch.setattr(event_reader, "stream_info", info)
    monkeypatch.setattr(event_reader, "PullConsumer", _Consumer)
    monkeypatch.setattr(event_reader, "_AGAIN_S", 0.0)
    reader = EventReader(None, None, _Sent())  # type: ignore[arg-type]
    with pytest.raises(asyncio.CancelledError):
        await reader.run()
    assert [entry["event"] for entry in logs] == ["events.not_readable", "events.not_readable"]
