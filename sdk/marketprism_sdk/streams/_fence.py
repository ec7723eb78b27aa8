"""A leader's writes under its fence (`fence_record.py`): whoever led before is refused by the stream.

The fence must outlive the stream's retention: its publisher writes it again when a quarter of what the stream may keep,
in time or in bytes, was written behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from marketprism_sdk.errors import DeadlineExceeded, Fenced, NotActive, SdkError, StreamError, StreamMissing
from marketprism_sdk.nats.batch import MAX_MESSAGES, AtomicBatch
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from marketprism_sdk.nats.jetstream import DUPLICATE_IN_BATCH, PubAck, publish_ack
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.nats.retention import Retention
from marketprism_sdk.streams._fence_record import Fence, FenceRecord, raise_fence

_PAUSE_S = 0.02
_UNDECIDED_S = 30.0  # a stream that lost its quorum decides nothing until it has it again
_LONGEST_PAUSE_S = 0.5
_RECORD_BYTES = 128  # of a message beside its payload, about

_Item = tuple[str, bytes, Mapping[str, str] | None]


class FencedPublisher:
    """Writes of a leader, each under its fence; a refused one is reported to `on_fenced` and raised.

    On a stream of one replica every message carries the fence and messages are pipelined. On a replicated stream the
    server cannot check a pipelined expectation, so messages go in atomic batches whose first carries the fence: at
    most `max_batch` of them, or what came within `linger_s`. A `Nats-Msg-Id` that the stream knows is taken once in
    both. A batch that is not answered within `answer_s` has an outcome that is not known: the publisher ends with
    DeadlineExceeded. What was refused without being decided (no quorum, no room, nobody there, a server that does not
    lead the stream any more) is sent again for `undecided_s`, where it turns out not to have been taken all the same.
    """

    def __init__(
        self,
        connection: NatsConnection,
        fence: Fence,
        *,
        replicas: int = 1,
        leads: Callable[[], bool] = lambda: True,
        on_fenced: Callable[[str], None] = lambda _: None,
        max_batch: int = 200,
        linger_s: float = 0.005,
        answer_s: float = 3.0,
        refresh_s: float = 3_600.0,
        undecided_s: float = _UNDECIDED_S,
    ) -> None:
        self._connection = connection
        self._fence = fence
        self._leads = leads
        self._on_fenced = on_fenced
        self._max_batch = min(max_batch, MAX_MESSAGES)
        self._linger_s = linger_s
        self._answer_s = answer_s
        self._refresh_s = refresh_s
        self._undecided_s = undecided_s
        self._retention = Retention(connection, fence.stream)
        self._written = 0  # bytes since the fence was written
        self._window = WindowPublisher(connection, headers=fence.headers) if replicas == 1 else None
        self._items: list[_Item] = []
        self._lock = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._error: SdkError | None = None
        self._newest = 0  # the last sequence that was acknowledged of a batch
        self.acknowledged: int = 0

    async def open(self) -> None:
        """Begin. The fence is written anew so early that the stream's limits never take it, every `refresh_s` at least.

        Raises:
            SdkError: the stream is not there or does not answer.
        """
        await self._retention.look()
        if self._window is not None:
            await self._window.open()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        renewed_at = loop.time()
        while self._error is None:
            rest_s = renewed_at + self._retention.renew_s(self._refresh_s) - loop.time()
            await asyncio.sleep(max(0.0, min(rest_s, self._retention.look_s)))
            with contextlib.suppress(SdkError):  # asked again at the next look
                await self._retention.look()
            late = loop.time() - renewed_at >= self._retention.renew_s(self._refresh_s)
            if late or self._retention.due(self._fence.seq):
                renewed_at = loop.time()
                with contextlib.suppress(SdkError):  # kept, and raised at the next call
                    await self._watched(self._refresh())

    async def _refresh(self) -> None:
        async with self._lock:  # nothing may be on its way under the sequence that is about to be replaced
            await self._renew()

    async def _renew(self) -> None:
        """Under the lock."""
        if self._window is not None:
            await self._window.flush()
        await self._decided(self._fence.refresh)
        self._written = 0
        if self._window is not None:
            self._window.use(self._fence.headers)

    async def _count(self, payload: bytes) -> None:
        """Under the lock: what is written here pushes the fence on; others are seen by looking."""
        self._written += len(payload) + _RECORD_BYTES
        if 0 < self._retention.own_bytes <= self._written:
            await self._renew()

    async def _decided(self, ask: Callable[[], Awaitable[None]]) -> None:
        """Ask until it is decided, for `undecided_s` at most."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._undecided_s
        pause_s = _PAUSE_S
        while True:
            try:
                return await ask()
            except StreamError as error:
                if not error.retryable or loop.time() + pause_s > end:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send; acknowledged at the latest when `flush` returns.

        Raises:
            NotActive: the lease has ended. Fenced: somebody else leads. StreamError, NotConnected: of this or an
            earlier message; what was not acknowledged must be sent again by its owner.
        """
        if not self._leads():
            raise NotActive(None)
        if self._error is not None:
            raise self._error
        if self._window is not None:
            async with self._lock:
                await self._watched(self._count(payload))
                every = None if headers is None else {**self._fence.headers, **headers}
                await self._watched(self._window.publish(subject, payload, every))
            self.acknowledged = self._window.acknowledged
            return
        self._items.append((subject, payload, headers))
        if len(self._items) >= self._max_batch:
            await self._watched(self._commit())
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().create_task(self._linger())

    def push(self) -> None:
        """Write what was published so far at once; a replicated stream's messages go when their batch does."""
        self._connection.push()

    async def flush(self, timeout_s: float = 10.0) -> None:
        """Wait until everything is acknowledged. Raises as `publish` does."""
        if self._window is not None:
            await self._watched(self._window.flush(timeout_s))
            self.acknowledged = self._window.acknowledged
            return
        await self._watched(self._commit_within(timeout_s))
        if self._error is not None:  # of a batch before, or of one that was on its way while this waited
            raise self._error

    async def _watched(self, action: Awaitable[None]) -> None:
        try:
            await action
        except SdkError as error:
            self._error = error
            if isinstance(error, Fenced):
                self._on_fenced(str(error))
            raise

    async def _linger(self) -> None:
        await asyncio.sleep(self._linger_s)
        self._timer = None
        with contextlib.suppress(SdkError):  # kept, and raised at the next call
            await self._watched(self._commit())

    async def _commit_within(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._commit()
        except TimeoutError as error:
            raise DeadlineExceeded(f"messages were not acknowledged in {timeout_s:g} s") from error

    async def _commit(self) -> None:
        async with self._lock:
            # Who waited for a batch whose outcome is not known sends nothing behind it: that would be a hole.
            while self._items and self._error is None:
                items, self._items = self._items[: self._max_batch], self._items[self._max_batch :]
                for _, payload, _ in items:
                    await self._count(payload)
                await self._settle(items)
                self.acknowledged += len(items)

    async def _settle(self, items: list[_Item]) -> None:
        """Write a batch; raises Fenced when the fence is no longer ours, StreamError when it is refused for good.

        A refusal that decides nothing, or is by the fence that is still ours, may come of a server that led the stream
        before and does not know yet that it does not: the one that leads now was sent the batch as well, and may have
        taken it. Whether it has is found out before it is sent again, so that nothing stands there twice.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._undecided_s
        pause_s, behind, open_outcome = _PAUSE_S, 0, False
        while True:
            try:
                if open_outcome and await self._was_taken(items[-1], behind):
                    return
                behind = max(self._fence.seq, self._newest)
                self._newest = max(self._newest, (await self._send(items)).seq)  # a duplicate stands where it stood
                return
            except Fenced as error:
                await self._still_ours(error)
                if loop.time() + pause_s > end:
                    raise DeadlineExceeded(f"whether it was taken is not known: {error}") from error
            except StreamMissing:  # with it went the fence: nobody else leads for that
                raise
            except StreamError as error:
                await self._still_ours(error)
                if error.code == DUPLICATE_IN_BATCH and len(items) > 1:
                    # One message by itself is acknowledged as a duplicate, so halves find which ones they are.
                    half = len(items) // 2
                    await self._settle(items[:half])
                    await self._settle(items[half:])
                    return
                if not error.retryable or loop.time() + pause_s > end:
                    raise
            open_outcome = True
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _was_taken(self, item: _Item, behind: int) -> bool:
        """Whether a batch that ends with this message stands in the stream behind a place, although it was refused.

        The fence is raised again first: what is still on its way is refused by the new one, so that the answer stays
        right. It is of a replica that has the new fence; one that has it not is behind, and is asked again.
        """
        await self._fence.raise_it()
        self._written = 0
        (subject, payload, _), fence = item, self._fence
        found = await last_of_each(self._connection, fence.stream, [subject, fence.subject])
        if fence.subject not in found or found[fence.subject].seq < fence.seq:
            raise StreamError(f"stream {fence.stream}: a replica that is behind answers", retryable=True)
        return subject in found and found[subject].seq > behind and found[subject].data == payload

    async def _still_ours(self, refusal: Exception) -> None:
        """Raises Fenced when the stream's leader says that the fence is another's; a silent one says nothing."""
        try:
            if await self._fence.holds():
                return
        except SdkError as error:
            if error.retryable:
                return
            raise
        raise Fenced(str(refusal)) from refusal

    async def _send(self, items: list[_Item]) -> PubAck:
        fence: Mapping[str, str] = self._fence.headers
        (last, payload, headers) = items[-1]
        if len(items) == 1:
            return await publish_ack(self._connection, last, payload, {**fence, **(headers or {})}, self._answer_s)
        batch = AtomicBatch(self._connection)
        for number, (subject, data, more) in enumerate(items[:-1]):
            await batch.add(subject, data, headers={**fence, **(more or {})} if not number else more)
        return await batch.commit(last, payload, timeout_s=self._answer_s, headers=headers)

    async def close(self) -> None:
        """Stop; nothing is waited for."""
        for task in (self._timer, self._keeper):
            if task is not None:
                task.cancel()
        if self._window is not None:
            await self._window.close()


async def fenced_publisher(
    connection: NatsConnection, fence: Fence, on_fenced: Callable[[str], None] = lambda _: None
) -> FencedPublisher:
    """An open publisher of a raised fence, of the kind that the stream needs: its replicas are the stream's own, not
    those of somebody's settings.

    Raises:
        SdkError: the stream is not there or does not answer.
    """
    retention = Retention(connection, fence.stream)
    await retention.look()
    publisher = FencedPublisher(connection, fence, replicas=retention.replicas, on_fenced=on_fenced)
    await publisher.open()
    return publisher


__all__ = ["Fence", "FenceRecord", "FencedPublisher", "fenced_publisher", "raise_fence"]
