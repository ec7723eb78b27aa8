"""The simulated nats-server answers as the true one does: the same questions are asked of both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.batch import AtomicBatch
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import count_from, last_of_each, next_of, some_of
from marketprism_sdk.nats.jetstream import (
    api,
    direct_get,
    direct_get_last,
    leader_get_last,
    publish_ack,
)
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.pull import PullConsumer
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.server import Server

Answers = list[tuple[str, Any]]
_EXPECT, _OF = "Nats-Expected-Last-Subject-Sequence", "Nats-Expected-Last-Subject-Sequence-Subject"


class _Both:
    """Asks, and keeps what came back in a form without names and times of its own."""

    def __init__(self, connection: NatsConnection, name: str) -> None:
        self.connection, self.name, self.answers = connection, name, Answers()

    async def ask(self, what: str, work: Callable[[], Awaitable[Any]]) -> Any:
        try:
            found = await work()
        except SdkError as error:
            self.answers.append(
                (what, (type(error).__name__, getattr(error, "code", 0), getattr(error, "retryable", None)))
            )
            return None
        self.answers.append((what, self._plain(found)))
        return found

    def _plain(self, found: Any) -> Any:
        return json.loads(json.dumps(found, default=repr).replace(self.name, "NAME"))


async def _publishing(both: _Both) -> None:
    ask, connection, name = both.ask, both.connection, both.name
    config = {
        "name": name,
        "subjects": [f"{name}.>"],
        "allow_direct": True,
        "allow_atomic": True,
        "max_msgs_per_subject": 3,
    }
    await api(connection, f"STREAM.CREATE.{name}", config)
    for number in range(5):
        await ask("publish", lambda n=number: publish_ack(connection, f"{name}.a", str(n).encode()))  # type: ignore[misc]
    await ask("first of b", lambda: publish_ack(connection, f"{name}.b", b"b", {_EXPECT: "0"}))
    await ask("not the first", lambda: publish_ack(connection, f"{name}.b", b"b", {_EXPECT: "0"}))
    await ask("the next", lambda: publish_ack(connection, f"{name}.b", b"b2", {_EXPECT: "6"}))
    await ask("under a fence", lambda: publish_ack(connection, f"{name}.c", b"c", {_EXPECT: "7", _OF: f"{name}.b"}))
    await ask(
        "under an old fence", lambda: publish_ack(connection, f"{name}.c", b"c", {_EXPECT: "6", _OF: f"{name}.b"})
    )
    await ask("an id", lambda: publish_ack(connection, f"{name}.d", b"d", {"Nats-Msg-Id": "1"}))
    await ask("the id again", lambda: publish_ack(connection, f"{name}.d", b"other", {"Nats-Msg-Id": "1"}))
    await ask("no stream", lambda: publish_ack(connection, "nobody.takes", b""))


async def _batches(both: _Both) -> None:
    ask, connection, name = both.ask, both.connection, both.name

    async def batch(*expected: int | None, headers: dict[str, str] | None = None) -> Any:
        made = AtomicBatch(connection)
        for place in range(2):
            await made.add(f"{name}.e.{place}", b"e", headers=headers if not place else None)
        return (await made.commit(f"{name}.ck", b"ck", *expected))[:2]

    await ask("a batch", lambda: batch(0))
    await ask("a batch that expects what was", lambda: batch(0))
    await ask("a batch that expects what is", lambda: batch(12))
    await ask("a batch with an id that is known", lambda: batch(None, headers={"Nats-Msg-Id": "1"}))

    async def broken() -> Any:
        made = AtomicBatch(connection)
        await made.add(f"{name}.e.0", b"e")
        made.count += 1  # one is lost on the way
        return await made.commit(f"{name}.ck", b"ck")

    await ask("a batch with a hole", broken)

    async def twice() -> Any:
        made = AtomicBatch(connection)
        await made.add(f"{name}.tw", b"1", 0)
        return (await made.commit(f"{name}.tw", b"2", 19))[:2]

    await ask("a batch that writes a subject twice", twice)


async def _reading(both: _Both) -> None:
    ask, connection, name = both.ask, both.connection, both.name
    for subject in (f"{name}.a", f"{name}.>", f"{name}.x"):
        await ask(f"last of {subject[-2:]}", lambda s=subject: direct_get_last(connection, name, s))  # type: ignore[misc]
        await ask(f"leader's last of {subject[-2:]}", lambda s=subject: leader_get_last(connection, name, s))  # type: ignore[misc]
    await ask("one that went", lambda: direct_get(connection, name, 1))
    await ask("one that is there", lambda: direct_get(connection, name, 4))

    async def held(found: Awaitable[Any]) -> Any:
        got = await found
        many = got if isinstance(got, list) else list(got.values()) if isinstance(got, dict) else [got]
        return [each and (each.subject, each.seq, each.data.decode(), each.more) for each in many]

    await ask("next of", lambda: held(next_of(connection, name, f"{name}.b", 1)))
    await ask("next of nothing", lambda: held(next_of(connection, name, f"{name}.b", 900)))
    await ask("some of", lambda: held(some_of(connection, name, f"{name}.>", 1, 4)))
    await ask("some of nothing", lambda: held(some_of(connection, name, f"{name}.x", 1, 4)))
    await ask("last of each", lambda: held(last_of_each(connection, name, [f"{name}.>"])))
    await ask("last of each up to", lambda: held(last_of_each(connection, name, [f"{name}.>"], 8)))
    await ask("last of each of nothing", lambda: held(last_of_each(connection, name, [f"{name}.x"])))
    await ask("count", lambda: count_from(connection, name, f"{name}.>", 5))
    await ask("no such stream", lambda: api(connection, "STREAM.INFO.nothing"))

    async def state() -> Any:
        found = (await api(connection, f"STREAM.INFO.{name}", {"subjects_filter": ">"}))["state"]
        return {key: found.get(key) for key in ("messages", "first_seq", "last_seq", "num_subjects", "subjects")}

    await ask("state", state)
    await ask("names", lambda: _names(connection, name))


async def _names(connection: NatsConnection, name: str) -> Any:
    return (await api(connection, "STREAM.NAMES", {"subject": f"{name}.a"})).get("streams")


async def _consuming(both: _Both) -> None:
    ask, connection, name = both.ask, both.connection, both.name
    consumer = PullConsumer(connection, name, [f"{name}.a", f"{name}.b"], start_seq=4, batch=4)
    await consumer.open()
    found = []
    while len(found) < 4:
        found += await consumer.fetch(10, 2.0)
    pending = consumer.pending
    await ask("consumed", lambda: _of(found, pending))
    await publish_ack(connection, f"{name}.a", b"late")
    late = await consumer.fetch(10, 2.0)
    await ask("what comes later", lambda: _of(late, 0))
    await ask("has all", consumer.has_all)
    await consumer.close()
    await ask("purge", lambda: _purged(connection, name))


async def _of(found: Any, pending: int) -> Any:
    return [(each.subject, each.seq, each.data.decode(), each.pending) for each in found], pending


async def _purged(connection: NatsConnection, name: str) -> Any:
    found = await api(connection, f"STREAM.PURGE.{name}", {"filter": f"{name}.a"})
    state = (await api(connection, f"STREAM.INFO.{name}"))["state"]
    return found["purged"], state["messages"], state["first_seq"], state["last_seq"]


async def _buckets(both: _Both) -> None:
    ask, connection = both.ask, both.connection
    bucket = await NatsKeyValue.open(connection, both.name)
    seen: list[Any] = []
    stop = await bucket.watch(
        "", lambda entry: seen.append((entry.key, entry.value.decode(), entry.revision, entry.deleted))
    )
    await ask("create", lambda: bucket.create("a.x", b"1"))
    await ask("create again", lambda: bucket.create("a.x", b"1"))
    await ask("update", lambda: bucket.update("a.x", b"2", 1))
    await ask("update of what was", lambda: bucket.update("a.x", b"3", 1))
    await ask("put", lambda: bucket.put("b", b"9"))

    async def entries() -> Any:
        return [(each.key, each.value.decode(), each.revision) for each in await bucket.entries()]

    await ask("entries", entries)
    await ask("delete", lambda: bucket.delete("a.x"))
    await ask("entries behind it", entries)
    await ask("get", lambda: bucket.get("a.x"))
    await ask("create behind it", lambda: bucket.create("a.x", b"4"))
    while len(seen) < 5:
        await asyncio.sleep(0.01)
    await ask("watched", lambda: _same(seen))
    await stop()


async def _same(found: Any) -> Any:
    return found


async def _asked(url: str, name: str) -> Answers:
    connection = await NatsConnection.open(url)
    both = _Both(connection, name)
    for part in (_publishing, _batches, _reading, _consuming, _buckets):
        await part(both)
    for made in (name, f"KV_{name}"):
        await api(connection, f"STREAM.DELETE.{made}")
    await connection.close()
    return both.answers


@pytest.mark.nats
def test_the_simulated_server_answers_as_the_true_one(nats_url: str, unique: str) -> None:
    true = asyncio.run(_asked(nats_url, unique))
    loop = SimulatedLoop(1)
    Server(Network(loop), "n1", "simulated", 4222)
    asyncio.set_event_loop(loop)
    try:
        simulated = loop.run_until_complete(_asked("nats://simulated:4222", unique))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert [what for what, _ in simulated] == [what for what, _ in true]
    for (what, found), (_, right) in zip(simulated, true, strict=True):
        assert (what, found) == (what, right)
    assert not loop.problems


class Losing(Server):
    """Writes one message of a consumer into a socket that is broken already, and goes on."""

    lost = False

    def deliver(self, route: str, shown: str, reply: str, raw: bytes, data: bytes) -> int:
        if data == b"3" and reply.startswith("$JS.ACK.") and not self.lost:
            self.lost = True
            return 1
        return super().deliver(route, shown, reply, raw, data)


def test_a_reader_asks_again_for_what_its_consumer_delivered_to_nobody() -> None:
    async def read() -> list[bytes]:
        connection = await NatsConnection.open("nats://simulated:4222")
        await api(connection, "STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "allow_direct": True})
        for number in range(6):
            await publish_ack(connection, "s.a", str(number).encode())
        consumer = PullConsumer(connection, "S", ["s.a"])
        await consumer.open()
        found: list[bytes] = []
        while len(found) < 6:
            found += [message.data for message in await consumer.fetch(10, 5.0)]
        await consumer.close()
        await connection.close()
        return found

    loop = SimulatedLoop(1)
    server = Losing(Network(loop), "n1", "simulated", 4222)
    asyncio.set_event_loop(loop)
    try:
        assert loop.run_until_complete(read()) == [b"0", b"1", b"2", b"3", b"4", b"5"]
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert server.lost
