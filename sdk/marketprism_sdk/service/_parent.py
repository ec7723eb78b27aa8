"""What binds a child process to the one that started it."""

from __future__ import annotations

import ctypes
import signal
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
