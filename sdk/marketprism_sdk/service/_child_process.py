"""A child process: what binds it to the one that started it, and how it is ended."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import subprocess
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """For `preexec_fn`: the child gets SIGKILL when the thread that started it ends (Linux), so that none is left."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return arrange


async def end_process(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Ask a child to end by SIGTERM, end it by SIGKILL where it has not after `timeout_s`, and wait for its end."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.to_thread(process.wait)
    except TimeoutError:
        process.kill()
        await asyncio.to_thread(process.wait)
