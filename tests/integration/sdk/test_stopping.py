"""A service that is told to stop ends in order and with 0, also when it had not begun yet."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import pytest

from marketprism_sdk.messaging import TTL_S, BusMessage, Discovery, RpcServer
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import Metrics
from marketprism_sdk.service import Service, ServiceSettings, Work, unless

pytestmark = pytest.mark.timeout(60)


class Slow(Service):
    """Takes its time to start, with a task running already."""

    background: Work

    async def on_start(self) -> None:
        self.background = self.spawn(asyncio.sleep(3600), "background")
        await asyncio.sleep(3600)


async def _records(connection: NatsConnection, name: str) -> list[Any]:
    discovery = Discovery(await NatsKeyValue.open(connection, "service_instances", ttl_s=TTL_S))
    await discovery.refresh()
    return discovery.instances(name)


async def test_a_start_that_waits_for_another_service_ends_when_it_is_told_to(
    connection: NatsConnection, unique: str
) -> None:
    service = Service(unique, connection, settings=ServiceSettings(needs=(f"{unique}-other",)))
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await asyncio.sleep(0.3)
    assert not running.done()
    stop.set()
    assert await running == 0


async def test_a_start_that_is_cut_short_leaves_nothing_behind(connection: NatsConnection, unique: str) -> None:
    service = Slow(unique, connection)
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    while not hasattr(service, "background"):
        await asyncio.sleep(0.02)
    assert [record.status for record in await _records(connection, unique)] == ["starting"]
    stop.set()
    assert await running == 0
    assert service.background.cancelled
    assert await _records(connection, unique) == []


async def test_a_start_that_fails_is_told_and_not_taken_for_an_end() -> None:
    async def fail() -> bool:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await unless(asyncio.Event(), fail())


async def test_subscriptions_end_at_once_and_not_in_turn() -> None:
    ending: list[str] = []
    both = asyncio.Event()

    class Bus:
        async def subscribe(self, subject: str, *_: object, **__: object) -> Any:
            async def stop() -> None:
                ending.append(subject)
                if len(ending) == 3:
                    both.set()
                await both.wait()  # in turn, the first would wait for ever

            return stop

        async def publish(self, *_: object) -> None: ...

        async def request(self, *_: object, **__: object) -> BusMessage:
            raise NotImplementedError

    server = RpcServer(Bus(), "x", "x-1", Metrics("x"))  # type: ignore[arg-type]
    await server.start()
    async with asyncio.timeout(5):
        await server.stop()
    assert len(ending) == 3


async def test_sigterm_while_there_is_no_nats_ends_a_service_with_0() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "marketprism_services",
        "run",
        "validator",
        "--nats-url",
        "nats://127.0.0.1:1",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        while b"nats.unreachable" not in await process.stderr.readline():
            assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        await process.stderr.read()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
