"""What systemd is told of a process: that it is ready, that it lives, that it ends (sd_notify(3)).

A unit with `Type=notify` names a datagram socket in `NOTIFY_SOCKET`, and with `WatchdogSec=` in `WATCHDOG_USEC` within
what time it wants to hear that the process lives. Nothing is said where there is no such socket.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import MutableMapping
from contextvars import ContextVar

from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.observability.logger import get_logger

log = get_logger(__name__)

_BEATS = 3  # within the time of the watchdog: one that is late, or lost, does not end the process


class ServiceManager:
    """The one who started this process. `address` is its socket, empty for none; `watchdog_s` within what time it wants
    to be told that the process lives, 0 for never; `services` how many of them the process runs: it is ready when all
    are."""

    def __init__(self, address: str = "", watchdog_s: float = 0.0, services: int = 1) -> None:
        self.address = address
        self.watchdog_s = watchdog_s
        self._missing = services
        self._heard = True

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str], services: int = 1) -> ServiceManager:
        """The one that the variables name, which are taken away: a child of this process must not speak for it.

        Raises:
            ConfigurationError: one of them has no meaning.
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        given, whose = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        if address and address[0] not in "/@":
            raise ConfigurationError(f"NOTIFY_SOCKET: expected a path or an abstract name (@…), was {address!r}")
        if given and not (given.isascii() and given.isdigit() and int(given)):
            raise ConfigurationError(f"WATCHDOG_USEC: expected microseconds above 0, was {given!r}")
        meant = bool(given) and whose in ("", str(os.getpid()))
        return cls(address, int(given) / 1e6 if meant else 0.0, services)

    def started(self) -> None:
        """One of the services is ready."""
        self._missing -= 1
        if self._missing == 0:
            self._tell("READY=1")

    def stopping(self) -> None:
        """The process ends, in order."""
        self._tell("STOPPING=1")

    async def show_life(self) -> None:
        """For as long as it is awaited: where the loop does not turn, nothing is said, and the manager ends the process
        and starts it again."""
        while self.address and self.watchdog_s:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / _BEATS)

    def _tell(self, state: str) -> None:
        if not self.address:
            return
        where = "\0" + self.address[1:] if self.address[0] == "@" else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as out:
                out.sendto(state.encode(), where)
        except OSError as error:
            if self._heard:
                log.warning("manager.not_reached", socket=self.address, state=state, error=error.strerror)
            self._heard = False
        else:
            self._heard = True


_manager: ContextVar[ServiceManager | None] = ContextVar("service_manager", default=None)


def managed_by(manager: ServiceManager) -> None:
    """What is begun from here on belongs to the process that this manager has started."""
    _manager.set(manager)


def started() -> None:
    """A service of this process is ready."""
    if (manager := _manager.get()) is not None:
        manager.started()
