"""What is computed for an answer beside the event loop, in two threads whatever the machine has and whoever asks.

Python computes in one thread at a time. Each more of them takes time from the loop, which waits its turn behind all of
them at every read and write: with as many threads as asyncio has (more on a larger machine) it stood still for seconds,
and did not hear what had arrived.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

THREADS = 2  # more are not faster: the second is for what computes outside of Python, as pyarrow does
_SWITCH_S = 0.0005  # a thread lets another one go on after this, instead of after 5 ms
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="compute")  # which begin with their first work: after a fork


def yield_often() -> None:
    """Let the loop wait half a millisecond for a thread that computes, for all of this process."""
    sys.setswitchinterval(_SWITCH_S)


async def computed(work: Callable[[], T]) -> T:
    """The result of `work`, done in its turn beside the loop. Raises what it raises."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: context.run(work))


__all__ = ["THREADS", "computed", "yield_often"]
