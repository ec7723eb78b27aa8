"""Places for trials: no more run at a time than the event loop keeps up with."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from marketprism_services.chaos.venues.room import LATE_S, Room


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    made = Room(3)
    watching = asyncio.ensure_future(made.watch())
    yield made
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def _hold(room: Room, entered: list[int], until: asyncio.Event) -> None:
    async with room.place():
        entered.append(1)
        await until.wait()


async def test_as_many_run_as_there_are_places(room: Room) -> None:
    entered: list[int] = []
    until = asyncio.Event()
    held = [asyncio.ensure_future(_hold(room, entered, until)) for _ in range(5)]
    while len(entered) < 3:
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.0)
    assert len(entered) == 3
    until.set()
    await asyncio.gather(*held)
    assert (len(entered), room.most) == (5, 3)


async def test_a_loop_that_is_late_lets_none_in_but_the_first(room: Room) -> None:
    entered: list[int] = []
    until = asyncio.Event()

    async def block() -> None:
        while True:
            time.sleep(2 * LATE_S)
            await asyncio.sleep(0)

    blocking = asyncio.ensure_future(block())
    while room.late_s < LATE_S:
        await asyncio.sleep(0)
    held = [asyncio.ensure_future(_hold(room, entered, until)) for _ in range(2)]
    for _ in range(8):
        await asyncio.sleep(0.05)
    assert len(entered) == 1
    blocking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await blocking
    while len(entered) < 2:
        await asyncio.sleep(0.05)
    until.set()
    await asyncio.gather(*held)
