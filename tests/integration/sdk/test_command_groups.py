"""Commands of services whose instances lead in groups: each reaches its own, also from the queue that all share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from marketprism_sdk.errors import CommandRejected, InvalidSubject
from marketprism_sdk.messaging import Command, dead_letters, ensure_command_streams, redrive, send_command
from marketprism_sdk.messaging._command_queues import CommandQueue
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, publish_ack
from marketprism_sdk.service import SingleActiveService, command


class Grouped(SingleActiveService):
    """Does what is for its group and refuses the rest, as a gateway does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.done: list[int] = []
        self.at_once = self.most = 0

    def meant_for(self, given: Command) -> str | None:
        return given.body.get("group") if isinstance(given.body, dict) else None

    @command("Work")
    async def work_on(self, given: Command) -> None:
        group = given.body.get("group") or self.group
        if group != self.group:
            raise CommandRejected(f"expected the group {self.group}, was {group}")
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        self.done.append(given.body["n"])


Begin = Callable[..., Any]


@pytest.fixture
async def begin(connection: NatsConnection, unique: str) -> AsyncIterator[Begin]:
    running: list[tuple[asyncio.Event, asyncio.Task[int]]] = []

    async def start(*groups: str) -> list[Grouped]:
        made = [Grouped(unique, connection, group=group) for group in groups]
        for service in made:
            running.append((stop := asyncio.Event(), asyncio.create_task(service.run(stop))))
        for service in made:
            while not service.http.ready:
                await asyncio.sleep(0.01)
        return made

    yield start
    for stop, _ in running:
        stop.set()
    assert [await task for _, task in running] == [0] * len(running)


async def letters_of(connection: NatsConnection, service: str) -> list[tuple[int, Any]]:
    return [found for found in await dead_letters(connection) if found[1].subject.startswith(f"cmd.{service}.")]


async def test_commands_for_two_groups_in_turn_all_reach_their_own(
    begin: Begin, connection: NatsConnection, unique: str, eventually: Callable[..., object]
) -> None:
    ctp, sopt = await begin("ctp", "sopt")
    for n in range(20):
        group = ("ctp", "sopt")[n % 2]
        await send_command(connection, unique, "Work", {"n": n, "group": group}, issuer="operator", group=group)
    await eventually(lambda: len(ctp.done) + len(sopt.done) >= 20)
    assert (ctp.done, sopt.done) == ([*range(0, 20, 2)], [*range(1, 20, 2)])
    assert await letters_of(connection, unique) == []


async def test_a_group_that_is_ready_has_its_queue(
    begin: Begin, connection: NatsConnection, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else the first commands go by the shared queue, and those after them may be done before them.
    made = CommandQueue.open

    async def slow(*args: Any) -> None:
        await asyncio.sleep(0.1)
        await made(*args)

    monkeypatch.setattr(CommandQueue, "open", slow)
    await begin("ctp")
    assert await CommandQueue(unique, "ctp").is_read(connection)


async def test_what_an_older_sender_put_on_the_shared_queue_is_handed_on(
    begin: Begin, connection: NatsConnection, unique: str, eventually: Callable[..., object]
) -> None:
    # Queued by the version before, with its consumer, while no gateway was running.
    await ensure_command_streams(connection)
    subject, consumer = f"cmd.{unique}.*", f"commands-{unique}"
    config = {
        "durable_name": consumer,
        "name": consumer,
        "ack_policy": "explicit",
        "ack_wait": 30_000_000_000,
        "filter_subject": subject,
        "max_ack_pending": 1,
    }
    body = {"stream_name": "COMMANDS", "config": config}
    await api(connection, f"CONSUMER.CREATE.COMMANDS.{consumer}.{subject}", body)
    for n in range(20):
        old = {"name": "Work", "issuer": "operator", "key": f"{unique}-{n}", "ts_sent": 1}
        value = msgspec.msgpack.encode({**old, "body": {"n": n, "group": ("ctp", "sopt")[n % 2]}})
        await publish_ack(connection, f"cmd.{unique}.Work", value, {"Nats-Msg-Id": old["key"]})
    one = (await begin("ctp"))[0]
    # Those for a group that nobody has started yet are refused in words, as before; they can be redriven.
    other = (await begin("sopt"))[0]
    await eventually(lambda: len(one.done) == 10)

    async def settled() -> list[tuple[int, Any]]:
        for _ in range(400):
            letters = await letters_of(connection, unique)
            if len(letters) + len(other.done) >= 10:
                return letters
            await asyncio.sleep(0.02)
        raise AssertionError(other.done)

    for seq, letter in await settled():
        assert letter.reason == "expected the group ctp, was sopt"
        await redrive(connection, seq)
    await eventually(lambda: len(other.done) == 10)
    assert sorted(one.done + other.done) == [*range(20)]
    assert one.most <= 1
    assert other.most <= 1


async def test_a_command_for_the_default_group_or_for_none_finds_somebody(
    begin: Begin, connection: NatsConnection, unique: str, eventually: Callable[..., object]
) -> None:
    (ctp,) = await begin("ctp")
    await send_command(connection, unique, "Work", {"n": 1}, issuer="operator")
    await eventually(lambda: ctp.done == [1])  # the only one there is
    await send_command(connection, unique, "Work", {"n": 2, "group": "nope"}, issuer="operator", group="nope")
    for _ in range(400):
        if letters := await letters_of(connection, unique):
            break
        await asyncio.sleep(0.02)
    assert [letter.reason for _, letter in letters] == ["expected the group ctp, was nope"]
    default = (await begin("default"))[0]
    for n in range(3, 13):
        await send_command(connection, unique, "Work", {"n": n}, issuer="operator")
    await eventually(lambda: sorted(default.done) == [*range(3, 13)])
    assert ctp.done == [1]


async def test_names_that_are_no_tokens_are_refused(connection: NatsConnection, unique: str) -> None:
    await ensure_command_streams(connection)
    for service, group, name in (
        (unique, "a.b", "Work"),
        (unique, "*", "Work"),
        (unique, "a", "W k"),
        ("a b", "a", "W"),
    ):
        with pytest.raises(InvalidSubject, match="expected letters, digits"):
            await send_command(connection, service, name, None, issuer="operator", group=group)
    with pytest.raises(InvalidSubject, match="header: expected"):
        await send_command(connection, unique, "Work", None, issuer="operator", key="a\r\nNats-Rollup: all")


async def test_a_dead_letter_that_is_none_hides_no_others(
    begin: Begin, connection: NatsConnection, unique: str
) -> None:
    await ensure_command_streams(connection)
    for garbage in (b"", b"\xc1", b"\x91" * 200_000 + b"\xc0", b"\xc0"):
        await publish_ack(connection, f"dlq.{unique}.Work", garbage)
    await send_command(connection, unique, "Work", {"n": 1, "group": "other"}, issuer="operator")
    await begin("ctp")
    for _ in range(400):
        if letters := await letters_of(connection, unique):
            break
        await asyncio.sleep(0.02)
    assert [letter.reason for _, letter in letters] == ["expected the group ctp, was other"]
