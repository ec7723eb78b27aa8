"""One channel of one client: what it has got, what it holds back, and whether it is live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from marketprism_application.access.principal import Principal
from marketprism_domain.marketdata.orderbook import UPDATE
from marketprism_services.api.stream.access import sees
from marketprism_services.api.stream.channel_names import ChannelName
from marketprism_services.api.stream.messages import ChannelRequest, Id, Message, Mode
from marketprism_services.api.stream.settings import StreamSettings
from marketprism_services.api.stream.tokens import Token
from marketprism_services.api.stream.updates import Update

_MOST_LEFT_OUT = 10_000  # subjects that are counted; more are as many as this


class Phase(Enum):
    """Whether what comes live is sent, held back until the channel has been joined, or read from the stream later."""

    LIVE = "live"
    HOLDING = "holding"
    AWAY = "away"


_LIVE = Phase.LIVE  # a member of an Enum is looked up for ten times as long


Entry = tuple["Channel | None", int, bytes]  # of which channel, at which sequence, and its bytes


class Reader(Protocol):
    """What a channel needs of the connection that it is of."""

    principal: Principal
    settings: StreamSettings
    channels: dict[str, Channel]
    queue: list[Entry]
    waiting_bytes: int
    ready: list[Channel]
    is_due: bool
    loop: asyncio.AbstractEventLoop
    bytes_of: Callable[[Update], bytes]

    def become_due(self) -> None:
        """Be written to at the end of this turn, where that comes anyway."""
        ...

    def schedule(self) -> None:
        """Be written to at the end of this turn."""
        ...

    def note_skipping(self, channel: Channel) -> None:
        """Something was skipped, and the client does not know yet."""
        ...

    def send(self, message: Message) -> None:
        """Send a message of the protocol."""
        ...

    def append(self, channel: Channel, update: Update) -> None:
        """Send a message out of the stream's past."""
        ...

    def drop(self, channel: Channel) -> None:
        """Forget what waits of a channel."""
        ...

    def refuse(self, code: str, text: str, *, request: Id = None, channel: str | None = None) -> None:
        """Send an error that is not fatal."""
        ...

    async def room(self, within_s: float | None = None) -> bool:
        """Wait until more may be read for it; False where it has none within that time."""
        ...


@dataclass(slots=True)
class Beginning:
    """From where a channel begins, and what it has been sent of that; a second attempt goes on from there."""

    after: Token | None = None
    snapshot: int = 0
    request: Id = None
    is_announced: bool = False  # that it is subscribed
    at: int | None = None  # up to which its stream was read
    snapshot_until: int = 0  # up to which what is read is its snapshot
    is_settled: bool = False  # that its stream lost its end was looked at for long enough


