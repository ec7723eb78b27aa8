"""Which of several servers a client goes to, how long it tries one, and whether one is still there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Coroutine, Sequence
from typing import Any
from urllib.parse import urlsplit

_OWN_S = 2.0  # a server that is started together with its clients
_LOOK_S = 0.05
_JUST_NOW_S = 5.0
_PORT = 4222


def each_s(timeout_s: float, servers: int) -> float:
    """How long one server may take: one that is cut off must leave time for the others."""
    return timeout_s / max(1, servers)


def is_own(host: str) -> bool:
    """Whether an address is one of this machine's; looks a name up, so not for the event loop."""
    with contextlib.suppress(OSError, UnicodeError):
        for family, kind, protocol, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM):
            with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as tried:
                tried.bind(address)
                return True
    return False


def own_among(urls: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """(host, port) of those servers that run on this machine, none where all or none of them do. Looks names up."""
    places = [(parts.hostname or "", parts.port or _PORT) for parts in (urlsplit(_whole(url)) for url in urls)]
    own = [place for place in places if is_own(place[0])] if len(places) > 1 else []
    return tuple(own) if len(own) < len(places) else ()


def _whole(url: str) -> str:
    return url if "://" in url else f"nats://{url}"


async def until_listening(places: Sequence[tuple[str, int]], within_s: float = _OWN_S) -> bool:
    """Wait a while for one of the servers of this machine: it may have been started a moment ago, and whoever goes to
    another machine stays there, and falls with it. Whether one listens."""
    end = time.monotonic() + within_s
    while places:
        for host, port in places:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(max(_LOOK_S, end - time.monotonic())):
                    _, writer = await asyncio.open_connection(host, port)
                    writer.close()
                    return True
        if time.monotonic() > end:
            break
        await asyncio.sleep(_LOOK_S)
    return False


def rank(tried_at: float | None, now: float, *, own: bool) -> tuple[bool, bool, float]:
    """In which order servers are tried, lowest first: what was not tried just now, of that the server of this machine;
    then whatever was tried longest ago."""
    if tried_at is not None and now - tried_at < _JUST_NOW_S:
        return True, False, tried_at
    return False, not own, 0.0  # equal ones stay in the order that the client has thrown


class Signs:
    """Whether anything moves on a connection, by what was looked at from time to time."""

    def __init__(self) -> None:
        self._messages = 0
        self._unwritten = 0

    def moved(self, messages: int, unwritten: int) -> bool:
        """Since the last look a message came, or a socket that was full has taken something. `messages`: all since the
        connection was made; `unwritten`: bytes that the socket has not taken. What a socket takes that was not full
        says nothing: the kernel takes some for a server that is gone.
        """
        seen = messages != self._messages or unwritten < self._unwritten
        self._messages, self._unwritten = messages, unwritten
        return seen


async def within(connecting: Coroutine[Any, Any, None], timeout_s: float) -> None:
    """Connect, or raise TimeoutError. The client tries server after server, each by `asyncio.wait_for`, which before
    Python 3.12 can lose a cancellation: one is not enough, and nobody may wait for a server that is not there for ever.
    """
    task = asyncio.ensure_future(connecting)
    try:
        done, _ = await asyncio.wait([task], timeout=timeout_s)
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=0.1)
    if not done:
        raise TimeoutError
    task.result()


__all__ = ["Signs", "each_s", "is_own", "own_among", "rank", "until_listening", "within"]
