"""What a service offers: declared by its handlers, asked over NATS, checked by its own types."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from marketprism_sdk import Caller
from marketprism_sdk.errors import ConfigurationError, RemoteError, StreamError
from marketprism_sdk.messaging import (
    DONE,
    REGISTRY,
    Discovery,
    HttpCall,
    ServiceInterface,
    dead_letter,
    discard,
    newest_letters,
    outcome_of,
    redrive,
    send_command,
)
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import Service, ServiceSettings, command, http
from tests.support.services import running


class Order(msgspec.Struct):
    """What is wanted."""

    name: str
    count: int = 1


class Shop(Service):
    """A service that publishes requests of its own."""

    done: list[Order]

    @command("Deliver")
    async def deliver(self, order: Order) -> None:
        """Deliver it. Once."""
        if order.name == "poison":
            raise ValueError("cannot")
        self.done.append(order)

    @http("GET", "/orders/{name}", scope="sys:read", weight=3)
    async def show(self, order: Order, caller: Caller) -> dict[str, object]:
        """One order."""
        return {"name": order.name, "count": order.count, "caller": caller.id}


@pytest.fixture
async def shop(connection: NatsConnection, unique: str) -> AsyncIterator[Shop]:
    service = Shop(unique, connection, version="7")
    service.done = []
    async with running(service):
        yield service


async def test_a_service_says_what_it_offers_and_the_registry_says_by_which_digest(
    shop: Shop, connection: NatsConnection, unique: str
) -> None:
    found = msgspec.convert(await shop.calls.call(unique, "interface"), ServiceInterface)
    (deliver,), (show,) = found.commands, found.requests
    assert (deliver.name, deliver.summary, deliver.attempts) == ("Deliver", "Deliver it. Once.", 5)
    assert "count" in str(deliver.body)
    assert (show.method, show.path, show.scope, show.weight) == (
        "GET",
        f"/api/v1/{unique}/orders/{{name}}",
        "sys:read",
        3,
    )
    discovery = Discovery(NatsKeyValue.existing(connection, REGISTRY))
    await discovery.refresh()
    assert [each.interface for each in discovery.instances(unique)] == [found.digest]


async def test_a_command_is_checked_by_the_services_own_types_before_it_is_given(shop: Shop, unique: str) -> None:
    async def check(name: str, body: object) -> Any:
        return await shop.calls.call(unique, "check_command", {"name": name, "body": body})

    await check("Deliver", {"name": "a"})
    for name, body, field in (
        ("Deliver", {"name": "a", "count": "x"}, "count"),
        ("Deliver", {"count": 1}, "name"),
        ("Deliver", {"name": "a", "cuont": 1}, "cuont"),
    ):
        with pytest.raises(RemoteError, match=f"{field}: expected") as caught:
            await check(name, body)
        assert (caught.value.code, caught.value.details) == ("INVALID_PARAMETER", {"field": field})
    with pytest.raises(RemoteError, match="expected one of Deliver, was 'Steal'"):
        await check("Steal", None)
    assert shop.done == []


async def test_a_request_reaches_its_handler_with_texts_as_its_types_and_who_asks(shop: Shop, unique: str) -> None:
    path = f"/api/v1/{unique}/orders/{{name}}"

    async def ask(path: str, **values: object) -> Any:
        return await shop.calls.call(unique, "http", HttpCall("GET", path, Caller("user:li"), values))

    assert await ask(path, name="a", count="2") == {"name": "a", "count": 2, "caller": "user:li"}
    for wrong, text in (
        ({"name": "a", "count": "x"}, "count: expected int"),
        ({"nmae": "a"}, "nmae: expected a field"),
    ):
        with pytest.raises(RemoteError, match=text):
            await ask(path, **wrong)
    with pytest.raises(RemoteError, match="expected one that this version") as caught:
        await ask("/api/v1/other")
    assert caught.value.code == "UNKNOWN_REQUEST"


async def test_whoever_gave_a_command_learns_what_became_of_it(
    shop: Shop, connection: NatsConnection, unique: str, eventually: Callable[..., Any]
) -> None:
    outcomes = NatsKeyValue.existing(connection, DONE)
    for key, body in (("good", {"name": "a"}), ("bad", {"nam": 1}), ("worse", {"name": "poison"})):
        await send_command(connection, unique, "Deliver", body, issuer="operator:user:li", key=f"{unique}{key}")
    await eventually(lambda: shop.metrics.total("dead_letters_total") == 2, 40)

    async def outcome(key: str) -> Any:
        async with asyncio.timeout(10):
            while (found := await outcome_of(outcomes, f"{unique}{key}")) is None:
                await asyncio.sleep(0.02)
        return found

    assert (await outcome("good")).status == "done"
    bad, worse = await outcome("bad"), await outcome("worse")
    assert (bad.status, "name: expected a value" in bad.reason) == ("refused", True)
    assert (worse.status, worse.reason) == ("failed", "ValueError: cannot")
    letter = await dead_letter(connection, worse.letter)
    assert letter is not None
    assert letter.command is not None
    assert letter.command.issuer == "operator:user:li"
    assert await outcome_of(outcomes, "never") is None
    # the same command once more is the same command: it is neither done nor set aside again
    await send_command(connection, unique, "Deliver", {"nam": 1}, issuer="operator", key=f"{unique}bad")
    (newest, _), before = await newest_letters(connection, 2)
    assert newest[0] == max(bad.letter, worse.letter)
    older, _ = await newest_letters(connection, 1, before=newest[0])
    assert older[0][0] == min(bad.letter, worse.letter)
    assert before in (0, older[0][0])
    key = await redrive(connection, worse.letter)
    assert await dead_letter(connection, worse.letter) is None
    assert (await outcome_of(outcomes, key)) is None
    await discard(connection, bad.letter)
    with pytest.raises(StreamError):
        await discard(connection, bad.letter)


async def test_a_letter_that_names_another_subject_is_not_put_there(
    shop: Shop, connection: NatsConnection, unique: str
) -> None:
    forged = {
        "command": {"name": "x", "issuer": "x", "key": "x", "ts_sent": 1, "body": None},
        "subject": "market.tick.rb2605",
        "reason": "",
        "attempts": 1,
        "ts_dead": 1,
    }
    await publish_ack(connection, f"dlq.{unique}.x", b"")  # no letter at all
    seq = (await publish_ack(connection, f"dlq.{unique}.x", msgspec.msgpack.encode(forged))).seq
    with pytest.raises(StreamError, match="expected the subject of a command, was 'market"):
        await redrive(connection, seq)


def test_a_request_that_cannot_be_offered_is_refused_where_it_is_written() -> None:
    for method, path, scope, weight in (
        ("FETCH", "/a", "sys:read", 1),
        ("GET", "a", "sys:read", 1),
        ("GET", "/a/../b", "sys:read", 1),
        ("GET", "/a", "", 1),
        ("GET", "/a", "sys:read", 0),
    ):
        with pytest.raises(ConfigurationError, match="expected"):
            http(method, path, scope=scope, weight=weight)


async def test_two_handlers_of_one_request_keep_a_service_from_starting(
    connection: NatsConnection, unique: str
) -> None:
    class Twice:
        @http("GET", "/orders/{name}", scope="sys:read")
        async def show(self, order: Order) -> None:
            """Again."""

    service = Shop(unique, connection, settings=ServiceSettings())
    service.mount(Twice())
    with pytest.raises(ConfigurationError, match="expected one handler of GET"):
        await service.run(asyncio.Event())
