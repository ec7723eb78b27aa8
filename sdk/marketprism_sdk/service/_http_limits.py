"""What a service's HTTP side takes: how many connections, for how long, and for whom.

A connection that asks nothing, or does not finish asking, is closed after `IDLE_S`, and sooner where its place is
needed: the one that was silent for the longest makes room. So half-open requests can use up neither the places nor the
descriptors of the process, and whoever asks how the service is gets an answer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import resource
from collections.abc import Awaitable, Callable
from functools import lru_cache

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

IDLE_S = 20.0  # above the 15 s after which common clients close theirs
MOST_CONNECTIONS = 1_000
_FOR_HEALTH = 32  # of these, when every other is in use
_FEWEST = 8
_DESCRIPTORS = "/proc/self/fd"
_COUNTED_S = 1.0  # for how long a count of descriptors, and of what was lost, is good enough
_HEALTH = ("/health", "/metrics", "/status")
_HOST = re.compile(r"(?:\[([^\]]*)\]|([^:@/\s]*))(?::[0-9]{0,5})?")  # RFC 9110, 7.2: a host, a port, nothing else

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _close(transport: asyncio.BaseTransport) -> None:
    transport.close()


class _Refusing(asyncio.Protocol):
    """Closes what was accepted, at once."""

    connection_made = staticmethod(_close)


class Connections:
    """The open connections of a server, made by its `factory`; `most` at once.

    `refused` and `closed_idle` count what was turned away, and what had to make room. A connection has its transport
    within `handshake_s`: a handshake comes before.
    """

    def __init__(
        self, factory: Callable[[], RequestHandler], most: int = MOST_CONNECTIONS, handshake_s: float = 1.0
    ) -> None:
        self._factory = factory
        self._handshake_s = handshake_s
        self._most = most
        self._open: dict[object, float] = {}  # in the order of their last request
        self._busy: dict[object, int] = {}
        self._room, self._room_until = most, 0.0
        self._lost_until = 0.0
        self.refused = 0
        self.closed_idle = 0

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a connection that was accepted."""
        if len(self._open) >= _FEWEST:  # below that there is room, whatever else is open
            self._forget_lost()
            room = self.room()
            if len(self._open) >= room and not self._close_one() and len(self._open) >= room + _FOR_HEALTH:
                self.refused += 1
                return _Refusing()
        made = self._factory()
        self._open[made] = asyncio.get_running_loop().time()
        return made

    def room(self) -> int:
        """How many connections there may be: half of the descriptors that nothing else uses, and never more than most.

        What a process opens besides (files of a store, connections of its own) must not be what fails. They are counted
        once in a second, not for each request.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._room_until:
            self._room, self._room_until = self._count_room(), now + _COUNTED_S
        return self._room

    def _count_room(self) -> int:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            used = len(os.listdir(_DESCRIPTORS))  # noqa: PTH208 (names are not needed)
        except FileNotFoundError:  # not on this system
            return self._most
        except OSError:  # not one is left to look with
            used = limit
        others = max(0, used - len(self._open))
        return max(_FEWEST, min(self._most, (limit - others) // 2))

    def begin(self, connection: object) -> None:
        """A request of the connection is being answered."""
        self._busy[connection] = self._busy.get(connection, 0) + 1

    def is_busy(self, connection: object) -> bool:
        """Whether a request of the connection is being answered."""
        return connection in self._busy

    def end(self, connection: object) -> None:
        """A request of the connection was answered."""
        self._busy[connection] -= 1
        if not self._busy[connection]:
            del self._busy[connection]
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = asyncio.get_running_loop().time()

    @property
    def crowded(self) -> bool:
        """Whether every place but those for health is in use."""
        return len(self._busy) > _FEWEST and len(self._busy) > self.room()

    def _forget_lost(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._lost_until:
            self._lost_until = now + _COUNTED_S
            for connection in [each for each, since in self._open.items() if self._is_lost(each, since, now)]:
                del self._open[connection]

    def _is_lost(self, connection: object, since: float, now: float) -> bool:
        """Whether it has no transport any more. It has none before it is made either, a moment after its protocol."""
        return getattr(connection, "transport", None) is None and now - since > self._handshake_s

    def _close_one(self) -> bool:
        idle = next((each for each in self._open if each not in self._busy), None)
        if idle is None:
            return False
        since = self._open.pop(idle)
        if self._is_lost(idle, since, asyncio.get_running_loop().time()):
            return True
        if isinstance(idle, RequestHandler):
            transport = idle.transport
            idle.force_close()
            if transport is not None and transport.get_write_buffer_size():
                transport.abort()  # which would else wait, with its descriptor, for who does not take the answer
        self.closed_idle += 1
        return True


def is_health(path: str) -> bool:
    """Whether a path is one by which a service is watched."""
    return any(path == each or path.startswith(f"{each}/") for each in _HEALTH)


@lru_cache(1_024)
def is_loopback(host: str) -> bool:
    """Whether a name or an address is of this machine alone."""
    name = host.rstrip(".").casefold()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is; None of a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def host_of(header: str) -> str:
    """The name of a Host header, without its port and the brackets of an address; empty of what is none."""
    found = _HOST.fullmatch(header.strip())
    return "" if found is None else found[1] or found[2] or ""


@lru_cache(1_024)
def may_ask(header: str | None, bound_to: str, names: tuple[str, ...]) -> bool:
    """Whether a request with this Host header is for a server that listens at `bound_to`.

    One that listens at loopback only is asked as such, or by one of `names`: a page of another site, whose name was
    made to mean this machine, has its own name there. One that listens elsewhere is asked by any name, or, where there
    are `names`, by these. An address is no name that could have been made to mean another machine, and a request
    without a Host header comes from no page: both are answered.
    """
    if header is None or (not names and not is_loopback(bound_to)):
        return True
    host = host_of(header)
    if is_loopback(host) or _address(host) is not None:
        return True
    return host.casefold() in {name.casefold() for name in (bound_to, *names)}
