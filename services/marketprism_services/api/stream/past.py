"""What a channel begins with: messages that a stream holds, the newest of each subject or so many of one."""

from __future__ import annotations

import asyncio

from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import ORDERBOOK
from marketprism_domain.marketdata.orderbook import OrderBook
from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import count_from, last_of_each, next_of
from marketprism_sdk.nats.jetstream import leader_get_last
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_services.api.stream.channel import Channel
from marketprism_services.api.stream.channel_names import ChannelName
from marketprism_services.api.stream.reach import reach_of
from marketprism_services.api.stream.updates import Update

_BATCH = 100
_SILENT_S = 2.0
_ROOM_S = 0.5
_INFO_S = 5.0


async def newest_of(connection: NatsConnection, name: ChannelName, behind: int) -> list[Update]:
    """The newest message of each subject of a channel, in their order, as of a sequence or later: who answers with an
    older one would have what came between come to nobody. Raises as `last_of_each`."""
    found = await last_of_each(connection, name.stream, [name.text], at_least=behind)
    return [_snapshot(each.subject, each.seq, each.data) for each in sorted(found.values(), key=lambda held: held.seq)]


def _snapshot(subject: str, seq: int, data: bytes) -> Update:
    return Update(subject, seq, data, is_snapshot=True)


async def last_seq_of(connection: NatsConnection, name: ChannelName, behind: int = 0) -> int:
    """The sequence of the newest message of a channel, 0 where there is none, as a leader of the stream has it that
    has the stream up to `behind`.

    Raises:
        StreamError: refused; one with `retryable`: a leader from before `behind` answers. DeadlineExceeded,
        NotConnected: no answer.
    """
    message = await leader_get_last(connection, name.stream, name.text)
    seq = 0 if message is None else message.seq
    if seq < behind and (await reach_of(connection, name.stream, _INFO_S)).last < behind:
        raise StreamError(f"stream {name.stream}: a leader that is behind answers", retryable=True)
    return seq


async def start_of_last(connection: NatsConnection, name: ChannelName, count: int) -> int:
    """The sequence at which the last `count` messages of a channel begin, 1 where there are not more. Found by halving
    the stream, by how many there are behind its middle."""
    first = await next_of(connection, name.stream, name.text, 1)
    if first is None or first.more < count:
        return 1
    low, high = first.seq, await last_seq_of(connection, name)
    while low < high:  # the highest sequence behind which there are still so many
        middle = (low + high + 1) // 2
        if await count_from(connection, name.stream, name.text, middle) >= count:
            low = middle
        else:
            high = middle - 1
    return low


def book_snapshot(name: ChannelName, book: OrderBook, seq: int) -> Update:
    """A live book as a message of its channel, at a sequence."""
    return Update(name.text, seq, encode(ORDERBOOK, book), is_snapshot=True)


class PastReader:
    """Reads streams behind a sequence for clients, at their pace; so many at once as there are places."""

    def __init__(self, connection: NatsConnection, places: int) -> None:
        self._connection = connection
        self._places = asyncio.Semaphore(places)
        self.reading = 0

    async def read(self, channel: Channel, at: int, until: int, *, snapshot_until: int = 0) -> int:
        """Send what is behind `at`; returns how far it came: to `until`, or less where the client has no room.

        Raises:
            ClientClosed: the connection has ended. SdkError: the stream is not there or does not answer.
        """
        client = channel.client
        async with self._places:
            self.reading += 1
            name = channel.name
            consumer = PullConsumer(self._connection, name.stream, [name.text], start_seq=at + 1, batch=_BATCH)
            try:
                await consumer.open()
                while at < until:
                    messages = await consumer.fetch(_BATCH, _SILENT_S)
                    if not messages:
                        break
                    for message in messages:
                        at = message.seq
                        update = Update(message.subject, at, message.data, is_snapshot=at <= snapshot_until)
                        if update.read() and (not channel.is_bounded or channel.may_see(update)):
                            client.append(channel, update)
                    if not await client.room(_ROOM_S):
                        break
            finally:
                self.reading -= 1
                await consumer.close()
        return at
