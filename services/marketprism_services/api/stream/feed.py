"""The one consumer of a stream, for all clients: made when its first channel is wanted, for the subjects that are.

When other subjects are wanted, another consumer is made from behind all that was handed on, and takes the place of the
first: nothing is missed or brought twice.

A consumer is of one server, which may be behind with the stream for as long as it is cut off or caught up. That it has
no more says nothing of the stream: how far a quiet feed has come is asked of the stream's leader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from marketprism_sdk.errors import SdkError, StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import leader_next
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.observability import Metrics
from marketprism_services.api.stream.channel import Channel
from marketprism_services.api.stream.channel_names import Tokens, covers, filters_of
from marketprism_services.api.stream.reach import reach_of, settled_reach
from marketprism_services.api.stream.routes import Routes
from marketprism_services.api.stream.tokens import incarnation_of
from marketprism_services.api.stream.updates import Update

log = structlog.get_logger()

_BATCH = 512
_AGAIN_S = 0.25
_INFO_S = 5.0
_CHECK_S = 5.0


class Feed:
    """Messages of one stream to its channels.

    `position` is the sequence up to which everything that is wanted was handed on. `on_other` is called when the stream
    turns out to be another one than it was, `on_hole` with its first sequence when messages aged out before they came,
    `on_handed` after channels were given something.
    """

    def __init__(
        self,
        connection: NatsConnection,
        stream: str,
        most_filters: int,
        metrics: Metrics,
        on_handed: Callable[[], None],
        on_other: Callable[[Feed], None],
        on_hole: Callable[[Feed, int], None],
    ) -> None:
        self.stream = stream
        self.routes = Routes()
        self.incarnation = "0"
        self._connection = connection
        self._most_filters = most_filters
        self._metrics = metrics
        self._on_handed = on_handed
        self._on_other = on_other
        self._on_hole = on_hole
        self._created = ""
        self._handed = 0
        self._confirmed = 0  # up to here the stream's leader has nothing that was not handed on
        self._seen = (0, 0)  # the position at the last look, and the stream's last sequence then
        self._consumer: PullConsumer | None = None
        self._filters: list[Tokens] = []
        self._is_wide = False  # somebody who wanted more has left
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._forget = connection.on_reconnect(lambda: self._spawn(self._look_back))
        self._checker = asyncio.get_running_loop().create_task(self._check())

    @property
    def position(self) -> int:
        """The sequence up to which all that is wanted was handed on."""
        return max(self._handed, self._confirmed)

    def _spawn(self, action: Callable[[], Coroutine[None, None, None]]) -> None:
        task = asyncio.get_running_loop().create_task(action())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def remove(self, channel: Channel) -> None:
        """Hand nothing more on to a channel."""
        self.routes.remove(channel)
        self._is_wide = True

    async def cover(self, channel: Channel) -> int:
        """Have what the channel wants handed on from now on; returns a sequence behind which nothing of it is missed.

        Raises:
            StreamMissing: there is no such stream. SdkError: no answer.
        """
        async with self._lock:
            if self._consumer is not None and any(covers(each, channel.name.tokens) for each in self._filters):
                return self.position
            return await self._make()

    async def _make(self) -> int:
        reach = await reach_of(self._connection, self.stream, _INFO_S)
        if self._created and reach.created != self._created:
            self._become_other()
        if not self._created:
            self._created = reach.created
            self.incarnation = incarnation_of(self._created)
            self._handed, self._confirmed = reach.last, 0
        filters = filters_of(self.routes.wanted(), self.stream, self._most_filters)
        consumer = PullConsumer(
            self._connection,
            self.stream,
            filters,
            start_seq=self.position + 1,
            batch=_BATCH,
            on_arrival=lambda: self._arrived(consumer),
            created=self._created,
        )
        try:
            await consumer.open()
        except BaseException:
            await consumer.close()
            raise
        before, self._consumer = self._consumer, consumer
        self._filters = [tuple(each.split(".")) for each in filters]
        if before is not None:
            self._spawn(before.close)
        self._arrived(consumer)
        return max(self.position, reach.last)

    def _become_other(self) -> None:
        """Begin anew: what was known is of a stream that is gone."""
        log.warning("stream_feed.replaced", stream=self.stream)
        self._created = ""
        before, self._consumer = self._consumer, None
        if before is not None:
            self._spawn(before.close)
        self.routes.forget_newest()
        self._on_other(self)

    def _arrived(self, consumer: PullConsumer) -> None:
        if consumer is not self._consumer:
            return  # its messages wait in it until it takes the place of the other, or is closed
        if consumer.replaced:
            self._become_other()
            return
        while (message := consumer.take()) is not None:
            if message.seq > self._handed:
                self._handed = message.seq
                self.hand_on(Update(message.subject, message.seq, message.data))
        self._on_handed()

    def hand_on(self, update: Update) -> None:
        """Give a message to the channels that want it."""
        route = self.routes.of(update.subject)
        if not route.channels:
            return
        if not update.read():
            self._metrics.count("stream_malformed_total", stream=self.stream)
            log.debug("stream_message.malformed", stream=self.stream, subject=update.subject, seq=update.n)
            return
        route.newest = update
        for channel in route.channels:
            channel.deliver(update)

    async def _check(self) -> None:
        """Find out how far a quiet feed has come, and whether the stream still is what it was."""
        while True:
            await asyncio.sleep(_CHECK_S)
            try:
                await self._look()
            except SdkError as error:
                log.debug("stream_feed.not_checked", stream=self.stream, error=str(error))

    async def _look(self) -> None:
        """The position of a quiet feed moves to where the stream stood at the last look, if nothing of what is wanted
        lies between; a stream that ends before the position is looked at more closely."""
        if self._is_wide:
            await self._narrow()
        consumer = self._consumer
        if consumer is None:
            return
        position, (handed, last_seq) = self.position, self._seen
        is_quiet = handed == self._handed and last_seq > position
        has_all = is_quiet and await self._is_none_wanted(position + 1, last_seq)
        reach = await reach_of(self._connection, self.stream, _INFO_S)
        if consumer is not self._consumer:
            return
        if reach.last < position:
            await self._look_back()
        elif has_all and reach.created == self._created and reach.last >= last_seq:  # not a leader from before then
            self._confirmed = last_seq
        self._seen = (self._handed, reach.last)

    async def _is_none_wanted(self, first: int, last: int) -> bool:
        """Whether the stream has none of the consumer's messages from one sequence to another."""
        for each in self._filters:
            seq = await leader_next(self._connection, self.stream, ".".join(each), first)
            if seq is not None and seq <= last:
                return False
        return True

    async def _narrow(self) -> None:
        """Be brought only what is wanted still."""
        async with self._lock:
            self._is_wide = False
            if self._consumer is None:
                return
            wanted = self.routes.wanted()
            if not wanted:
                consumer, self._consumer, self._created = self._consumer, None, ""
                await consumer.close()
            elif filters_of(wanted, self.stream, self._most_filters) != sorted(
                ".".join(each) for each in self._filters
            ):
                await self._make()

    async def _look_back(self) -> None:
        """After an outage: messages may have aged out meanwhile, or the stream have lost its end."""
        while self._consumer is not None:
            position = self.position
            try:
                reach = await settled_reach(self._connection, self.stream, position, 0)
                break
            except StreamMissing:
                return  # the consumer sees another one when it is made
            except SdkError:
                await asyncio.sleep(_AGAIN_S)
        else:
            return
        if reach.created != self._created or self.position < position:
            return  # the consumer sees it, or it was seen meanwhile
        if reach.last < position:
            self._become_other()
        elif reach.first > self.position + 1:
            self._on_hole(self, reach.first)

    async def close(self) -> None:
        """Let go of the consumer."""
        self._forget()
        self._checker.cancel()
        for task in list(self._tasks):
            task.cancel()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()
