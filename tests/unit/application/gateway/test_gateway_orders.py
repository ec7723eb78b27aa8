"""What commands make of the order that a gateway follows, and the order as it lies in its bucket."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from marketprism_application.gateway.connection_schedule import ConnectionSchedule
from marketprism_application.gateway.orders import (
    SubscriptionOrder,
    apply,
    decode_order,
    encode_order,
    require_group,
)
from marketprism_domain.commands import (
    ConnectToMarketSource,
    DisconnectFromMarketSource,
    GatewayCommand,
    InitializeGateway,
    SubscribeAllInstruments,
    SubscribeInstrument,
    UpdateSubscriptionList,
)
from marketprism_domain.errors import CommandRefused, InvalidValue
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.connection_hours import ConnectionHours
from tests.fakes.ticks import at

BEFORE = SubscriptionOrder(connected=False, instruments=("rb2505", "cu*"))


@pytest.mark.parametrize(
    ("command", "after"),
    [
        (InitializeGateway(), SubscriptionOrder()),
        (ConnectToMarketSource(), SubscriptionOrder(True, ("rb2505", "cu*"))),
        (DisconnectFromMarketSource(reason="night"), SubscriptionOrder(False, ("rb2505", "cu*"))),
        (SubscribeInstrument("shfe.au2506"), SubscriptionOrder(False, ("rb2505", "cu*", "au2506"))),
        (SubscribeInstrument("rb2505"), BEFORE),
        (SubscribeAllInstruments(), SubscriptionOrder(False, ("*",))),
        (UpdateSubscriptionList(("czce.AP101", "m?505")), SubscriptionOrder(False, ("AP101", "m?505"))),
    ],
)
def test_a_command_changes_what_it_says_and_nothing_else(command: GatewayCommand, after: SubscriptionOrder) -> None:
    assert apply(command, BEFORE) == after


def test_one_instrument_more_needs_to_know_of_which_others() -> None:
    with pytest.raises(CommandRefused, match="expected UpdateSubscriptionList before it"):
        apply(SubscribeInstrument("rb2505"), SubscriptionOrder(True))


def test_a_command_for_another_group_is_refused() -> None:
    for command in (ConnectToMarketSource(), ConnectToMarketSource("ctp"), ConnectToMarketSource("")):
        require_group(command, "ctp")
    with pytest.raises(CommandRefused, match="expected the gateway ctp, was 'sopt'"):
        require_group(ConnectToMarketSource("sopt"), "ctp")


def test_the_entry_of_an_order_keeps_its_form() -> None:
    golden = msgspec.msgpack.encode({"connected": False, "instruments": ["rb2505", "cu*"]})
    assert encode_order(BEFORE) == golden
    assert decode_order(golden) == BEFORE
    assert decode_order(msgspec.msgpack.encode({})) == SubscriptionOrder()
    for wrong in (b"", b"\xc1", msgspec.msgpack.encode({"connected": "yes"})):
        with pytest.raises((msgspec.MsgspecError, ValueError)):
            decode_order(wrong)
    with pytest.raises(InvalidValue):
        decode_order(msgspec.msgpack.encode({"instruments": ["rb2505", "\x00"]}))


async def test_an_order_goes_before_the_calendar_and_wakes_who_waits(calendar: MarketCalendar) -> None:
    now = [at("2025-03-03 19:00:00")]
    schedule = ConnectionSchedule(ConnectionHours(calendar, (("shfe", "rb"),)), lambda: now[0])
    assert not schedule.wanted()
    assert now[0] < (schedule.next_ns() or 0) < at("2025-03-03 21:00:00")
    waiting = asyncio.create_task(schedule.until_wanted())
    await asyncio.sleep(0)
    schedule.follow(SubscriptionOrder(connected=True))
    async with asyncio.timeout(3):
        await waiting
    assert schedule.next_ns() is None
    schedule.follow(SubscriptionOrder())
    assert not schedule.wanted()
    now[0] = at("2025-03-03 20:40:00")
    assert schedule.wanted()
    schedule.follow(SubscriptionOrder(connected=False))
    assert not schedule.wanted()
