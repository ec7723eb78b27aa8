"""The channels `system.…`: read once for all who watch, and only while somebody does.

A state is sent when it has become another; what only counts on (ages, times) makes no other state. Leases are listened
to besides, so that a take-over is seen when it happens. Events are held for a while: a client that comes back to the
same instance goes on behind its token, at another it gets a gap.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import msgspec
import structlog

from marketprism_sdk.election import LEASES, LeaseRecord, decode_lease
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import Metrics
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_services.api.stream.channel import Beginning, Channel
from marketprism_services.api.stream.client import ClientClosed
from marketprism_services.api.stream.messages import CaughtUp, Gap, Lagging, Subscribed
from marketprism_services.api.stream.routes import Routes
from marketprism_services.api.stream.system_channels import EVENTS, SYSTEM, SYSTEM_CHANNELS
from marketprism_services.api.stream.tokens import Token
from marketprism_services.api.stream.updates import Update

log = structlog.get_logger()

ReadSystem: TypeAlias = Callable[[], Awaitable[Mapping[str, object]]]
_LOOK_S = 1.0
_SOON_S = 0.02  # several leases that change together are read once
_MOST_EVENTS = 500
_MOST_LEASES = 10_000
_LEADERS = "system.leaders"
_MOST_BYTES = 65_536  # of one event
# What is another at each look although nothing has happened.
_TICKING = frozenset({"age_s", "quiet_s", "ts_heartbeat", "ts_last", "oldest_s"})
_KNOWN_TICKS = {"leaders": frozenset({"problem"})}
_encode = msgspec.msgpack.Encoder().encode


class SystemFeed:
    """Stands where the feeds of streams stand. `read` gives the parts of the system."""

    stream = SYSTEM

    def __init__(
        self,
        connection: NatsConnection,
        metrics: Metrics,
        read: ReadSystem,
        incarnation: str,
        on_handed: Callable[[], None],
    ) -> None:
        self.routes = Routes()
        self.incarnation = incarnation
        self._connection = connection
        self._metrics = metrics
        self._read = read
        self._on_handed = on_handed
        self._n = self._since = 0
        self._states: dict[str, tuple[object, Update]] = {}  # what is compared, and the message that says it
        self._events: deque[Update] = deque(maxlen=_MOST_EVENTS)
        self._leases: dict[str, LeaseRecord] = {}
        self._changed = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    @property
    def position(self) -> int:
        """The number of the newest message."""
        return self._n

    def remove(self, channel: Channel) -> None:
        """Hand nothing more on to a channel; the last that goes ends the looking."""
        self.routes.remove(channel)
        if not self.routes and self._looking is not None:
            self._looking.cancel()
            self._looking = None
            self._looked.clear()
            self._states, self._leases = {}, {}
            self._events.clear()

    async def close(self) -> None:
        """Look at nothing any more."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    # -- channels ----------------------------------------------------------------------------------------------------

    async def begin(self, channel: Channel, beginning: Beginning) -> None:
        """Make a channel live: a state with what it is now, the tape of events with those behind its token."""
        try:
            await channel.client.room()
            if self._looking is None:
                self._n += 1  # what happened while nobody watched was not heard
                self._since = self._n
                self._looking = asyncio.get_running_loop().create_task(self._look_on(), name="system channels")
            await self._looked.wait()
        except ClientClosed:
            return
        channel.incarnation = self.incarnation
        if channel.name.text == EVENTS:
            self._begin_events(channel, beginning)
        else:
            self._announce(channel, beginning, self._n)
            state = self._states.get(channel.name.text)
            if state is not None:
                channel.client.append(channel, state[1].as_snapshot())
        channel.go_live(self._n)
        channel.client.schedule()

    def lag(self, channel: Channel) -> None:
        """A tape whose reader is too slow goes on behind what was written of it, when there is room."""
        self._metrics.count("stream_lagging_total")
        channel.leave()
        channel.last = channel.sent
        channel.client.send(Lagging(ch=channel.name.text, n=channel.sent))
        after = Token(SYSTEM, self.incarnation, channel.sent)
        channel.run(self._catch_up(channel, Beginning(after, is_announced=True)))

    async def _catch_up(self, channel: Channel, beginning: Beginning) -> None:
        await self.begin(channel, beginning)
        if not channel.ended:
            channel.client.send(CaughtUp(ch=channel.name.text, n=channel.last))

    def _begin_events(self, channel: Channel, beginning: Beginning) -> None:
        after = beginning.after
        if after is None:
            self._announce(channel, beginning, self._n)
            held = list(self._events)[-beginning.snapshot :] if beginning.snapshot else []
            for update in held:
                channel.client.append(channel, update.as_snapshot())
            return
        is_other = after.incarnation != self.incarnation or after.seq > self._n
        first = self._since
        if len(self._events) == _MOST_EVENTS:
            first = max(first, self._events[0].n - 1)
        self._announce(channel, beginning, self._n if is_other else after.seq)
        if is_other or after.seq < first:
            self._metrics.count("stream_gaps_total")
            channel.client.send(
                Gap(
                    ch=channel.name.text,
                    after=str(after),
                    first=channel.token(self._n if is_other else first),
                    reason="other_stream" if is_other else "aged_out",
                )
            )
        for update in self._events:
            if not is_other and update.n > after.seq:
                channel.client.append(channel, update)

    @staticmethod
    def _announce(channel: Channel, beginning: Beginning, at: int) -> None:
        if not beginning.is_announced:
            beginning.is_announced = True
            channel.last = channel.sent = at
            channel.client.send(
                Subscribed(id=beginning.request, ch=channel.name.text, mode=channel.mode, at=channel.token(at))
            )

    # -- looking -----------------------------------------------------------------------------------------------------

    async def _look_on(self) -> None:
        while True:
            try:
                await self._follow()
            except SdkError as error:
                log.debug("system_channels.not_read", error=reason_of(error))
                self._looked.set()  # who waits is told what it is when it is known
                await asyncio.sleep(_LOOK_S)

    async def _follow(self) -> None:
        stops: list[Stop] = []
        try:
            stops.append(await self._connection.subscribe("event.>", lambda m: self._event(m.subject, m.data)))
            stops.append(await NatsKeyValue.existing(self._connection, LEASES).watch("", self._lease))
            while True:
                self._changed.clear()
                await self._look()
                self._looked.set()
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await self._changed.wait()
                    await asyncio.sleep(_SOON_S)
                except TimeoutError:
                    pass
        finally:
            for stop in stops:
                await stop()

    async def _look(self) -> None:
        try:
            found = await self._read()
        except SdkError as error:
            log.debug("system_channels.not_read", error=reason_of(error))
            return
        for name, channel in SYSTEM_CHANNELS.items():
            value = found.get(channel.part) if channel.part else None
            if name == _LEADERS and isinstance(value, list):
                value = [self._by_lease(each) for each in value]
            if value is not None:
                self._show(name, channel.part, value)
        self._on_handed()

    def _show(self, name: str, part: str, value: object) -> None:
        compared = _steady(value, _TICKING | _KNOWN_TICKS.get(part, frozenset()))
        before = self._states.get(name)
        if before is not None and before[0] == compared:
            return
        update = self._update(name, {part: value})
        if update is not None:
            self._states[name] = compared, update
            self._hand_on(update)

    def _update(self, name: str, record: dict[str, object]) -> Update | None:
        try:
            data = _encode(record)
        except (TypeError, ValueError, OverflowError):
            self._metrics.count("stream_malformed_total", stream=SYSTEM)
            return None
        self._n += 1
        update = Update(name, self._n, data)
        return update if update.read() else None

    def _hand_on(self, update: Update) -> None:
        for channel in self.routes.of(update.subject).channels:
            channel.deliver(update)

    def _lease(self, entry: KvEntry) -> None:
        """A lease that is only renewed says the same; one that says something else is sent before anybody is asked."""
        record = None if entry.deleted else decode_lease(entry)
        if record is None or self._leases.get(entry.key) == record:
            return
        is_known = entry.key in self._leases
        if is_known or len(self._leases) < _MOST_LEASES:
            self._leases[entry.key] = record
        self._changed.set()
        before = self._states.get(_LEADERS)
        rows = before[1].record.get("leaders") if before is not None else None
        if not is_known or not isinstance(rows, list):
            return  # the look that comes now has it
        service, _, group = entry.key.partition(".")
        others = [each for each in rows if (each["service"], each["group"]) != (service, group)]
        row = _row_of(service, group, record)
        self._show(_LEADERS, "leaders", sorted([*others, row], key=lambda each: (each["service"], each["group"])))
        self._on_handed()

    def _by_lease(self, row: dict[str, object]) -> dict[str, object]:
        """A row that was read, unless the lease has another holder by now: what was read a moment before a take-over
        must not be shown behind it."""
        service, group = str(row.get("service")), str(row.get("group"))
        record = self._leases.get(f"{service}.{group}")
        if record is None or (row.get("holder"), row.get("epoch")) == (record.holder, record.epoch):
            return row
        return _row_of(service, group, record)

    def _event(self, subject: str, data: bytes) -> None:
        tokens = subject.split(".", 2)
        if len(data) > _MOST_BYTES or len(tokens) != 3:
            self._metrics.count("stream_malformed_total", stream=SYSTEM)
            return
        try:
            body = msgspec.msgpack.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
            self._metrics.count("stream_malformed_total", stream=SYSTEM)
            return
        update = self._update(EVENTS, {"service": tokens[1], "name": tokens[2], "ts": time.time_ns(), "event": body})
        if update is None:
            self._metrics.count("stream_malformed_total", stream=SYSTEM)
            return
        self._events.append(update)
        self._hand_on(update)
        self._on_handed()


def _row_of(service: str, group: str, record: LeaseRecord) -> dict[str, object]:
    """A lease that was written this moment, as a row of `GET /api/v1/system`."""
    return {
        "service": service,
        "group": group,
        "holder": record.holder,
        "epoch": record.epoch,
        "state": record.state,
        "age_s": 0.0,
        "problem": "",
    }


def _steady(value: object, without: frozenset[str]) -> object:
    """A value without what is another at each look."""
    if isinstance(value, Mapping):
        return {name: _steady(each, without) for name, each in value.items() if name not in without}
    if isinstance(value, list | tuple):
        return [_steady(each, without) for each in value]
    return value
