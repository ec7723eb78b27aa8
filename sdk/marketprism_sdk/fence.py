"""Fence: a record in the stream that is written to; only writes that expect it exactly are taken.

The record is rewritten under each epoch, so a write of an earlier epoch expects a sequence that is no longer the last
of the fence subject and is refused by the server. The fence must outlive the stream's retention: raise it again before
half of `max_age` (`refresh`), and never put it into a stream that keeps no last message of a subject.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from marketprism_sdk.errors import DeadlineExceeded, Fenced, NotActive, SdkError, StreamError
from marketprism_sdk.nats.batch import MAX_MESSAGES, AtomicBatch
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import DUPLICATE_IN_BATCH, UNSETTLED, PubAck, leader_get_last, publish_ack
from marketprism_sdk.nats.publisher import WindowPublisher

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_OF = f"{_EXPECTED}-Subject"
_ATTEMPTS = 5
_PAUSE_S = 0.02


_Item = tuple[str, bytes, Mapping[str, str] | None]


class FenceRecord(msgspec.Struct, frozen=True):
    """What the fence subject holds."""

    holder: str
    epoch: int


class Fence:
    """The fence of one writer under one epoch; `headers` go on its writes."""

    def __init__(self, connection: NatsConnection, stream: str, subject: str, holder: str, epoch: int) -> None:
        self._connection = connection
        self._stream = stream
        self.subject = subject
        self._record = FenceRecord(holder, epoch)
        self._seq = 0

    @property
    def headers(self) -> dict[str, str]:
        """What every write, or the first of an atomic batch, must carry."""
        return {_EXPECTED: str(self._seq), _OF: self.subject}

    async def raise_it(self) -> None:
        """Write the fence under this epoch; the holder may do so again, which refuses what it wrote before and forgot.

        Raises:
            Fenced: the fence is at this epoch, of somebody else, or at a later one.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            last = await leader_get_last(self._connection, self._stream, self.subject)
            if last is not None:
                there = msgspec.msgpack.decode(last.data, type=FenceRecord)
                if there == self._record and attempt > 1:
                    self._seq = last.seq  # the write before was taken, its answer was lost
                    return
                if there.epoch >= self._record.epoch and there != self._record:
                    raise Fenced(
                        f"{self.subject}: expected a fence below epoch {self._record.epoch}, "
                        f"was {there.epoch} of {there.holder}",
                        there.epoch,
                    )
            if await self._write(last.seq if last is not None else 0, attempt):
                return
            await asyncio.sleep(_PAUSE_S * attempt)

    async def _write(self, expected: int, attempt: int) -> bool:
        payload = msgspec.msgpack.encode(self._record)
        try:
            self._seq = (await publish_ack(self._connection, self.subject, payload, {_EXPECTED: str(expected)})).seq
        except (Fenced, SdkError) as error:
            # Lost against somebody, or not known: the next look at the fence says which.
            open_outcome = isinstance(error, Fenced) or error.retryable or getattr(error, "code", 0) == UNSETTLED
            if attempt == _ATTEMPTS or not open_outcome:
                raise
            return False
        return True

    async def refresh(self) -> None:
        """Write it again under the same epoch, so that it stays the youngest of its stream. Raises Fenced."""
        ack = await publish_ack(
            self._connection, self.subject, msgspec.msgpack.encode(self._record), {_EXPECTED: str(self._seq)}
        )
        self._seq = ack.seq

    async def holds(self) -> bool:
        """Whether this is still the fence, as the stream's leader has it."""
        last = await leader_get_last(self._connection, self._stream, self.subject)
        return last is not None and last.seq == self._seq


async def raise_fence(connection: NatsConnection, stream: str, subject: str, holder: str, epoch: int) -> Fence:
    """The fence, raised. Raises Fenced, see `Fence.raise_it`."""
    fence = Fence(connection, stream, subject, holder, epoch)
    await fence.raise_it()
    return fence


class FencedPublisher:
    """Writes of a leader, each under its fence; a refused one is reported to `on_fenced` and raised.

    On a stream of one replica every message carries the fence and messages are pipelined. On a replicated stream the
    server cannot check a pipelined expectation, so messages go in atomic batches whose first carries the fence: at
    most `max_batch` of them, or what came within `linger_s`. A `Nats-Msg-Id` that the stream knows is taken once in
    both. A batch that is not answered within `answer_s` has an outcome that is not known: the publisher ends with
    DeadlineExceeded.
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
    ) -> None:
        self._connection = connection
        self._fence = fence
        self._leads = leads
        self._on_fenced = on_fenced
        self._max_batch = min(max_batch, MAX_MESSAGES)
        self._linger_s = linger_s
        self._answer_s = answer_s
        self._refresh_s = refresh_s
        self._window = WindowPublisher(connection, headers=fence.headers) if replicas == 1 else None
        self._items: list[_Item] = []
        self._lock = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._error: SdkError | None = None
        self.acknowledged = 0

    async def open(self) -> None:
        """Begin. The fence is written anew every `refresh_s`, so that the stream's retention never takes it."""
        if self._window is not None:
            await self._window.open()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        while self._error is None:
            await asyncio.sleep(self._refresh_s)
            with contextlib.suppress(SdkError):  # kept, and raised at the next call
                await self._watched(self._refresh())

    async def _refresh(self) -> None:
        async with self._lock:  # nothing may be on its way under the sequence that is about to be replaced
            if self._window is not None:
                await self._window.flush()
            await self._fence.refresh()
            if self._window is not None:
                self._window.use(self._fence.headers)

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
                every = None if headers is None else {**self._fence.headers, **headers}
                await self._watched(self._window.publish(subject, payload, every))
            self.acknowledged = self._window.acknowledged
            return
        self._items.append((subject, payload, headers))
        if len(self._items) >= self._max_batch:
            await self._watched(self._commit())
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().create_task(self._linger())

    async def flush(self, timeout_s: float = 10.0) -> None:
        """Wait until everything is acknowledged. Raises as `publish` does."""
        if self._window is not None:
            await self._watched(self._window.flush(timeout_s))
            self.acknowledged = self._window.acknowledged
            return
        if self._error is not None:
            raise self._error
        await self._watched(self._commit_within(timeout_s))
        if self._error is not None:  # of a batch that was on its way while this waited
            raise self._error

    async def _watched(self, action: Awaitable[None]) -> None:
        try:
            await action
        except TimeoutError as error:
            self._error = DeadlineExceeded("messages were not acknowledged in time")
            raise self._error from error
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
        async with asyncio.timeout(timeout_s):
            await self._commit()

    async def _commit(self) -> None:
        async with self._lock:
            while self._items:
                items, self._items = self._items[: self._max_batch], self._items[self._max_batch :]
                await self._settle(items)
                self.acknowledged += len(items)

    async def _settle(self, items: list[_Item]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._send(items)
            except (Fenced, StreamError) as error:
                # The batch was refused as a whole. It was the fence only if the fence is no longer ours.
                if not await self._fence.holds():
                    raise Fenced(str(error)) from error
                if getattr(error, "code", 0) == DUPLICATE_IN_BATCH and len(items) > 1:
                    # One message by itself is acknowledged as a duplicate, so halves find which ones they are.
                    half = len(items) // 2
                    await self._settle(items[:half])
                    await self._settle(items[half:])
                    return
                if attempt == _ATTEMPTS or not (isinstance(error, Fenced) or error.code == UNSETTLED):
                    raise
                await asyncio.sleep(_PAUSE_S * attempt)
            else:
                return

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
