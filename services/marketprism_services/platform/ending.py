"""Whether a child process ended because everything is to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal

# Nobody who stops a pipeline in order sends these.
_ACCIDENTS = {-signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE}
_WORD_S = 1.0


async def stop_requested(code: int, ending: asyncio.Event) -> bool:
    """Whether `ending` is set, or becomes so within a second of a child's end that may have the same reason.

    systemd and containers signal every process of a service: a child may act upon it before its parent does.
    """
    if code not in _ACCIDENTS:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WORD_S):
                await ending.wait()
    return ending.is_set()
