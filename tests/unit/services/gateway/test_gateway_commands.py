"""Commands of operators to a gateway: what becomes an order, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from marketprism_application.gateway.orders import SubscriptionOrder
from marketprism_domain.commands import AdjustValidationRules
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import CommandRejected
from marketprism_sdk.messaging import Command
from marketprism_sdk.service import marked
from marketprism_sdk.service._bodies import decoded
from marketprism_sdk.service._handlers import command_handler
from marketprism_services.gateway.commands import OperatorCommands, gateway_named


class Gateway:
    """Handlers over an order in memory, called as the SDK calls them: with the bytes of a command decoded."""

    def __init__(self, *, can_subscribe: bool = True) -> None:
        self.order = SubscriptionOrder()
        commands = OperatorCommands("ctp", lambda: self.order, self._store, can_subscribe=can_subscribe)
        self._handlers = {name: command_handler(name, method) for method, (name, _) in marked(commands, "__command__")}

    async def _store(self, order: SubscriptionOrder) -> None:
        self.order = order

    async def give(self, name: str, body: Any = None, issuer: str = "operator") -> SubscriptionOrder:
        sent = msgspec.msgpack.encode(Command(name, issuer, "k", 1, body))
        await self._handlers[name](msgspec.msgpack.decode(sent, type=Command))
        return self.order


async def test_commands_as_they_are_sent_become_the_order_that_is_followed() -> None:
    gateway = Gateway()
    assert await gateway.give("ConnectToMarketSource") == SubscriptionOrder(True)
    assert await gateway.give("SubscribeAllInstruments", {"gateway": "ctp"}) == SubscriptionOrder(True, ("*",))
    body = {"gateway": "ctp", "instruments": ["czce.AP101", "rb*"]}
    assert await gateway.give("UpdateSubscriptionList", body) == SubscriptionOrder(True, ("AP101", "rb*"))
    more = {"gateway": "ctp", "symbol": "shfe.au2506"}
    assert (await gateway.give("SubscribeInstrument", more)).instruments == ("AP101", "rb*", "au2506")
    assert (await gateway.give("DisconnectFromMarketSource", {"gateway": None})).connected is False
    assert await gateway.give("InitializeGateway", {}) == SubscriptionOrder()


@pytest.mark.parametrize(
    ("name", "body", "issuer", "text"),
    [
        ("ConnectToMarketSource", {}, "system", "command ConnectToMarketSource: expected the issuer operator, was"),
        ("ConnectToMarketSource", {"gateway": "sopt"}, "operator", "expected the gateway ctp, was 'sopt'"),
        ("ConnectToMarketSource", {"gateway": 5}, "operator", "INVALID_PARAMETER: command ConnectToMarketSource: gate"),
        ("ConnectToMarketSource", "now", "operator", "body: expected object, was str"),
        ("UpdateSubscriptionList", {}, "operator", "instruments: expected a value, was none"),
        ("UpdateSubscriptionList", {"instruments": []}, "operator", "instruments: expected 1 to 100000 of them, was 0"),
        ("UpdateSubscriptionList", {"instruments": "rb*"}, "operator", "instruments: expected array, was str"),
        ("UpdateSubscriptionList", {"instruments": ["a", 5]}, "operator", "instruments[1]: expected str, was int"),
        ("UpdateSubscriptionList", {"instruments": [""]}, "operator", "symbol: expected 1 to 64 printable"),
        ("SubscribeInstrument", {}, "operator", "symbol: expected a value, was none"),
        ("SubscribeInstrument", {"symbol": "rb"}, "operator", "expected UpdateSubscriptionList before it"),
    ],
)
async def test_what_is_no_order_for_this_gateway_is_refused_and_changes_nothing(
    name: str, body: Any, issuer: str, text: str
) -> None:
    gateway = Gateway()
    with pytest.raises(CommandRejected) as caught:
        await gateway.give(name, body, issuer)
    assert text in str(caught.value)
    assert gateway.order == SubscriptionOrder()


async def test_a_source_that_delivers_what_it_has_takes_no_subscriptions() -> None:
    gateway = Gateway(can_subscribe=False)
    with pytest.raises(CommandRejected, match="expected a source that can subscribe"):
        await gateway.give("SubscribeAllInstruments")
    assert (await gateway.give("DisconnectFromMarketSource")).connected is False


def test_the_group_is_read_from_bodies_that_nobody_has_checked() -> None:
    for body, group in (({"gateway": "ctp"}, "ctp"), ({"gateway": ""}, None), (None, None), ("ctp", None)):
        assert gateway_named(body) == group


def test_changes_of_rules_keep_their_kind_of_number() -> None:
    body = {"changes": {"warm_up_ticks": 50, "z_low": 2.5, "stale_s_by_venue": {"okx": 1}}}
    rules = ValidationRules().changed(**decoded(body, AdjustValidationRules, "x").changes)
    assert (rules.warm_up_ticks, rules.z_low, rules.stale_s_by_venue) == (50, 2.5, {"okx": 1})
    assert isinstance(rules.warm_up_ticks, int)
