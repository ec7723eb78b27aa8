"""Several calls at once."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from marketprism_sdk.concurrently import concurrently


class Calls:
    """Calls that wait until they are let on, and count how many do so at once."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.on = asyncio.Event()

    async def call(self, number: int, error: Exception | None = None) -> None:
        self.begun.append(number)
        if error is not None:
            raise error
        await self.on.wait()
        self.ended.append(number)


async def test_as_many_as_may_be_go_on_at_once_in_their_order() -> None:
    calls = Calls()
    running = asyncio.create_task(concurrently([partial(calls.call, number) for number in range(5)], 3))
    await asyncio.sleep(0.01)
    assert calls.begun == [0, 1, 2]
    calls.on.set()
    await running
    assert sorted(calls.ended) == list(range(5))


async def test_one_that_fails_breaks_off_no_other_and_the_first_error_is_raised() -> None:
    calls = Calls()
    errors = {1: ValueError("one"), 2: KeyError("two")}
    running = asyncio.create_task(
        concurrently([partial(calls.call, number, errors.get(number)) for number in range(4)], 4)
    )
    await asyncio.sleep(0.01)
    assert not running.done()
    calls.on.set()
    with pytest.raises(ValueError, match="one"):
        await running
    assert calls.ended == [0, 3]


async def test_who_is_broken_off_breaks_off_all() -> None:
    calls = Calls()
    running = asyncio.create_task(concurrently([partial(calls.call, number) for number in range(3)], 2))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    calls.on.set()
    await asyncio.sleep(0.01)
    assert (calls.begun, calls.ended) == ([0, 1], [])


async def test_nothing_to_do_is_done() -> None:
    await concurrently([], 1)
