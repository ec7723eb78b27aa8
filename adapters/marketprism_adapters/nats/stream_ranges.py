"""A stream in order, and how far it is stored, as NATS keeps them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import structlog

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import ContractError
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.ports.storage import NO_MESSAGE, StoreMark, StreamBounds
from marketprism_application.storage.decoding import PACKED_PREFIX
from marketprism_application.storage.writer import Progress, RangeMessage, StreamRemade
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import leader_next, leader_time_of, nanoseconds
from marketprism_sdk.nats.jetstream import StoredMessage, answered, api, leader_info
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.observability import Sampled
from marketprism_sdk.ports import KeyValue
from marketprism_sdk.values import decode_or_none

log = structlog.get_logger()


async def bounds_of(connection: NatsConnection, stream: str) -> StreamBounds:
    """What a stream holds now. Raises StreamError where there is none, DeadlineExceeded, NotConnected."""
    info = await leader_info(connection, stream)
    state = info["state"]
    ts_first = nanoseconds(str(state.get("first_ts", ""))) if int(state.get("messages", 0)) else 0
    deleted = int(state.get("num_deleted", 0))
    return StreamBounds(
        str(info["created"]), int(state["first_seq"]), int(state["last_seq"]), max(0, ts_first), deleted
    )


class StreamRanges:
    """`RangeSource` on a JetStream stream."""

    def __init__(self, connection: NatsConnection, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._consumer: PullConsumer | None = None
        self._reader = ""  # the consumer by which the last message came
        self._read = StoreMark(0)  # that message
        self._traced: deque[tuple[StoredMessage, Sampled, int]] = deque(maxlen=1_000)

    async def bounds(self) -> StreamBounds:
        """What the stream holds now."""
        return await bounds_of(self._connection, self._stream)

    async def open(self, start_seq: int) -> None:
        """Begin at a sequence."""
        filters = streams.STORED[self._stream]
        before = max(0, start_seq - 1)
        self._read = StoreMark(before, await self.time_at(before) if before else 0)
        self._consumer = PullConsumer(self._connection, self._stream, filters, start_seq=start_seq, batch=512)
        await self._consumer.open()
        self._reader = self._consumer.name

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[RangeMessage]:
        """Messages that come next, at most `max_messages`; empty when none came within `max_wait_s`.

        Raises:
            StreamRemade: the consumer had to be made again, and the stream has lost what came before that.
        """
        assert self._consumer is not None  # noqa: S101 (opened by the writer)
        messages = await self._consumer.fetch(max_messages, max_wait_s)
        reader = messages[-1].consumer if messages else self._consumer.name
        if reader != self._reader:
            await self._look_behind(messages, reader)
        if messages:
            self._read = StoreMark(messages[-1].seq, messages[-1].ts)
        for message in messages:
            if message.trace is not None:
                self._traced.append((message, message.trace, time.time_ns()))
        return messages

    async def _look_behind(self, messages: Sequence[StoredMessage], reader: str) -> None:
        """Whether a consumer that was made again goes on behind the message that came last by the one before it."""
        for message in messages:
            if message.consumer != self._reader:
                await self._still_there(self._read)
            self._reader, self._read = message.consumer, StoreMark(message.seq, message.ts)
        if self._reader != reader:
            await self._still_there(self._read)
            self._reader = reader

    async def _still_there(self, read: StoreMark) -> None:
        if read.seq and not read.is_still_there(await self.time_at(read.seq), await self.bounds()):
            raise StreamRemade(self._stream)

    async def settled(self, read_to: int) -> int:
        """The stream's end, where nothing that is to be stored lies between `read_to` and it, and none is on its way.

        The stream's leader says the first: the consumer is one member's, and where that one lags it waits for nothing.

        Raises:
            StreamError: there is no such stream or consumer. DeadlineExceeded, NotConnected: no answer.
        """
        consumer = self._consumer
        if consumer is None:
            return read_to
        last = (await self.bounds()).last  # first: what comes behind it may be anything
        for subject in streams.STORED[self._stream]:
            unread = await self._next_at_leader(subject, read_to + 1)
            if unread is not None and unread <= last:
                return read_to
        # It may have sent what has left the stream since.
        info = await api(self._connection, f"CONSUMER.INFO.{self._stream}.{consumer.name}")
        delivered = int(info["delivered"]["stream_seq"])
        quiet = int(info["num_pending"]) == 0 and delivered <= read_to and not consumer.waiting
        return max(read_to, last) if quiet else read_to

    async def _next_at_leader(self, subject: str, seq: int) -> int | None:
        return await answered(lambda: leader_next(self._connection, self._stream, subject, seq), self._stream)

    async def lacks(self, first: int, last: int) -> bool:
        """Whether a message between two sequences was deleted: retention takes from the front, people do not."""
        info = await leader_info(self._connection, self._stream, body={"deleted_details": True})
        return any(first <= seq <= last for seq in info["state"].get("deleted") or ())

    async def time_at(self, seq: int) -> int:
        """As the stream's leader has it: a replica that lags behind would not know the message yet.

        Raises:
            StreamError: there is no such stream. DeadlineExceeded, NotConnected: no answer, asked again and again.
        """
        found = await answered(lambda: leader_time_of(self._connection, self._stream, seq), self._stream)
        return NO_MESSAGE if found is None else found

    def stored(self, last: int) -> list[tuple[float, Tick | None]]:
        """The sampled messages that are in the store now: the age of each in seconds, and its last tick where it is one
        of ticks."""
        found, now = [], time.time_ns()
        while self._traced and self._traced[0][0].seq <= last:
            message, trace, fetched_ns = self._traced.popleft()
            trace.step("store", fetched_ns, now, stream=self._stream)
            found.append(((now - trace.origin_ns) / 1e9, _last_tick(message)))
        return found

    async def close(self) -> None:
        """Stop reading; `open` begins anew."""
        if self._consumer is not None:
            await self._consumer.close()


def _last_tick(message: StoredMessage) -> Tick | None:
    if not message.subject.startswith(PACKED_PREFIX):
        return None
    try:
        ticks = decode_packed(message.data).ticks
    except ContractError:  # it was set aside as a dead row, which its writer has told
        return None
    return ticks[-1] if ticks else None


class KvProgress:
    """`ProgressStore` on a KV bucket, by compare-and-swap."""

    def __init__(self, kv: KeyValue, key: str, on_done: Callable[[int], None] = lambda _: None) -> None:
        self._kv = kv
        self._key = key
        self._on_done = on_done
        self._revision = 0

    async def load(self) -> Progress | None:
        """Progress as the leader of the bucket's stream has it, None where what is there is none.

        Raises:
            StreamError: refused. DeadlineExceeded, NotConnected: no answer.
        """
        entry = await self._kv.get_latest(self._key)
        self._revision = entry.revision if entry is not None else 0
        if entry is None:
            return Progress()
        progress = decode_or_none(entry, Progress)
        if progress is None:
            log.error("watermark.malformed", stream=self._key, value=entry.value[:64].hex())
        return progress

    async def save(self, progress: Progress) -> None:
        """Write if nobody else has. Raises RevisionConflict, KeyExists."""
        value = msgspec.msgpack.encode(progress)
        if self._revision:
            self._revision = await self._kv.update(self._key, value, self._revision)
        else:
            self._revision = await self._kv.create(self._key, value)
        self._on_done(progress.watermark)


async def set_back(kv: KeyValue, stream: str, connection: NatsConnection, fill: str) -> None:
    """Let the next writer read a stream again from its beginning, under tokens of their own."""
    progress = KvProgress(kv, stream)
    was = await progress.load() or Progress()
    bounds = await bounds_of(connection, stream)
    await progress.save(Progress(bounds.created, was.epoch, fill=fill))


__all__ = ["KvProgress", "StreamRanges", "bounds_of", "set_back"]
