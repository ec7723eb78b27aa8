"""The newest tick of instruments that are asked for often: listened to, not asked for each time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from marketprism_application.contracts.subjects import tick_subject
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Symbol
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics

_OFTEN_S = 5.0  # asked twice within, it is listened to
_UNUSED_S = 60.0  # not asked for so long, it is no more
_SWEEP_S = 10.0
_MOST = 2_000

Ask = Callable[[str], Awaitable[bytes | None]]


class _Place(msgspec.Struct):
    """Where a tick's message stands in its instrument's line."""

    venue: str
    symbol: str
    epoch: int
    seq: int


_place = msgspec.msgpack.Decoder(_Place).decode


@dataclass(slots=True)
class _Followed:
    """A symbol that is listened to; without a message until it was asked for once behind the subscription."""

    used_s: float
    stop: Callable[[], Awaitable[None]] | None = None
    message: bytes | None = None
    place: _Place | None = None


class NewestTicks:
    """Asks by `ask`, and listens to the subject of what is asked for again soon.

    While it listens an answer is what the subject brought last. When the connection goes, what was heard is forgotten:
    nobody is given a tick that may have been followed by another.
    """

    def __init__(self, connection: NatsConnection, ask: Ask, metrics: Metrics) -> None:
        self._connection = connection
        self._metrics = metrics
        self._ask = ask
        self._followed: OrderedDict[str, _Followed] = OrderedDict()
        self._asked: OrderedDict[str, float] = OrderedDict()
        self._stopping: set[asyncio.Task[None]] = set()
        self._swept_s = 0.0
        self._unheard = connection.on_disconnect(self._forget_messages)
        metrics.watch("newest_ticks_kept", lambda: float(len(self._followed)))

    async def get(self, symbol: str) -> bytes | None:
        """The newest tick's message, None where there is none.

        Raises:
            RemoteError: no symbol. NoResponders, DeadlineExceeded, NotConnected, CircuitOpen: nobody answered.
        """
        now_s = time.monotonic()
        entry = self._followed.get(symbol)
        if entry is not None:
            entry.used_s = now_s
            if entry.message is not None and self._connection.connected:
                return entry.message
        if now_s - self._swept_s > _SWEEP_S:
            self._sweep(now_s)
        if entry is None and now_s - self._asked.get(symbol, -_OFTEN_S) < _OFTEN_S:
            entry = await self._listen(symbol, now_s)
        self._remember(symbol, now_s)
        found = await self._ask(symbol)
        if entry is not None and found is not None:
            self._take(entry, symbol, found)
        return found

    async def close(self) -> None:
        """Listen to nothing more."""
        self._unheard()
        entry, self._followed = self._followed, OrderedDict()
        await asyncio.gather(*(_ended(each) for each in entry.values()), *self._stopping)

    async def _listen(self, symbol: str, now_s: float) -> _Followed | None:
        """Before the symbol is asked for once more, so that nothing that follows the answer is missed."""
        try:
            subject = tick_subject(Symbol(symbol))
        except InvalidValue:
            return None  # whoever is asked names what is wrong
        entry = self._followed[symbol] = _Followed(now_s)
        try:
            entry.stop = await self._connection.subscribe(
                subject, lambda message: self._take(entry, symbol, message.data)
            )
        except BaseException:
            self._followed.pop(symbol, None)
            raise
        return entry

    def _take(self, entry: _Followed, symbol: str, message: bytes) -> None:
        """Keep a message unless an older one than what is there comes again."""
        try:
            place = _place(message)
        except (msgspec.MsgspecError, ValueError):
            self._metrics.count("newest_ticks_malformed_total")
            return
        if place.symbol != symbol:
            return  # the symbol was written otherwise: its own subject is another
        before = entry.place
        if before is None or place.venue != before.venue or (place.epoch, place.seq) > (before.epoch, before.seq):
            entry.message, entry.place = message, place

    def _remember(self, symbol: str, now_s: float) -> None:
        self._asked[symbol] = now_s
        self._asked.move_to_end(symbol)
        if len(self._asked) > _MOST:
            self._asked.popitem(last=False)

    def _sweep(self, now_s: float) -> None:
        self._swept_s = now_s
        by_age = sorted(self._followed, key=lambda symbol: self._followed[symbol].used_s)
        over = len(by_age) - _MOST
        for number, symbol in enumerate(by_age):
            if number < over or now_s - self._followed[symbol].used_s > _UNUSED_S:
                task = asyncio.get_running_loop().create_task(_ended(self._followed.pop(symbol)))
                self._stopping.add(task)
                task.add_done_callback(self._stopping.discard)

    def _forget_messages(self) -> None:
        for entry in self._followed.values():
            entry.message = entry.place = None


async def _ended(entry: _Followed) -> None:
    if entry.stop is not None:
        await entry.stop()
