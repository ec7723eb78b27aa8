"""A replay that is as fast as it goes, and listeners that are not."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.replays import (
    ReplayPosition,
    ReplayTaken,
    decode_taken,
    encode_position,
    encode_taken,
    position_subject,
)
from marketprism_client import MarketClient, QueryFailed
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.replay.listeners import AHEAD, Listeners
from tests.contract.test_codec import SAMPLES

pytestmark = [pytest.mark.timeout(120)]

_TICK = SAMPLES["tick"]._replace(venue="shfe", symbol="ru1901")
_MESSAGE = encode(TICK, _TICK)


async def test_the_replay_waits_for_who_reads_slowly(connection: NatsConnection, unique: str) -> None:
    listeners = await Listeners.open(connection)
    subject = position_subject(unique)
    async with MarketClient(str(connection.url.reveal()), prefix=unique) as market:
        stream = market.ticks("ru1901", wait=True)
        reading = asyncio.ensure_future(anext(stream))

        async def position(sent: int) -> None:
            where = ReplayPosition(sent={"tick": sent})
            await connection.publish(subject, encode_position(where), reply=listeners.subject)

        while not listeners.reading:
            await position(0)
            await asyncio.sleep(0.01)
        sent = AHEAD + 5_000
        for _ in range(sent):
            await connection.publish(f"{unique}.market.tick.ru1901", _MESSAGE)
        await position(sent)
        waiting = asyncio.create_task(listeners.keep_up(sent))
        await reading
        await connection.flush()
        await asyncio.sleep(0.1)
        assert not waiting.done()
        read = 1
        while not waiting.done():
            read += len(await stream.batch())
            await asyncio.sleep(0)
            if read == sent:
                # Nothing more comes; that the last was read is known when the next is asked for.
                following = asyncio.ensure_future(stream.batch())
                await waiting
                following.cancel()
                await asyncio.wait([following])
        assert read == sent
        assert market.dropped == 0
        await stream.aclose()
        while listeners.reading:
            await asyncio.sleep(0.01)
    await listeners.close()


async def test_a_listener_that_went_without_a_word_is_not_waited_for(connection: NatsConnection) -> None:
    listeners = await Listeners.open(connection, silence_s=0.05)
    await connection.publish(listeners.subject, b"no answer")
    await connection.publish(listeners.subject, encode_taken(ReplayTaken(reader="a")))
    while not listeners.reading:
        await asyncio.sleep(0.01)
    await listeners.keep_up(AHEAD)
    assert listeners.reading == {"a": 0}
    await listeners.keep_up(AHEAD + 1)
    assert listeners.reading == {}
    await listeners.close()


async def _answered(connection: NatsConnection) -> tuple[str, list[ReplayTaken]]:
    """Where listeners answer, and their answers as they come."""
    answers: list[ReplayTaken] = []
    reply = connection.inbox()
    await connection.subscribe(reply, lambda message: answers.append(decode_taken(message.data)))
    return reply, answers


async def _subscribed(connection: NatsConnection, prefix: str, reply: str, answers: list[ReplayTaken]) -> None:
    """Until the server has a listener's subscription."""
    while not answers:
        await connection.publish(position_subject(prefix), encode_position(ReplayPosition()), reply=reply)
        await asyncio.sleep(0.01)


async def test_what_is_too_much_for_a_listener_is_an_error_behind_what_it_had(
    connection: NatsConnection, unique: str
) -> None:
    reply, answers = await _answered(connection)
    async with MarketClient(str(connection.url.reveal()), prefix=unique) as market:
        stream = market.ticks("ru1901", wait=True)
        reading = asyncio.ensure_future(stream.batch())
        await _subscribed(connection, unique, reply, answers)
        await connection.publish(f"{unique}.market.tick.ru1901", _MESSAGE)
        assert len(await reading) == 1
        answers.clear()
        for _ in range(101_000):
            await connection.publish(f"{unique}.market.tick.ru1901", _MESSAGE)
        await connection.publish(position_subject(unique), encode_position(ReplayPosition(ended=True)), reply=reply)
        await connection.flush(60)
        while market.dropped < 1_000:
            await asyncio.sleep(0.01)
        counts: list[int] = []

        async def all_of() -> None:
            while True:
                counts.append(len(await stream.batch()))

        with pytest.raises(QueryFailed, match="more than 100000 records behind; slow the replay with --speed"):
            await all_of()
        assert (sum(counts), market.dropped) == (100_000, 1_000)
        assert max(counts) <= 2_000
        assert answers == []


async def test_a_replay_that_was_killed_is_an_error_behind_what_it_had_sent(
    connection: NatsConnection, unique: str
) -> None:
    reply, answers = await _answered(connection)
    async with MarketClient(str(connection.url.reveal()), prefix=unique) as market:
        reading = asyncio.ensure_future(anext(stream := market.ticks("ru1901", wait=True)))
        await _subscribed(connection, unique, reply, answers)
        lively = encode_position(ReplayPosition(sent={"tick": 1}, alive_s=0.02))
        await connection.publish(position_subject(unique), lively, reply=reply)
        await connection.publish(f"{unique}.market.tick.ru1901", _MESSAGE)
        assert await reading == _TICK
        with pytest.raises(QueryFailed, match="replay: expected a sign of it every second, was none for") as was:
            await anext(stream)
        assert was.value.code == Code.UNAVAILABLE


async def test_a_listener_that_answers_does_not_keep_a_deaf_one_waited_for(connection: NatsConnection) -> None:
    listeners = await Listeners.open(connection, silence_s=0.3)
    listeners.receive(encode_taken(ReplayTaken(reader="deaf")))

    async def answer() -> None:
        while True:
            listeners.receive(encode_taken(ReplayTaken(reader="quick", sent=AHEAD + 1)))
            await asyncio.sleep(0.02)

    answering = asyncio.create_task(answer())
    await asyncio.sleep(0.05)
    async with asyncio.timeout(30):
        await listeners.keep_up(AHEAD + 1)
    assert listeners.reading == {"quick": AHEAD + 1}
    answering.cancel()
    await listeners.close()


async def test_that_nobody_listens_is_no_malformed_answer(
    connection: NatsConnection, unique: str, logs: list[MutableMapping[str, Any]]
) -> None:
    listeners = await Listeners.open(connection)
    # The server answers a message with a reply subject that reaches nobody, with an empty one.
    await connection.publish(f"{unique}.nobody", b"position", reply=listeners.subject)
    reached = asyncio.Event()
    stop = await connection.subscribe(f"{unique}.after", lambda _: reached.set())
    await connection.publish(f"{unique}.after", b"x")
    await reached.wait()  # comes behind the server's answer
    assert logs == []
    listeners.receive(b"nonsense")
    assert [each["event"] for each in logs] == ["listener.malformed"]
    await stop()
    await listeners.close()
