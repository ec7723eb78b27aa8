"""Tens of thousands of malformed messages on every subject: answers, dead letters, counts; and work goes on."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.sources.registry import make_source, parse_source
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.subjects import raw_subject
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.messaging import dead_letters
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.service import Service, rpc
from marketprism_services.platform.container import Container
from marketprism_services.settings.settings import Settings

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("fuzz")]

CALLS = 5_000
SOURCE = "sim:rate=0.4,days=1,instruments=rb2505"


class Naughty(Service):
    """Handlers that do what handlers must not."""

    @rpc("raise")
    async def fail(self, request: Any) -> None:
        raise KeyError(request)

    @rpc("deep")
    async def recurse(self, request: Any) -> Any:
        return await self.recurse(request)

    @rpc("odd")
    async def odd(self, _: Any) -> object:
        return object()

    @rpc("fine")
    async def fine(self, _: Any) -> str:
        return "fine"


def malformed(dice: random.Random) -> bytes:
    """Bytes that are no message of ours, of many kinds."""
    kind = dice.randrange(7)
    if kind == 0:
        return dice.randbytes(dice.randrange(60))
    if kind == 1:
        return b""
    if kind == 2:
        return b"\x91" * dice.randrange(1, 3_000)  # nested without end
    if kind == 3:
        return msgspec.msgpack.encode({"v": dice.choice([0, 1, 99, "1", None]), "symbol": dice.random()})
    if kind == 4:
        return msgspec.msgpack.encode(dice.choice([None, True, -1, 2**63, 1.5, "text", [], [1, 2], {}, b"x"]))
    if kind == 5:
        return b"\xdb\xff\xff\xff\xff" + dice.randbytes(8)  # a text of four gigabytes, it says
    good = encode_packed(Packed(PACKED_VERSION, "fuzz", 0, 0, ()))
    cut = dice.randrange(len(good))
    return good[:cut] + dice.randbytes(3) + good[cut + 3 :]


def hostile(dice: random.Random) -> bytes:
    """A message of the right shape with nonsense in it."""
    tick: list[Any] = [
        dice.choice(["shfe", "nowhere", "", "x" * 300]),
        dice.choice(["zz9999", "", "rb", "..", "*", "ü"]),
        "fuzz",
        0,
        dice.choice([0, -1, 2**62]),
        dice.choice([0, -(2**62), 2**62]),
        0,
        0,
        "not a day",
        "NaN",
        "-1",
        "1e400",
    ]
    return msgspec.msgpack.encode(
        [PACKED_VERSION, "fuzz", 0, 0, [tick[: dice.randrange(len(tick) + 1)]], [], [], "s", 0]
    )


@pytest.fixture
async def connected(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    connection = await NatsConnection.open(server.url, name="fuzz")
    yield connection
    await connection.close()
    await server.stop()


async def flood(
    connection: NatsConnection, subjects: list[str], count: int, make: Callable[[], bytes], dice: random.Random
) -> None:
    for number in range(count):
        await connection.publish(dice.choice(subjects), make())
        if number % 200 == 0:
            await connection.flush()
            await asyncio.sleep(0)
    await connection.flush()


async def call_all(
    connection: NatsConnection, subjects: list[str], count: int, make: Callable[[], bytes], dice: random.Random
) -> Counter[str]:
    """Ask `count` times without waiting; every question gets an answer, a good one or an error."""
    answers: Counter[str] = Counter()
    inbox = connection.inbox()

    def answered(message: Any) -> None:
        error = (message.headers or {}).get("Rpc-Error")
        answers[msgspec.msgpack.decode(message.data)["code"] if error else "fine"] += 1

    stop = await connection.subscribe(f"{inbox}.*", answered)
    for number in range(count):
        await connection.publish(dice.choice(subjects), make(), None, f"{inbox}.{number}")
        if number % 400 == 0:
            await connection.flush()
            await asyncio.sleep(0.01)
    async with asyncio.timeout(60):
        while sum(answers.values()) < count:
            await asyncio.sleep(0.05)
    await stop()
    return answers


@pytest.mark.long
async def test_tens_of_thousands_of_malformed_messages_stop_nobody(
    connected: NatsConnection, tmp_path: Path, calendar: MarketCalendar
) -> None:
    connection, dice = connected, random.Random(20)
    settings = Settings.model_validate(
        {
            "data_dir": str(tmp_path / "data"),
            "nats": {"url": connection.url},
            "http": {"storage": 0, "query": 0, "monitor": 0},
            "source": {"spec": SOURCE},
            "bars": {"intervals": ["1m", "1d"]},
        }
    )
    container = Container(settings=settings, connection=connection)
    validator, aggregator, monitor = (
        container.service("validator"),
        container.service("aggregator"),
        container.service("monitor"),
    )
    naughty = Naughty("naughty", connection)
    services: list[Service] = [validator, aggregator, monitor, naughty]
    stop = asyncio.Event()
    running = [asyncio.create_task(service.run(stop)) for service in services]
    while not all(service.http.ready for service in services):
        assert not any(task.done() for task in running)
        await asyncio.sleep(0.05)

    def garbage() -> bytes:
        return malformed(dice)

    # Calls: whatever is asked, something is answered.
    rpcs = [
        f"rpc.{name}.{method}"
        for name in ("validator", "aggregator", "monitor", "naughty")
        for method in ("status", "x", "ü", "raise", "odd", "deep", "fine")
    ]
    served = [subject for subject in rpcs if not subject.startswith("rpc.aggregator.ü")]
    answers = await call_all(connection, served, CALLS, garbage, dice)
    assert set(answers) >= {"fine", "UNKNOWN_METHOD", "MALFORMED_REQUEST", "INTERNAL"}, answers
    assert sum(answers.values()) == CALLS

    # Everything else that somebody listens to.
    raw, packed = [raw_subject(p) for p in range(32)], [f"market.packed.{p}" for p in range(32)]
    await flood(connection, raw, 4_500, garbage, dice)
    await flood(connection, raw, 1_000, lambda: hostile(dice), dice)
    await flood(connection, packed, 4_000, garbage, dice)
    await flood(connection, packed, 1_000, lambda: hostile(dice), dice)
    others = [
        "event.gateway.X",
        "rpc-cancel.validator",
        "rpc-cancel.naughty",
        "ha.ping.x.1.y",
        "ha.ping.shards_validator.0.z",
    ]
    await flood(connection, others, 4_500, garbage, dice)
    await flood(connection, ["cmd.validator.AdjustValidationRules", "cmd.validator.x"], 700, garbage, dice)
    buckets = [
        "$KV.service_instances.a.b",
        "$KV.shards_validator.sess.ghost",
        "$KV.shards_aggregator.own.77",
        "$KV.shards_aggregator.own.x",
        "$KV.validation_rules.rules",
        "$KV.service_leaders.a.b",
    ]
    await flood(connection, buckets, 1_500, garbage, dice)

    # All of it was looked at, refused and counted.
    async with asyncio.timeout(120):
        while len(letters := await dead_letters(connection)) < 700:
            await asyncio.sleep(0.2)
        while True:
            lags = [
                await _behind(connection, streams.RAW, validator.stage.parts),
                await _behind(connection, streams.TICKS, aggregator.stage.parts),
            ]
            if not any(lags):
                break
            await asyncio.sleep(0.2)
    assert len(letters) == 700
    assert validator.metrics.total("malformed_messages_total") >= 4_000
    assert validator.metrics.total("dead_letters_total") == 700
    assert not any(task.done() for task in running), [task for task in running if task.done()]
    for service in services:
        report = (await service.http.report())["dependencies"]
        # No storage runs here, and the pipeline says so after a while; every service by itself is well.
        report.pop("pipeline", None)
        assert set(report.values()) <= {"healthy", "degraded"}, report
    assert await naughty.calls.call("naughty", "fine") == "fine"

    # And the work goes on: real ticks become the bars that they must become.
    gateway = container.service("gateway")
    running.append(asyncio.create_task(gateway.run(stop)))
    source = make_source(parse_source(SOURCE), calendar, speed=None)
    await source.connect()
    expected = await rebuild(source.stream({}), calendar, bars=settings.bars, rules=ValidationRules.of(settings.rules))
    async with asyncio.timeout(60):
        while (await _count(connection, "market.bar.*.rb2505")) < len(expected.bars):
            await asyncio.sleep(0.2)
    assert await _count(connection, "market.bar.*.rb2505") == len(expected.bars)
    stop.set()
    assert await asyncio.gather(*running) == [0] * len(running)


async def _count(connection: NatsConnection, subject: str) -> int:
    message = await connection.request(
        f"$JS.API.STREAM.INFO.{streams.BARS}", msgspec.json.encode({"subjects_filter": subject}), timeout_s=5
    )
    return sum((msgspec.json.decode(message.data)["state"].get("subjects") or {}).values())


async def _behind(connection: NatsConnection, stream: str, parts: Any) -> int:
    """Messages between the last of the stream's inputs and what the stage has taken in."""
    last = (await stream_info(connection, stream))["state"]["last_seq"]
    prefix = "market.raw" if stream == streams.RAW else "market.packed"
    behind = 0
    for number, part in parts.items():
        message = await connection.request(
            f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode({"last_by_subj": f"{prefix}.{number}"}), timeout_s=5
        )
        seq = int((message.headers or {}).get("Nats-Sequence", 0))
        behind += max(0, seq - part.in_seq)
    assert behind <= last
    return behind
