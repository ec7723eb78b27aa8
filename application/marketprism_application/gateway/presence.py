"""When a gateway is to be connected: by the trading calendar, unless an operator says otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from marketprism_domain.sessions.connection_hours import Attendance, ConnectionHours
from marketprism_domain.values import Symbol
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import read_or_none

_LOOK_S = 5.0  # a clock that is set, or a suspended machine, is noticed within so long


class Wish(msgspec.Struct, frozen=True):
    """What operators want of a gateway (KV `gateway_wishes`): it outlives processes and takeovers.

    `connected` None leaves it to the calendar, `instruments` None to the settings.
    """

    connected: bool | None = None
    instruments: tuple[str, ...] | None = None


def wanted_symbol(text: str) -> str:
    """A symbol, with or without its venue, or a pattern over symbols: without the venue.

    Raises:
        InvalidValue: neither.
    """
    symbol = text.rpartition(".")[2]
    Symbol(symbol.replace("*", "a").replace("?", "a"))
    return symbol


def _wish(value: bytes) -> Wish:
    """A wish that can be followed: a name that no source may be asked for is refused with all the rest."""
    wish = msgspec.msgpack.decode(value, type=Wish)
    for name in wish.instruments or ():
        wanted_symbol(name)
    return wish


class Presence:
    """Whether the connection is wanted now. Without `hours` it always is."""

    def __init__(self, hours: ConnectionHours | None = None, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._hours = hours
        self._now_ns = now_ns
        self._changed = asyncio.Event()
        self._known = Attendance(0, 0)
        self.wish = Wish()

    def told(self, entry: KvEntry) -> None:
        """A wish was written; where it is none, the one before stays."""
        wish = Wish() if entry.deleted or not entry.value else read_or_none(entry, _wish)
        if wish is not None:
            self.wish = wish
            self._changed.set()

    def wanted(self) -> bool:
        """Whether to be connected at this moment."""
        if self.wish.connected is not None or self._hours is None:
            return self.wish.connected is not False
        now = self._now_ns()
        if not self._known[0] <= now < self._known[1]:
            self._known = self._hours.at(now)
        return self._known[0] <= now

    def next_ns(self) -> int | None:
        """When it will be wanted by the calendar; None when that is not for the calendar to say."""
        if self._hours is None or self.wish.connected is not None:
            return None
        return self._hours.at(self._now_ns()).ts_from

    async def word(self) -> None:
        """Wait for the next word of an operator."""
        self._changed.clear()
        await self._changed.wait()

    async def until_wanted(self) -> None:
        """Wait for the calendar, or for an operator."""
        while not self.wanted():
            self._changed.clear()
            until = self.next_ns()
            wait_s = _LOOK_S if until is None else min(_LOOK_S, max(0.001, (until - self._now_ns()) / 1e9))
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue
