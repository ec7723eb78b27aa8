"""Work that only one may do at a time where no fence can refuse a second one: being logged in somewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from marketprism_sdk.errors import SdkError

T = TypeVar("T")

_LOOK_S = 0.02
_LONGEST_LOOK_S = 0.25  # of a machine that was suspended the lease has run out, and no time has passed for who waits


class Lapsed(SdkError):
    """The lease could not be renewed in time: somebody else may hold it by now."""

    retryable = True


async def while_leading(
    work: Coroutine[Any, Any, T],
    is_leader: Callable[[], bool],
    log_out: Callable[[], Awaitable[None]],
    leads_for_s: Callable[[], float] = lambda: _LOOK_S,
) -> T:
    """The result of `work`. When the lease runs out first, log out at once, then end the work. `leads_for_s` says how
    long the lease lasts: before that nothing has to be looked at.

    A leader that is cut off does not hear that it no longer leads. Its own clock tells it before anybody else may lead.

    Raises:
        Lapsed: it ran out.
    """
    task = asyncio.ensure_future(work)
    try:
        while True:
            await asyncio.wait([task], timeout=min(_LONGEST_LOOK_S, max(0.001, leads_for_s())))
            if task.done():
                return task.result()
            if not is_leader():
                task.cancel()
                await log_out()
                raise Lapsed("the lease ran out on our own clock")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_leading(is_leader: Callable[[], bool]) -> None:
    """Until the lease is held again."""
    while not is_leader():  # noqa: ASYNC110 (the lease has no event of its own: it is a clock)
        await asyncio.sleep(_LOOK_S)


__all__ = ["Lapsed", "until_leading", "while_leading"]
