"""The process that runs strategies for a worker: rows come from files, what it finds goes to its standard output.

`main` begins in a process of its own, or in a fork of `child_server`.

It has no connection to anything, no settings, no network where the kernel gives it none of its own, may write no file,
and takes what its limits allow. It ends with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_NICE = 5
_FILES = 256


def main() -> int:
    """Do the one job that comes on standard input."""
    sys.dont_write_bytecode = True
    _leave_network()  # before anything that has threads
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    # What a strategy prints is no frame.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from marketprism_services.backtest.child_messages import read_job  # noqa: PLC0415 (the network is left first)
    from marketprism_services.backtest.child_work import do  # noqa: PLC0415

    try:
        job = read_job(sys.stdin.buffer)
    except EOFError:
        return 1
    nothing = os.open(os.devnull, os.O_RDONLY)  # what a strategy reads or writes there would be read by the worker
    os.dup2(nothing, 0)
    os.close(nothing)
    return do(job, out)


def _leave_network() -> None:
    """Into a network namespace without any interface, where this user may; else sockets are refused by the guard."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(AttributeError):
        if libc.unshare(_CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


if __name__ == "__main__":
    sys.exit(main())
