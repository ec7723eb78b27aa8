"""The life of a gateway, state by state; commands and events up to their defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields

import pytest

from marketprism_domain.commands import (
    MAX_INSTRUMENTS,
    AdjustValidationRules,
    DisconnectFromMarketSource,
    Issuer,
    SubscribeInstrument,
    UpdateSubscriptionList,
)
from marketprism_domain.errors import InvalidValue, InvariantBroken
from marketprism_domain.events import registry, sessions
from marketprism_domain.events.sessions import TradingSessionOpened
from marketprism_domain.gateway import Gateway, GatewayState, RetryPolicy
from marketprism_domain.marketdata import tick as ticks
from marketprism_domain.marketdata.gap import interval_missing_in, kind_missing_in
from marketprism_domain.marketdata.tick import Tick

STEPS: dict[str, Callable[[Gateway], object]] = {
    "initialize": lambda gateway: gateway.initialize(),
    "connected": lambda gateway: gateway.connected(),
    "loaded": lambda gateway: gateway.loaded(7),
    "subscribed": lambda gateway: gateway.subscribed(7),
    "requested": lambda gateway: gateway.requested(7),
}
ALLOWED = {
    "created": {"initialize"},
    "initialized": {"connected"},
    "connected": {"loaded"},
    "loaded": {"subscribed", "requested"},
    "subscribed": {"subscribed", "requested"},
    "disconnected": {"initialize", "connected"},
}
WAY = ["initialize", "connected", "loaded", "subscribed"]


def at(state: str) -> Gateway:
    gateway = Gateway("s")
    if state == "disconnected":
        gateway.disconnected("away")
    for step in WAY[: list(ALLOWED).index(state)] if state != "disconnected" else ():
        STEPS[step](gateway)
    assert gateway.state == state
    return gateway


@pytest.mark.parametrize("state", list(ALLOWED))
@pytest.mark.parametrize("step", list(STEPS))
def test_each_step_is_taken_where_it_may_be_and_nowhere_else(state: str, step: str) -> None:
    gateway = at(state)
    if step in ALLOWED[state]:
        assert STEPS[step](gateway)
    else:
        with pytest.raises(InvariantBroken, match="gateway s: "):
            STEPS[step](gateway)
        assert gateway.state == state


def test_states_and_what_is_told_on_the_way() -> None:
    assert [*GatewayState] == list(ALLOWED)
    gateway = Gateway("s")
    assert (gateway.instruments, gateway.attempts) == (0, 0)
    with pytest.raises(InvariantBroken, match="to initialize, expected created or disconnected, was connected"):
        at("connected").initialize()
    gateway = at("subscribed")
    assert gateway.instruments == 7
    assert [type(each).__name__ for each in gateway.closed()] == [
        "MarketClosingSequenceCompleted",
        "MarketSourceDisconnected",
    ]
    assert (gateway.state, gateway.instruments) == (GatewayState.DISCONNECTED, 0)
    for state in ALLOWED:
        told = [type(each).__name__ for each in at(state).failed("no such file")]
        begins = ["GatewayInitializationFailed"] if state in ("created", "initialized") else []
        assert told == [*begins, "MarketSourceDisconnected"]
    assert [type(each).__name__ for each in at("initialized").refused("no")] == [
        "GatewayAuthenticationFailed",
        "MarketSourceDisconnected",
    ]


def test_a_connection_ends_the_counting_of_attempts() -> None:
    gateway = Gateway("s", RetryPolicy(1.0, 5.0, 3))
    gateway.initialize()
    assert [gateway.retry()[0] for _ in range(4)] == [1, 2, 4, None]
    gateway.connected()
    assert gateway.attempts == 0
    assert gateway.retry()[0] == 1


def test_where_the_source_is_not_at_fault_pauses_are_short_and_attempts_without_number() -> None:
    gateway = Gateway("s", RetryPolicy(0.25, 5.0, 3))
    gateway.initialize()
    pauses, told = zip(*(gateway.retry(1.0) for _ in range(5)), strict=True)
    assert pauses == (0.25, 0.5, 1.0, 1.0, 1.0)
    assert [each.delay_s for (each,) in told] == [*pauses]  # what is told is what is waited


def test_pauses_reach_to_their_bounds() -> None:
    assert (RetryPolicy().retry_first_s, RetryPolicy().retry_longest_s, RetryPolicy().retry_limit) == (0.5, 30, 0)
    assert RetryPolicy(3_600.0, 3_600.0).delay_s(1) == RetryPolicy(3_600.0, 3_600.0).delay_s(10_000) == 3_600
    assert RetryPolicy(0.01, 0.01).delay_s(9) == 0.01
    for wrong, text in (
        ({"retry_longest_s": 3_600.5}, "retry_longest_s: expected more than 0 and at most 3600"),
        ({"retry_longest_s": 0.0}, "retry_longest_s: expected more than 0"),
        ({"retry_first_s": 0.0}, "retry_first_s: expected more than 0 and at most 30"),
        ({"retry_first_s": 30.5}, "retry_first_s: expected more than 0 and at most 30"),
        ({"retry_limit": -1}, "retry_limit: expected 0 or more"),
    ):
        with pytest.raises(InvalidValue, match=text):
            RetryPolicy(**wrong)  # type: ignore[arg-type]


def test_commands_are_what_their_fields_say() -> None:
    assert [*Issuer] == ["operator", "system"]
    assert DisconnectFromMarketSource().reason == "asked to"
    assert (AdjustValidationRules().changes, AdjustValidationRules().version, AdjustValidationRules().reason) == (
        {},
        None,
        "",
    )
    assert (SubscribeInstrument("rb2505").venue, SubscribeInstrument("rb2505").gateway) == ("", None)
    assert len(UpdateSubscriptionList(("rb*",) * MAX_INSTRUMENTS).instruments) == MAX_INSTRUMENTS
    for wrong in ((), ("rb*",) * (MAX_INSTRUMENTS + 1)):
        with pytest.raises(InvalidValue, match=f"instruments: expected 1 to {MAX_INSTRUMENTS} of them"):
            UpdateSubscriptionList(wrong)


def test_a_record_of_an_event_has_its_fields_once() -> None:
    event = TradingSessionOpened("shfe", "20250303", 1, "rb")
    plain = registry.to_record(event, event_id="e", source="s", ts_event=5)
    assert (plain.venue, plain.symbol, plain.source, plain.epoch, plain.seq) == ("shfe", "", "s", 0, 0)
    assert (plain.ts_event, plain.ts_recv, plain.ts_pub, plain.event_id) == (5, 5, 5, "e")
    assert plain.data == {"trading_day": "20250303", "section": 1, "product": "rb"}
    timed = registry.to_record(event, event_id="e", source="s", ts_event=5, ts_recv=6, ts_pub=7, epoch=8, seq=9)
    assert (timed.ts_recv, timed.ts_pub, timed.epoch, timed.seq) == (6, 7, 8, 9)
    gap = registry.DataGapDetected(*(["shfe", "rb2505"] + ["x"] * (len(fields(registry.DataGapDetected)) - 2)))  # type: ignore[arg-type]
    found = registry.to_record(gap, event_id="e", source="s", ts_event=5)
    assert (found.venue, found.symbol, "venue" in found.data, "symbol" in found.data) == (
        "shfe",
        "rb2505",
        False,
        False,
    )


def test_an_event_of_a_session_is_of_every_product_where_none_is_named() -> None:
    kinds = [getattr(sessions, name) for name in dir(sessions) if isinstance(getattr(sessions, name), type)]
    named = [
        (kind, item)
        for kind in kinds
        if hasattr(kind, "__dataclass_fields__")
        for item in fields(kind)
        if item.name == "product"
    ]
    assert len(named) >= 5
    assert {item.default for _, item in named if item.default is not MISSING} == {""}


def test_a_hole_says_what_it_is_about() -> None:
    assert [kind_missing_in(kind) for kind in ("tick", "bar", "trade", "orderbook")] == ["", "", "trade", "orderbook"]
    assert [interval_missing_in(source) for source in ("history:1m", "history", "other:1m", "history:")] == [
        "1m",
        "",
        "",
        "",
    ]


def test_places_of_a_ticks_fields_are_those_of_its_names() -> None:
    names = [name for name in dir(ticks) if name.isupper() and isinstance(getattr(ticks, name), int)]
    known = {name.lower(): getattr(ticks, name) for name in names if name.lower() in Tick._fields}
    assert len(known) >= 20
    assert known == {name: Tick._fields.index(name) for name in known}
