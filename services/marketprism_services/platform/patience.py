"""Waiting at a start for what is not there yet: in a cluster nobody promises an order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_PAUSE_S = 0.5
T = TypeVar("T")


async def patiently(
    work: Callable[[], Awaitable[T]],
    passes: Callable[[Exception], bool],
    attempts: int,
    on_wait: Callable[[Exception], None] = lambda _: None,
) -> T:
    """What the work gives, tried up to `attempts` times, half a second apart, while its error is one that `passes`.

    Raises whatever the last attempt raised, and at once what does not pass.
    """
    for _ in range(attempts - 1):
        try:
            return await work()
        except Exception as error:
            if not passes(error):
                raise
            on_wait(error)
            await asyncio.sleep(_PAUSE_S)
    return await work()
