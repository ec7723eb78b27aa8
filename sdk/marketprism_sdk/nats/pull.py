"""Raw pull consumer: requests overlap, messages come by a plain callback into a list.

nats-py's `fetch` makes a task and a timer per message (20-30 µs); this costs about 5 µs a message. It makes its
consumer again, from behind the last message it handed out, when the server has lost it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats._direct_reading import reading_directly
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held
from marketprism_sdk.nats.jetstream import ServerJson, StoredMessage, answered, api
from marketprism_sdk.observability import sampled
from marketprism_sdk.observability.logger import Logger, get_logger

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log: Logger = get_logger(__name__)

_HEARTBEAT_S = 1.0  # in a cluster: the server that has the consumer may go while the connection stays
_ALONE_HEARTBEAT_S = 20.0  # of one server: what ends the consumer ends the connection too, or is told
_HEARTBEATS, _SHORTEST_REQUEST_S = 6, 30.0  # of a request, before it expires
# Heartbeats that do not come: whether the consumer is there is asked behind the first, and behind the second it is not.
_DOUBTED, _SILENT = 1.5, 2.5
_LOOK_S = 1.0  # where something failed or has to be asked for
# A consumer that is made, or looked for. The server that shall have it may be one that has gone and is not missed yet;
# whoever asks again is given another. Twice each, since there may be nobody yet who gives them out.
_ANSWER_S, _LONGEST_ANSWER_S, _POLITE_S = 1.0, 8.0, 0.1
_INACTIVE_S = 15.0  # and it is deleted; of one that was left behind each start of its server counts them anew
_deleting: set[asyncio.Task[None]] = set()  # a loop itself holds its tasks weakly


class PullConsumer:
    """Messages of a stream in order, from a sequence on, or from when they were stored (`start_ns`, nanoseconds UTC).

    The consumer is ephemeral and acknowledges nothing. `pending` is how many messages there were when it was made.
    With `created`, it is not made again on a stream of another age: `replaced` says so, and its reader has to look.
    Where nothing comes, the server says every `heartbeat_s` that the consumer is there; 0 is what the server needs.
    With `directly`, replicas of the stream are asked for the messages of its one subject while nobody makes it; those
    have no `reply`, and so no time.
    """

    def __init__(
        self,
        connection: NatsConnection,
        stream: str,
        filters: Sequence[str],
        *,
        start_seq: int = 1,
        start_ns: int = 0,
        batch: int = 256,
        on_arrival: Callable[[], None] | None = None,
        created: str = "",
        heartbeat_s: float = 0.0,
        directly: bool = False,
    ) -> None:
        self._connection = connection
        self._directly = directly
        self._heartbeat_s = heartbeat_s or (_HEARTBEAT_S if connection.in_cluster else _ALONE_HEARTBEAT_S)
        self._stream = stream
        self._filters = list(filters)
        self._batch = batch
        self._next_seq = start_seq
        self._start_ns = start_ns
        self._created = created
        self.replaced: bool = False
        self.left: int = 0  # messages that the server had behind the last one that came
        self.pending: int = 0
        self._on_arrival = on_arrival
        self._buffer: deque[StoredMessage] = deque()
        self._arrived = asyncio.Event()
        self._look = asyncio.Event()
        self._asked = 0
        self._name = ""
        self._inbox = ""
        self._generation = 0
        self._last_sign = self._made_at = 0.0
        self._is_asked_for = False  # whether the server was asked for it since its last sign
        self._last_reply = ""
        self._delivered = 0  # by the consumer that is there now
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._making: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._forget: Callable[[], None] | None = None
        self._stop: Callable[[], Awaitable[None]] | None = None

    async def open(self, patience_s: float | None = None) -> None:
        """Make the consumer and ask for the first messages; waits while the stream elects its leader, or for so long:
        after that it is made beside whoever waits, and its first messages come when it is.

        One that was interrupted here, or refused, is closed as any other.
        """
        self._forget = self._connection.on_reconnect(self._lost)
        loop = asyncio.get_running_loop()
        making = self._making = loop.create_task(self._begin())
        try:
            await asyncio.wait([making], timeout=patience_s)
        except BaseException:
            making.cancel()
            raise
        if making.done():
            making.result()
        self._keeper = loop.create_task(self._keep(making))

    async def _make(self) -> None:
        self._generation += 1
        config: ServerJson = {
            "ack_policy": "none",
            "filter_subjects": self._filters,
            "inactive_threshold": int(_INACTIVE_S * 1e9),
            "mem_storage": True,
            "num_replicas": 1,
        }
        attempts = count()

        async def make() -> ServerJson:
            within_s = min(_ANSWER_S * 2 ** (next(attempts) // 2), _LONGEST_ANSWER_S)
            wanted = {"stream_name": self._stream, "config": {**config, **self._beginning()}}
            return await api(self._connection, f"CONSUMER.CREATE.{self._stream}", wanted, within_s)

        answer = await answered(make, self._stream)
        self._name = answer["name"]
        self.pending = self.left = int(answer.get("num_pending", 0))
        inbox = self._connection.inbox()
        generation = self._generation
        stop = await self._connection.subscribe(inbox, lambda message: self._receive(message, generation))
        self._stop = stop
        self._inbox = inbox
        self._asked = 0
        self._last_reply, self._delivered = "", 0
        self._last_sign = self._made_at = asyncio.get_running_loop().time()
        self._is_asked_for = False
        await self._ask()

    def _meanwhile(self) -> AbstractAsyncContextManager[None]:
        """Replicas are read for as long as it is not known whether there is a consumer."""
        subject = self._filters[0] if self._directly and not self._start_ns else ""
        return reading_directly(self._connection, self._stream, subject, self)

    async def _begin(self) -> None:
        async with self._meanwhile():
            await self._make()

    def room(self) -> int:
        """How many messages may come at once: as many as a request has, and none where too many wait."""
        return min(self._batch, 4 * self._batch - len(self._buffer))

    def add(self, batch: Sequence[Held]) -> None:
        """Messages that did not come by the consumer; some of them may have come by it meanwhile."""
        batch = [m for m in batch if m.seq >= self._next_seq]
        if not batch:
            return
        self._buffer += [StoredMessage(m.subject, m.seq, m.data, "", m.more, sampled(m.headers)) for m in batch]
        self._next_seq, self.left = batch[-1].seq + 1, batch[-1].more
        self._announce()

    def _announce(self) -> None:
        self._arrived.set()
        if self._on_arrival is not None:
            self._on_arrival()

    def _beginning(self) -> ServerJson:
        if self._start_ns:
            instant = datetime.fromtimestamp(self._start_ns / 1e9, UTC).isoformat()
            return {"deliver_policy": "by_start_time", "opt_start_time": instant}
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, self._next_seq)}

    async def _ask(self) -> None:
        wanted = self._batch - self._asked
        if wanted <= 0:
            return
        self._asked += wanted
        heartbeat_ns = int(self._heartbeat_s * 1e9)
        expires_ns = max(_HEARTBEATS * heartbeat_ns, int(_SHORTEST_REQUEST_S * 1e9))
        body = {"batch": wanted, "expires": expires_ns, "idle_heartbeat": heartbeat_ns}
        await self._connection.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}", json.dumps(body).encode(), None, self._inbox
        )

    def _receive(self, message: Msg, generation: int) -> None:
        if generation != self._generation:
            return
        self._last_sign, self._is_asked_for = asyncio.get_running_loop().time(), False
        reply = message.reply
        if not reply.startswith("$JS.ACK."):
            self._status(message)
            return
        # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>, or with a domain first
        tokens = reply.split(".")
        seq, place, pending = int(tokens[-4]), int(tokens[-3]), int(tokens[-1])
        if place != self._delivered + 1:
            # The server wrote some into a socket that was broken already, and goes on in the next one. Nothing of this
            # consumer counts any more, its heartbeats neither: they would say that all is well.
            self._generation += 1
            self._lost()
            return
        self._delivered = place
        self._asked -= 1
        self._last_reply = reply
        if seq >= self._next_seq:  # others came directly while it was made
            self._next_seq, self._start_ns, self.left = seq + 1, 0, pending
            trace = sampled(message.headers)
            self._buffer.append(StoredMessage(message.subject, seq, message.data, reply, pending, trace))
            self._announce()
        if self._asked >= self._batch // 2:
            return
        if self.room() > 0:
            self._spawn(self._ask)
        else:
            self._look.set()  # who takes them does not ask for more

    def _status(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status == "100":
            return
        # 408 the request expired, 409 it was refused or the consumer is gone, 503 there is no such consumer
        self._asked = max(0, self._asked - int(headers.get("Nats-Pending-Messages", self._asked)))
        if status in ("408", "404"):
            self._spawn(self._ask)
        elif not self._closed:
            self._lost()

    def _spawn(self, action: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            try:
                await action()
            except SdkError as error:
                log.debug("pull_request.failed", stream=self._stream, error=str(error))

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lost(self) -> None:
        self._last_sign = float("-inf")
        self._look.set()

    async def _keep(self, making: asyncio.Task[None]) -> None:
        """Make the consumer again when it has been silent for too long; heartbeats say that it is there."""
        failed = await self._begun(making)
        while not self._closed:
            await self._until_look(0.2 if self._buffer and not failed else _LOOK_S, failed)
            connected, wants = self._connection.connected, self.room() > 0 and self._asked < self._batch // 2
            if connected and wants and self._last_sign > 0:
                self._spawn(self._ask)
            beats = _DOUBTED if self._directly and not self._is_asked_for else _SILENT
            if not connected or self.silent_s < beats * self._heartbeat_s:
                continue
            try:
                if await self._is_another():
                    self.replaced = True
                    self._announce()
                    return
                async with self._meanwhile():
                    if await self._is_there():
                        continue
                    await self._unsubscribe()
                    await self._make()
                failed = 0
            except SdkError as error:
                if failed:  # a warning once, not at every attempt
                    log.debug("consumer.not_recreated", stream=self._stream, error=str(error))
                else:
                    log.warning("consumer.not_recreated", stream=self._stream, error=str(error))
                failed += 1

    async def _begun(self, making: asyncio.Task[None]) -> int:
        """Once it was made, which may take longer than whoever opened it waited: how often that failed."""
        try:
            await making
        except SdkError as error:
            log.warning("consumer.not_recreated", stream=self._stream, error=str(error))
            self._lost()
            return 1
        return 0

    async def _until_look(self, soon_s: float, failed: int) -> None:
        """Long where all is well: what ends that is told."""
        is_well = not failed and not self._buffer and self._asked >= self._batch // 2
        try:
            async with asyncio.timeout(self._heartbeat_s / 2 if is_well else soon_s):
                await self._look.wait()
        except TimeoutError:
            return
        self._look.clear()
        # One that is refused as soon as it is made is not made again as fast as that goes.
        await asyncio.sleep(max(0.0, self._made_at + _LOOK_S - asyncio.get_running_loop().time()))

    async def _is_there(self) -> bool:
        """Whether one that was silent is there all the same: this program may have been kept from reading. Believed
        for another heartbeat; one that stays silent then has lost what was asked of it."""
        if self._is_asked_for or self._last_sign < 0:
            return False
        self._is_asked_for = True
        try:
            await api(self._connection, f"CONSUMER.INFO.{self._stream}.{self._name}", None, _ANSWER_S)
        except SdkError:
            return False
        beats_s = (_SILENT - 1) * self._heartbeat_s
        self._last_sign = max(self._last_sign, asyncio.get_running_loop().time() - beats_s)
        return True

    async def _unsubscribe(self) -> None:
        if self._stop is not None:
            await self._stop()

    async def _is_another(self) -> bool:
        if not self._created:
            return False
        info = await api(self._connection, f"STREAM.INFO.{self._stream}")
        return bool(info.get("created", "") != self._created)

    async def has_all(self) -> bool:
        """Whether every message that the stream has for it now has come; asks the server.

        Raises:
            StreamMissing: the stream or the consumer is not there. StreamError, DeadlineExceeded, NotConnected.
        """
        generation = self._generation
        info = await api(self._connection, f"CONSUMER.INFO.{self._stream}.{self._name}")
        if generation != self._generation or info.get("num_pending"):
            return False
        came = int(self._last_reply.split(".")[-3]) if self._last_reply else 0
        return came >= int(info["delivered"]["consumer_seq"])

    @property
    def name(self) -> str:
        """The server's name of the consumer; one that is made again has another."""
        return self._name

    @property
    def next_seq(self) -> int:
        """The sequence behind the last message that came."""
        return self._next_seq

    def take(self) -> StoredMessage | None:
        """The next message that is here, None when there is none."""
        return self._buffer.popleft() if self._buffer else None

    @property
    def waiting(self) -> int:
        """Messages that are here and not taken."""
        return len(self._buffer)

    @property
    def silent_s(self) -> float:
        """Seconds since the server's last sign: a message or a heartbeat."""
        return asyncio.get_running_loop().time() - self._last_sign

    async def fetch(self, max_messages: int, max_wait_s: float) -> list[StoredMessage]:
        """What is here, up to `max_messages`; waits for the first, at most `max_wait_s`."""
        if not self._buffer:
            self._arrived.clear()
            try:
                async with asyncio.timeout(max_wait_s):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        return [self._buffer.popleft() for _ in range(min(max_messages, len(self._buffer)))]

    async def close(self) -> None:
        """Let go, however far `open` came. The server forgets an ephemeral consumer by itself: telling it is polite,
        and is not waited for where no answer comes at once."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
        if self._making is not None and not self._making.done():
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        if self._forget is not None:
            self._forget()
        for task in self._tasks:
            task.cancel()
        self._generation += 1
        await self._unsubscribe()
        if not self._name:
            return
        deleting = asyncio.get_running_loop().create_task(self._delete())
        _deleting.add(deleting)
        deleting.add_done_callback(_deleting.discard)
        await asyncio.wait([deleting], timeout=_POLITE_S)

    async def _delete(self) -> None:
        try:
            await api(self._connection, f"CONSUMER.DELETE.{self._stream}.{self._name}")
        except SdkError as error:
            log.debug("consumer.not_deleted", stream=self._stream, error=str(error))
