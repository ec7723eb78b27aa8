"""Several things at once, so many at a time; none is left running when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable


async def concurrently(calls: Iterable[Callable[[], Awaitable[object]]], at_once: int) -> None:
    """Begin the calls in their order, at most `at_once` at a time, and wait for all of them: one that fails does not
    break off the others.

    Raises:
        Exception: what the first of them, in their order, has raised.
    """
    room = asyncio.Semaphore(at_once)

    async def run(call: Callable[[], Awaitable[object]]) -> None:
        async with room:
            await call()

    ends = await asyncio.gather(*(run(call) for call in calls), return_exceptions=True)
    for end in ends:
        if end is not None:
            raise end


__all__ = ["concurrently"]
