"""Message bus: events and request/reply. One port, a NATS and a memory adapter, one contract suite."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.ports import Stop

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log = get_logger(__name__)

DEFAULT_CAPACITY = 1_000
_DRAIN_S = 1.5


@dataclass(frozen=True, slots=True)
class BusMessage:
    """A message as a handler sees it; `reply` is where an answer goes, empty when none is wanted.

    `arrived_s` is when it came, on this process' monotonic clock: it may wait before it is handled.
    """

    subject: str
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    reply: str = ""
    arrived_s: float = field(default_factory=time.monotonic, compare=False)


Handler = Callable[[BusMessage], Awaitable[None]]
OnDrop = Callable[[BusMessage], None]


class MessageBus(Protocol):
    """At most once, in order per publisher and subject.

    A subscription has a bounded queue: when its handler is slower than its messages, the oldest are dropped and counted
    in `dropped`. Subscriptions with one `queue` name compete, without one everybody gets every message.
    """

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send without waiting for anybody. Raises NotConnected."""
        ...

    async def request(
        self, subject: str, data: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> BusMessage:
        """Ask. Raises NoResponders, DeadlineExceeded, NotConnected."""
        ...

    async def subscribe(
        self,
        subject: str,
        handler: Handler,
        *,
        queue: str = "",
        capacity: int = DEFAULT_CAPACITY,
        parallel: int = 1,
        on_drop: OnDrop | None = None,
    ) -> Stop:
        """Run `handler` for each message, at most `parallel` at a time; an error in it is logged and counted.

        `on_drop` is told of each message that a full queue drops.
        """
        ...

    @property
    def dropped(self) -> int:
        """Messages that full queues dropped."""
        ...

    @property
    def failed(self) -> int:
        """How many times handlers raised an error."""
        ...


class Inbox:
    """The bounded queue between a subscription and its handler."""

    def __init__(self, handler: Handler, capacity: int, parallel: int, on_drop: OnDrop | None = None) -> None:
        self._handler = handler
        self._on_drop = on_drop
        self._queue: asyncio.Queue[BusMessage] = asyncio.Queue(capacity)
        self.dropped: int = 0
        self.failed: int = 0
        self._workers = [asyncio.create_task(self._work()) for _ in range(parallel)]

    def put(self, message: BusMessage) -> None:
        """Queue a message; the oldest goes when there is no room."""
        if self._queue.full():
            oldest = self._queue.get_nowait()
            self._queue.task_done()
            self.dropped += 1
            if self._on_drop is not None:
                self._on_drop(oldest)
        self._queue.put_nowait(message)

    async def _work(self) -> None:
        while True:
            message = await self._queue.get()
            try:
                await self._handler(message)
            except Exception:
                self.failed += 1
                log.exception("handler.failed", subject=message.subject)
            finally:
                self._queue.task_done()

    async def stop(self, drain_s: float = 0.0) -> None:
        """End the workers, after what is queued was handled or `drain_s` is over."""
        if drain_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    await self._queue.join()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)


class NatsBus:
    """Fulfils `MessageBus` over core NATS."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._inboxes: list[Inbox] = []

    @property
    def dropped(self) -> int:
        """Messages that full queues dropped."""
        return sum(inbox.dropped for inbox in self._inboxes)

    @property
    def failed(self) -> int:
        """How many times handlers raised an error."""
        return sum(inbox.failed for inbox in self._inboxes)

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send without waiting for anybody. Raises NotConnected."""
        await self._connection.publish(subject, data, headers or None)

    async def request(
        self, subject: str, data: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> BusMessage:
        """The first answer. Raises NoResponders, DeadlineExceeded, NotConnected."""
        message = await self._connection.request(subject, data, timeout_s=timeout_s, headers=headers or None)
        return BusMessage(message.subject, message.data, message.headers or {}, message.reply)

    async def subscribe(
        self,
        subject: str,
        handler: Handler,
        *,
        queue: str = "",
        capacity: int = DEFAULT_CAPACITY,
        parallel: int = 1,
        on_drop: OnDrop | None = None,
    ) -> Stop:
        """Hand messages of `subject` to `handler`; the way to stop that."""
        inbox = Inbox(handler, capacity, parallel, on_drop)
        self._inboxes.append(inbox)

        def receive(message: Msg) -> None:
            inbox.put(BusMessage(message.subject, message.data, message.headers or {}, message.reply))

        unsubscribe = await self._connection.subscribe(subject, receive, queue)

        async def stop() -> None:
            await unsubscribe()
            await inbox.stop(_DRAIN_S)
            with contextlib.suppress(ValueError):
                self._inboxes.remove(inbox)

        return stop
