"""What a strategy may take of this machine: time without an event, and memory; in strict mode no network."""

from __future__ import annotations

import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from marketprism_application.backtesting.errors import LimitExceeded, StrategyFailed

# Files, processes and networks that are changed or reached, as Python calls them.
_REFUSED = frozenset(
    (
        *(f"socket.{name}" for name in ("connect", "bind", "sendto", "sendmsg", "getaddrinfo", "gethostbyname")),
        *(f"os.{name}" for name in ("fork", "forkpty", "system", "exec", "posix_spawn", "spawn", "kill", "killpg")),
        *(
            f"os.{name}"
            for name in ("remove", "rename", "rmdir", "mkdir", "link", "symlink", "truncate", "chmod", "chown")
        ),
        "subprocess.Popen",
        "shutil.rmtree",
        "pty.spawn",
    )
)
_TICKS_A_LIMIT = 4  # how often it is looked whether there was an event


@contextmanager
def limited(now: Callable[[], int], *, seconds: float, memory_mb: int) -> Iterator[None]:
    """Raise LimitExceeded in the strategy where `now` stands still for so long; memory beyond its limit is refused by
    the system. Only of the main thread, as signals are."""
    if threading.current_thread() is not threading.main_thread() or seconds <= 0:
        yield
        return
    last, quiet = now(), 0

    def look(_signal: int, _frame: FrameType | None) -> None:
        nonlocal last, quiet
        quiet = quiet + 1 if now() == last else 0
        last = now()
        if quiet >= _TICKS_A_LIMIT:
            quiet = 0
            raise LimitExceeded(f"time: expected an event within {seconds:g} s, the strategy goes on without one")

    handler = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, seconds / _TICKS_A_LIMIT, seconds / _TICKS_A_LIMIT)
    before = resource.getrlimit(resource.RLIMIT_AS)
    try:
        if memory_mb:
            resource.setrlimit(resource.RLIMIT_AS, (_in_use() + memory_mb * 1_000_000, before[1]))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _in_use() -> int:
    """Bytes of address space that this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (a file of the kernel)
        return int(file.read().split()[0]) * resource.getpagesize()


class NoOutside:
    """Refuses network and files to write while a strict run goes on. Python keeps an audit hook for good."""

    _active = False
    _added = False

    @classmethod
    @contextmanager
    def during(cls) -> Iterator[None]:
        """Refuse both inside the block."""
        if not cls._added:
            sys.addaudithook(cls._hook)
            cls._added = True
        cls._active = True
        try:
            yield
        finally:
            cls._active = False

    @classmethod
    def _hook(cls, event: str, arguments: tuple[object, ...]) -> None:
        if not cls._active:
            return
        writes = event == "open" and any(letter in str(arguments[1]) for letter in "wax+")
        if writes or event in _REFUSED or event.startswith("ctypes."):
            raise StrategyFailed(f"strict: expected neither files to write nor a network, was {event}")
