"""One connection's way out: what waits for it, and how it is written.

Whole frames go to the connection's transport at the end of the loop's turn, joined. Nothing is written while more than
`buffer_bytes` lie in its socket: states wait in their slots, where the newest wins, tapes in the queue, until they are
too many.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from operator import attrgetter
from typing import Protocol

from marketprism_application.access.principal import Principal
from marketprism_services.api.stream.channel import Channel, Entry, Phase
from marketprism_services.api.stream.messages import Error, Id, Message
from marketprism_services.api.stream.settings import StreamSettings
from marketprism_services.api.stream.updates import Update
from marketprism_services.api.stream.wires import Wire

_UNSENT_BYTES = (
    131_072  # that the kernel takes beyond what is on its way: what waits there cannot be conflated any more
)
_STALLED_MORE_S = 15.0


_number = attrgetter("n")


class ClientClosed(Exception):
    """The connection has ended."""


class Turns(Protocol):
    """What a client needs of whoever writes to all of them. `due` and `skipping` are what it adds to."""

    loop: asyncio.AbstractEventLoop
    due: list[Client]
    skipping: list[Channel]
    sent: int
    position_of: Callable[[str], int]

    def schedule(self) -> None:
        """Write at the end of this turn."""
        ...

    def block(self, client: Client) -> None:
        """Look again when its socket has emptied itself."""
        ...

    def shed(self, client: Client) -> None:
        """Have its tapes read from their streams."""
        ...

    def count_close(self, code: int) -> None:
        """Count a connection that was closed."""
        ...


class Client:
    """A connection that is written to. `on_closing` is called once, when the last bytes were written."""

    def __init__(
        self,
        outlet: Turns,
        settings: StreamSettings,
        transport: asyncio.Transport,
        wire: Wire,
        principal: Principal,
        on_closing: Callable[[], None],
    ) -> None:
        self.outlet = outlet
        self.loop = outlet.loop
        self.settings = settings
        self.transport = transport
        self.use(wire)
        self.principal = principal
        self.channels: dict[str, Channel] = {}
        self.queue: list[Entry] = []
        self.waiting_bytes = 0
        self.ready: list[Channel] = []
        self.is_due = False
        self.is_blocked = False
        self.spoke = False
        self.quiet_s = random.uniform(0, settings.beat_s / 2)  # heartbeats of many do not leave together
        self.written = 0
        self.close_code = 0
        self._on_closing = on_closing
        self._room: asyncio.Future[None] | None = None
        self._bound_kernel()

    def use(self, wire: Wire) -> None:
        """Write in this way from now on; nothing may wait that was made in another."""
        self.wire = wire
        self.bytes_of = wire.bytes_of

    def _bound_kernel(self) -> None:
        found = self.transport.get_extra_info("socket")
        if found is None:
            return
        unsent = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
        timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
        with contextlib.suppress(OSError):  # a socket of another family, or of another system
            found.setsockopt(socket.IPPROTO_TCP, unsent, _UNSENT_BYTES)
            if timeout is not None:
                limit_ms = int((self.settings.reader_stall_s + _STALLED_MORE_S) * 1e3)
                found.setsockopt(socket.IPPROTO_TCP, timeout, limit_ms)

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be written any more."""
        return bool(self.close_code) or self.transport.is_closing()

    def send(self, message: Message) -> None:
        """A message of the protocol, before all data that is not in the queue yet."""
        if self.is_closed:
            return
        data = self.wire.message(message)
        self.queue.append((None, 0, data))
        self.waiting_bytes += len(data)
        self.schedule()

    def refuse(self, code: str, text: str, *, request: Id = None, channel: str | None = None) -> None:
        """An error that is not fatal."""
        self.send(Error(id=request, ch=channel, code=code, message=text))

    def append(self, channel: Channel, update: Update) -> None:
        """A message out of the stream's past."""
        data = self.bytes_of(update)
        self.queue.append((channel, update.n, data))
        self.waiting_bytes += len(data)
        self.schedule()

    def become_due(self) -> None:
        """Be written to at the end of this turn, where that comes anyway."""
        self.is_due = True
        self.outlet.due.append(self)

    def schedule(self) -> None:
        """Be written to at the end of this turn."""
        if not self.is_due:
            self.become_due()
        self.outlet.schedule()

    def note_skipping(self, channel: Channel) -> None:
        """Something of a channel was skipped, and the client does not know yet."""
        self.outlet.skipping.append(channel)

    def flush(self) -> None:
        """Write what waits, unless the socket has enough."""
        self.is_due = False
        transport = self.transport
        if self.close_code or transport.is_closing():
            return
        if transport.get_write_buffer_size() > self.settings.buffer_bytes:
            if not self.is_blocked:
                self.outlet.block(self)
            elif len(self.queue) > self.settings.waiting_messages or self.waiting_bytes > self.settings.waiting_bytes:
                self.outlet.shed(self)
            return
        entries = self.queue
        if self.ready:
            self._take_ready(entries)
        if entries:
            self.queue = []
            self.waiting_bytes = 0
            data = self.wire.packed(entries)
            for channel, n, _ in entries:
                if channel is not None:
                    channel.sent = n
            transport.write(data)
            self.spoke = True
            self.written += len(data)
            self.outlet.sent += len(entries)
        if self._room is not None:
            self._give_room()

    def _take_ready(self, entries: list[Entry]) -> None:
        ready, self.ready = self.ready, []
        bytes_of = self.bytes_of
        for channel in ready:
            slots, channel.slots = channel.slots, {}
            if len(slots) == 1:
                (update,) = slots.values()
                entries.append((channel, update.n, bytes_of(update)))
            else:
                newest = sorted(slots.values(), key=_number)
                entries.extend([(channel, update.n, bytes_of(update)) for update in newest])

    def _give_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    @property
    def has_room(self) -> bool:
        """Whether more may be read from a stream for it."""
        few = (
            len(self.queue) * 4 < self.settings.waiting_messages
            and self.waiting_bytes * 4 < self.settings.waiting_bytes
        )
        return few and not self.is_blocked

    async def room(self, within_s: float | None = None) -> bool:
        """Wait until more may be read for it; False where it has none within that time.

        Raises:
            ClientClosed: the connection has ended.
        """
        try:
            async with asyncio.timeout(within_s):
                while not self.has_room:
                    self._check()
                    self.schedule()
                    if self._room is None or self._room.done():
                        self._room = self.loop.create_future()
                    await asyncio.shield(self._room)
        except TimeoutError:
            return False
        self._check()
        return True

    def _check(self) -> None:
        if self.is_closed:
            raise ClientClosed

    @property
    def taken(self) -> int:
        """Bytes that its socket has taken."""
        return self.written - (0 if self.transport.is_closing() else self.transport.get_write_buffer_size())

    def positions(self) -> dict[str, int]:
        """By stream, up to which sequence everything was sent; only of streams whose channels are all up to date."""
        found: dict[str, int] = {}
        if self.queue or self.is_blocked:
            return found
        behind = {each.name.stream for each in self.channels.values() if each.phase is not Phase.LIVE or each.slots}
        for stream in {each.name.stream for each in self.channels.values()} - behind:
            position = self.outlet.position_of(stream)
            if position:
                found[stream] = position
        return found

    def drop(self, channel: Channel) -> None:
        """Forget what waits of a channel."""
        self.queue = [entry for entry in self.queue if entry[0] is not channel]
        self.waiting_bytes = sum(len(entry[2]) for entry in self.queue)
        if channel in self.ready:
            self.ready.remove(channel)

    def close(self, code: int, reason: str) -> None:
        """End it: what waits as messages of the protocol is written, then why."""
        if self.close_code:
            return
        self.close_code = code
        self.outlet.count_close(code)
        if not self.transport.is_closing():
            last = [entry for entry in self.queue if entry[0] is None]
            self.transport.write((self.wire.packed(last) if last else b"") + self.wire.closing(code, reason))
        self.release()
        self._on_closing()

    def release(self) -> None:
        """Let go of what waits, and of who waits for room."""
        self.queue, self.ready, self.waiting_bytes = [], [], 0
        for channel in self.channels.values():
            channel.end()
        self._give_room()
