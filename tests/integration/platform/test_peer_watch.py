"""Whether another machine is reached: by connections to the loopback, and to addresses where nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from marketprism_adapters.nats.local_server import choose_port
from marketprism_adapters.nats.peer_watch import PeerWatch, Place, Reaches

LOOK_S = 0.05


@asynccontextmanager
async def looking(*places: Place, reaches: Reaches | None = None) -> AsyncIterator[PeerWatch]:
    """A watch at work."""
    watch = PeerWatch(places, "own", reaches=reaches, look_s=LOOK_S)
    running = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def guard(told: bytes) -> AsyncIterator[Place]:
    """Another machine's guard, which says that."""

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(told)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(tell, "127.0.0.1", 0)
    yield Place("127.0.0.1", server.sockets[0].getsockname()[1])
    server.close()


async def until(wanted: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not wanted():
            await asyncio.sleep(LOOK_S / 2)


async def test_a_machine_that_takes_a_connection_or_refuses_it_is_reached() -> None:
    async with guard(b'{"guard": "another"}\n') as there, guard(b"INFO {}\n") as another:
        refused = Place("127.0.0.1", choose_port(0))
        for place in (there, another, refused):
            async with looking(place) as watch:
                await until(lambda: watch.looks_reached >= 2)
                assert watch.ever_reached
                assert watch.looks_alone == 0


async def test_who_reaches_itself_alone_is_alone() -> None:
    answers: dict[str, str | None] = {"127.0.0.1": "own", "127.0.0.2": "another"}

    async def reaches(address: str, _port: int) -> str | None:
        return answers[address]

    async with looking(Place("127.0.0.1", 1), Place("127.0.0.2", 1), reaches=reaches) as watch:
        await until(lambda: watch.looks_reached >= 2)
        answers["127.0.0.2"] = None
        await until(lambda: watch.looks_alone >= 3)
        answers["127.0.0.2"] = ""
        await until(lambda: watch.looks_reached >= 1)
        assert watch.looks_alone == 0


async def test_one_whose_guard_says_nothing_is_reached() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with looking(Place("127.0.0.1", server.sockets[0].getsockname()[1])) as watch:
        await until(lambda: watch.looks_reached >= 2)
    server.close()


async def test_a_port_that_a_firewall_forgets_is_not_the_network() -> None:
    asked: list[int] = []

    async def reaches(_address: str, port: int) -> str | None:
        asked.append(port)
        return "" if port == 4222 else None

    async with looking(Place("127.0.0.1", 6223), reaches=reaches) as watch:
        await until(lambda: watch.looks_reached >= 3)
        assert watch.looks_alone == 0
    assert set(asked) == {6223, 6222, 4222}


async def test_a_look_takes_no_longer_than_it_may_where_nobody_answers() -> None:
    async def nobody(_address: str, _port: int) -> str | None:
        await asyncio.sleep(60.0)
        return ""

    async with looking(Place("127.0.0.1", 1), reaches=nobody) as watch:
        await until(lambda: watch.looks_alone >= 5)
        assert watch.looks_reached == 0


async def test_a_name_without_an_address_says_nothing_and_is_told_once(logs: list[dict[str, object]]) -> None:
    async with looking(Place("nobody.invalid", 6223)) as watch:
        await until(lambda: bool(logs))
        await asyncio.sleep(10 * LOOK_S)
        assert watch.looks_alone == 0
    assert [(line["event"], line["peer"]) for line in logs] == [("server.peer_not_resolved", "nobody.invalid:6223")]


async def test_a_machine_that_does_not_answer_is_not_reached() -> None:
    port = choose_port(0)

    async def silent(_address: str, _port: int) -> str | None:
        await asyncio.sleep(LOOK_S)
        return None

    async with looking(Place("127.0.0.1", port), reaches=silent) as watch:
        await until(lambda: watch.looks_alone >= 5)
        assert not watch.ever_reached
