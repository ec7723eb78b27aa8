"""Whether a machine reaches any other machine of its cluster."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import NamedTuple

import structlog

from marketprism_sdk.errors import reason_of

log = structlog.get_logger()

_LOOK_S = 0.5
_RESOLVE_S = 10.0  # a name is asked for again; while that has no answer the last one stands
_MOST_BYTES = 1_000
_OTHER_PORTS = (6222, 4222)  # of routes and of clients


class Place(NamedTuple):
    """Where a guard tells how its server and its disk are."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> Place:
        """Of `host:port`. Raises ValueError."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ValueError(f"expected host:port, like 10.77.0.12:6223, was {text[:80]!r}")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Reaches = Callable[[str, int], Coroutine[None, None, str | None]]


class PeerWatch:
    """Looks twice a second. A machine that takes a connection or refuses it is reached, whatever runs there: only the
    network is asked about. Where the guard's own port is not reached those of nats-server are tried too: a rule of a
    firewall that forgets the one must not end every server. A look that misses the address of one, and reaches no
    other, says nothing.

    `own` is by what this one's own guard names itself: a list that all machines share has this machine too.
    """

    def __init__(
        self, places: Sequence[Place], own: str, *, reaches: Reaches | None = None, look_s: float = _LOOK_S
    ) -> None:
        self._places = list(places)
        self._own = own
        self._reaches = reaches or self._connects
        self._look_s = look_s
        self._addresses: dict[Place, str] = {}
        self._resolving: dict[Place, asyncio.Task[None]] = {}
        self._unknown: set[Place] = set()  # as far as the log says
        self.looks_alone = 0  # looks, one after the other, by which nobody was reached
        self.looks_reached = 0
        self.ever_reached = False

    async def run(self) -> None:
        """Look twice a second until cancelled."""
        try:
            while True:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._look())
                    both.create_task(asyncio.sleep(self._look_s))
        finally:
            for task in self._resolving.values():
                task.cancel()

    async def _look(self) -> None:
        if not self._places:
            return
        found = await asyncio.gather(*(self._is_reached(place) for place in list(self._places)))
        if not self._places:
            return
        if any(found):
            self.looks_alone, self.looks_reached, self.ever_reached = 0, self.looks_reached + 1, True
        elif None not in found:
            self.looks_alone, self.looks_reached = self.looks_alone + 1, 0

    async def _is_reached(self, place: Place) -> bool | None:
        if place not in self._resolving or self._resolving[place].done():
            self._resolving[place] = asyncio.get_running_loop().create_task(self._resolve(place))
        address = self._addresses.get(place)
        if address is None:
            return None
        async with asyncio.TaskGroup() as asked:
            guard = asked.create_task(self._reaches(address, place.port))
            await asyncio.wait({guard}, timeout=self._look_s / 4)
            others = []
            if not guard.done() or guard.result() is None:
                others = [asked.create_task(self._reaches(address, port)) for port in _OTHER_PORTS]
                _, late = await asyncio.wait({guard, *others}, timeout=self._look_s * 3 / 4)
                for task in late:
                    task.cancel()
        found = [task.result() for task in (guard, *others) if not task.cancelled()]
        if self._own in found:
            self._places.remove(place)
            return False
        return any(name is not None for name in found)

    async def _resolve(self, place: Place) -> None:
        """Apart from the looks: who answers for names may be cut off too, and is waited for longer than they take."""
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
            self._addresses[place] = str(found[0][4][0])
        except (OSError, UnicodeError) as error:
            if place not in self._addresses and place not in self._unknown:
                log.warning("server.peer_not_resolved", peer=str(place), error=reason_of(error))
                self._unknown.add(place)
        await asyncio.sleep(_RESOLVE_S)

    async def _connects(self, address: str, port: int) -> str | None:
        """The name of the guard there, empty where none is said, None where the machine is not reached."""
        reached: str | None = None
        with contextlib.suppress(OSError, TimeoutError, ValueError, TypeError, KeyError, RecursionError):
            async with asyncio.timeout(self._look_s * 0.9):
                try:
                    reader, writer = await asyncio.open_connection(address, port, limit=_MOST_BYTES)
                except ConnectionError:
                    return ""
                reached = ""
                with contextlib.closing(writer):
                    if port not in _OTHER_PORTS:
                        return str(json.loads(await reader.readline())["guard"])
        return reached


__all__ = ["PeerWatch", "Place", "Reaches"]
