"""How the gateway is made: by which name it draws from the budget of a venue."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import cast

import pytest

from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.gateway import wiring
from marketprism_services.settings.settings import Settings, validated
from marketprism_services.wiring.shared import Shared


class _Made(Exception):
    """The source is asked for, with the budget that it gets."""


@pytest.mark.parametrize(("given", "address"), [("cluster", "cluster"), ("", socket.gethostname())])
def test_programs_behind_one_address_draw_from_one_budget(
    monkeypatch: pytest.MonkeyPatch, given: str, address: str
) -> None:
    def source(_settings: Settings, _calendar: object, *, budget: Callable[..., object], **_: object) -> object:
        raise _Made(*cast("tuple[object, ...]", budget.args))  # type: ignore[attr-defined]

    monkeypatch.setattr(wiring, "source_of", source)
    connection = cast("NatsConnection", object())
    settings = validated({"data": {"address": given}})
    with pytest.raises(_Made) as made:
        wiring.build(settings, connection, Shared(lambda: cast("MarketCalendar", object()), lambda: None))
    assert made.value.args == (connection, address)