class Channel:
    """A subscription. `last` is the sequence up to which everything was taken, `sent` up to which it was written."""

    __slots__ = (
        "_due",
        "_floors",
        "_is_timeless",
        "_pace_s",
        "_seen",
        "beginning",
        "book_seq",
        "client",
        "ended",
        "held",
        "incarnation",
        "is_bounded",
        "is_latest",
        "last",
        "left_out",
        "left_out_noted",
        "name",
        "overflowed",
        "phase",
        "request",
        "sent",
        "skipped",
        "skipped_since",
        "slots",
        "task",
    )

    def __init__(self, client: Reader, name: ChannelName, request: ChannelRequest) -> None:
        self.client = client
        self.name = name
        self.request = request
        self.is_latest = request.mode == "latest" or (request.mode is None and name.is_state)
        self.is_bounded = not (name.is_system or client.principal.entitlements.is_unbounded)
        self.phase = Phase.AWAY
        self.incarnation = "0"
        self.last = self.sent = 0
        self.held: list[Update] = []
        self.overflowed = False
        self.slots: dict[str, Update] = {}
        self.skipped = 0
        self.skipped_since = 0
        self.left_out: set[str] = set()
        self.left_out_noted = 0
        self.book_seq: int | None = None  # the update id of the book's snapshot, while older updates may still come
        self.ended = False
        self.beginning: Beginning | None = None  # what was asked of it
        self.task: asyncio.Task[None] | None = None
        self._pace_s = request.every_ms / 1e3
        self._due: asyncio.TimerHandle | None = None
        self._floors: dict[str, int] = {}
        self._seen: dict[tuple[str, str, str], bool] = {}
        # Where no entitlement is about the time of a message, an instrument is looked at once.
        self._is_timeless = all(each.history_days is None for each in client.principal.entitlements.granted)

    @property
    def mode(self) -> Mode:
        """Whether the newest counts, or all."""
        return "latest" if self.is_latest else "all"

    @property
    def is_joined(self) -> bool:
        """Whether it is known in which stream it is."""
        return self.incarnation != "0"

    def token(self, seq: int) -> str:
        """The resume token of a sequence."""
        return str(Token(self.name.stream, self.incarnation, seq))

    def hold(self) -> None:
        """Hold back what comes from now on."""
        self.phase, self.held, self.overflowed = Phase.HOLDING, [], False

    def leave(self) -> None:
        """Take nothing of what comes live."""
        self.phase, self.held = Phase.AWAY, []

    def go_live(self, seq: int, floors: dict[str, int] | None = None) -> None:
        """Send what was held back behind `seq` (behind its subject's floor, where it has one), then whatever comes."""
        self.last = max(self.last, seq)
        self._floors = floors or {}
        self.phase = Phase.LIVE
        held, self.held = self.held, []
        for update in held:
            self.deliver(update)

    def deliver(self, update: Update) -> None:
        """A message that came live. Called for every message and client: no call that can be spared is made."""
        if self.phase is not _LIVE:
            self._hold(update)
            return
        n = update.n
        if n <= self.last or (self._floors and n <= self._floors.get(update.subject, 0)):
            return
        if (self.is_bounded and not self.may_see(update)) or (self.book_seq is not None and self._is_in_book(update)):
            return
        self.last = n
        client = self.client
        if self.is_latest:
            slots = self.slots
            if not slots:
                if self._pace_s:
                    self._await_pace()
                else:
                    client.ready.append(self)
            elif update.subject in slots:
                self._skip()
            slots[update.subject] = update
            if self._pace_s:
                return
        else:
            data = client.bytes_of(update)
            client.queue.append((self, n, data))
            client.waiting_bytes += len(data)
        if not client.is_due:
            client.become_due()

    def _hold(self, update: Update) -> None:
        if self.phase is Phase.AWAY:
            return
        if len(self.held) >= self.client.settings.waiting_messages:
            if self.is_latest:  # of each subject the newest
                newest = {each.subject: each for each in self.held}
                self.held = sorted(newest.values(), key=lambda each: each.n)
            else:
                self.overflowed = True
                self.leave()
                return
        self.held.append(update)

    def may_see(self, update: Update) -> bool:
        """Whether the principal sees it; what is left out is counted by its subject."""
        instrument = update.instrument()
        seen = self._seen.get(instrument)
        if seen is None:
            seen = sees(self.client.principal, update)
            if self._is_timeless and len(self._seen) < _MOST_LEFT_OUT:
                self._seen[instrument] = seen
        if seen:
            return True
        if len(self.left_out) < _MOST_LEFT_OUT:
            self.left_out.add(update.subject)
        return False

    def _is_in_book(self, update: Update) -> bool:
        """Whether the snapshot of the book has this update already."""
        if update.record.get("form") == UPDATE and update.number("seq") <= (self.book_seq or 0):
            self.last = update.n
            return True
        self.book_seq = None
        return False

    def _skip(self) -> None:
        if not self.skipped:
            self.skipped_since = time.time_ns()
            self.client.note_skipping(self)
        self.skipped += 1

    def _await_pace(self) -> None:
        """Be sent at the next multiple of the pace: channels of one pace leave together."""
        if self._due is None:
            loop = self.client.loop
            at = (loop.time() // self._pace_s + 1) * self._pace_s
            self._due = loop.call_at(at, self._on_pace)

    def _on_pace(self) -> None:
        self._due = None
        if self.slots and not self.ended:
            self.client.ready.append(self)
            self.client.schedule()

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Do what brings it up to date; what is being done for it ends."""
        if self.task is not None:
            self.task.cancel()
        task = self.task = self.client.loop.create_task(work)

        def done(_: asyncio.Task[None]) -> None:
            if self.task is task:
                self.task = None

        task.add_done_callback(done)

    def end(self) -> None:
        """Send nothing more of it."""
        self.ended = True
        self.leave()
        self.slots = {}
        if self._due is not None:
            self._due.cancel()
        if self.task is not None:
            self.task.cancel()
