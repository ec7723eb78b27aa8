"""Exactly-once stream stage: partitions of an input stream in, outputs and checkpoint out in one atomic batch.

A processor is a deterministic state machine of one partition. What it puts out goes into an open batch at once, where
core subscribers see it; the batch is committed every few milliseconds together with one checkpoint per touched
partition. A checkpoint expects the sequence of the one before it, so a stage that no longer owns a partition is
refused by the server, and a batch that failed cannot be followed by one that succeeds. After a takeover the state comes
from the last snapshot plus the messages since, whose output is suppressed up to the checkpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from marketprism_sdk.concurrently import concurrently
from marketprism_sdk.errors import Fenced, NewerFormat, NotConnected, SdkError, StreamError, reason_of
from marketprism_sdk.nats.batch import AtomicBatch
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import StoredMessage
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.streams._stage_input import InputCut, InputRefused
from marketprism_sdk.streams._stage_takeover import StageInput
from marketprism_sdk.streams._stage_types import (
    OnTraced,
    Output,
    OwnedPartition,
    Processor,
    Renewal,
    StageSettings,
    process_or_set_aside,
    traced_step,
    write_snapshot,
)

log = get_logger(__name__)

_AT_A_TIME = 16  # messages of one partition before the next one has its turn
_OUT_AFTER = 4  # messages whose outputs are written before the turn is at its end
_SNAPSHOTS_BELOW = 940  # leaves room for the checkpoints in a batch of 1 000
# For a receipt: one that is lost with a server's leadership holds up every partition. Longer each time that it was not
# there in time, up to what a slow server may take.
_RECEIPT_S, _LONGEST_RECEIPT_S = 2.5, 10.0
# How long partitions are tried again from their checkpoints, all of them together: a stream elects its leader in up to
# nine seconds. One that is cut off would hold its lock for minutes, and not see that others have them.
_RECOVER_S = 10.0
_AT_ONCE = 32


class Stage:
    """`own` and `disown` partitions, `run` the loop in a task."""

    def __init__(
        self,
        connection: NatsConnection,
        settings: StageSettings,
        factory: Callable[[int, int], Processor],
        holder: str,
        *,
        on_lost: Callable[[int], None] = lambda _: None,
        on_commit: Callable[[int, int, float], None] = lambda _p, _m, _s: None,
        on_traced: OnTraced = lambda _p, _s: None,
        on_cut: Callable[[int, InputCut], None] = lambda _p, _c: None,
        on_written: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._holder = holder
        self._on_lost = on_lost
        self._on_commit = on_commit
        self._on_written = on_written
        self._step = partial(traced_step, settings.name, holder, on_traced)
        self._parts: dict[int, OwnedPartition] = {}
        self._cut_at: int | None = None  # the partition at which the last turn was cut short
        self._wake, self._lock = asyncio.Event(), asyncio.Lock()
        self.input: StageInput = StageInput(connection, settings, factory, holder, self._wake.set, on_cut)
        self._batch = AtomicBatch(connection)
        self._opened = 0.0
        self._committing: asyncio.Task[None] | None = None
        self._receipt_s = _RECEIPT_S
        self._side: WindowPublisher  # from the beginning of `run` on
        self._broken = self._is_leaving = False
        self._last_idle = self._looked = time.monotonic()
        self._renewal = Renewal(connection, settings)

    @property
    def parts(self) -> Mapping[int, OwnedPartition]:
        """Owned partitions: position, processor, what was set aside."""
        return self._parts

    async def own(self, partition: int, epoch: int) -> None:
        """Take a partition over under an epoch; one that cannot be is not owned any more, under no epoch. Others may be
        taken over meanwhile, this one not.

        Raises:
            Fenced: its checkpoint is of a later epoch already. SdkError: not now.
        """
        async with self._lock:
            # Of an epoch before: its outputs come again, and may not be in a batch twice.
            await self._let_go(partition)
        part = await self.input.take_over(partition, epoch)  # without the lock: the others are worked on
        try:
            async with self._lock:
                self._parts[partition] = part
        except BaseException:
            await part.close()
            raise
        self._wake.set()  # for what came before it was there

    def leave(self) -> None:
        """Take no more of what has arrived: every partition is about to be given back, and each would wait for the
        turn of the others first."""
        self._is_leaving = True

    async def disown(self, partition: int) -> None:
        """Commit what is pending and let a partition go."""
        async with self._lock:
            await self._let_go(partition)

    async def _let_go(self, partition: int) -> None:
        if partition not in self._parts:
            return
        self._parts[partition].leave()
        try:
            await self._commit()
            await self._settle()
        except SdkError as error:
            log.warning("stage.last_commit_failed", stage=self._settings.name, partition=partition, error=str(error))
            await self._recover()
        if (part := self._parts.pop(partition, None)) is not None:
            await part.close()

    async def run(self) -> None:
        """Read, process and commit until cancelled; what fails starts again from the checkpoints."""
        await self._open_side()
        forget = self._connection.on_disconnect(self._interrupted)
        try:
            while True:
                rest = asyncio.get_running_loop().call_later(self._rest_s(), self._wake.set)
                await self._wake.wait()
                rest.cancel()
                self._wake.clear()
                async with self._lock:
                    try:
                        await self._turn()
                    except SdkError as error:
                        log.warning(
                            "stage.restarting",
                            stage=self._settings.name,
                            error=str(error),
                            detail="from its checkpoints",
                        )
                        await self._recover()
                await asyncio.sleep(0)  # with work waiting, nothing above gives way: heartbeats and take-overs must
        finally:
            forget()
            await self._close()

    def _rest_s(self) -> float:
        """How long a turn may wait for a message: where nothing is pending, nothing is due soon."""
        pending = self._batch.count or self._committing is not None
        return self._settings.commit_interval_s if pending else self._settings.idle_commit_s

    async def _turn(self) -> None:
        """Take what has arrived and commit what is due."""
        if self._broken:
            raise NotConnected("NATS went away")
        if self._committing is not None and self._committing.done():
            await self._settle()
        await self._take_arrived()
        now = time.monotonic()
        if self._batch.count and self._committing is None and now - self._opened >= self._settings.commit_interval_s:
            await self._commit()
        elif now - self._last_idle >= self._settings.idle_commit_s:
            self._last_idle = now
            if await self._renewal.due(self._parts.values(), now):
                await self._commit()
            if now - self._looked >= self._settings.look_s:
                self._looked = now
                await self.input.look(self._parts.values())

    async def _take_arrived(self) -> None:
        """Take what has arrived for as long as a turn may last; every partition has its share of it.

        A turn holds the lock: whoever takes a partition over or gives one back waits for its end.
        """
        if self._is_leaving:
            return
        end, taken, since = time.monotonic() + self._settings.commit_interval_s, 0, 0.0
        waiting = deque(self._parts.values())
        if (cut_at := self._cut_at) is not None:  # those behind it come first
            waiting = deque(sorted(waiting, key=lambda part: (part.number <= cut_at, part.number)))
        while waiting:
            part = waiting.popleft()
            consumer = part.consumer
            if consumer is None:
                continue
            if consumer.replaced:
                raise StreamError(f"stream {self._settings.input_stream}: was made anew", retryable=True)
            for _ in range(_AT_A_TIME):
                if (message := consumer.take()) is None:
                    break
                try:
                    await self._take(part, message)
                except NewerFormat as error:
                    await self._leave_to_newer(part, message, error)
                    break
                taken += 1
                since = since or time.monotonic()
                if taken % _OUT_AFTER == 0:
                    since = self._write(since)
            else:
                waiting.append(part)
            if waiting and time.monotonic() >= end:
                self._cut_at = part.number
                self._wake.set()
                break
        self._write(since)

    def _write(self, since: float) -> float:
        """Let out what was put, the first of it at an instant (0: nothing was); whoever waits for it need not wait for
        the end of the turn."""
        self._connection.push()
        if since:
            self._on_written(time.monotonic() - since)
        return 0.0

    async def _take(self, part: OwnedPartition, message: StoredMessage) -> None:
        trace, started_ns = message.trace, time.time_ns()
        dead = self._settings.subject(part.number, "dead")
        outputs = process_or_set_aside(part, message, dead, self._connection.max_payload)
        if message.seq <= part.done_seq:
            part.in_seq = message.seq
            return
        part.done_seq = 0
        headers = self._step(part.number, trace, started_ns) if trace is not None else None
        while part.partial < len(outputs):
            room = self._settings.max_batch - self._batch.count
            part.partial += await self._put(outputs[part.partial : part.partial + room], headers)
            part.dirty = True  # a commit on the way has cleared the mark
            if self._batch.count >= self._settings.max_batch:
                await self._commit()
        part.in_seq, part.partial, part.dirty = message.seq, 0, True
        part.taken += 1

    async def _leave_to_newer(self, part: OwnedPartition, message: StoredMessage, error: NewerFormat) -> None:
        """A partition stands at a message that this program does not read: its next owner, who is newer, goes on there.
        The others go on here."""
        text = f"{error}; it waits at {message.seq} for an instance that reads it"
        self.input.refused[part.number] = text
        log.error("partition.newer_format", stage=self._settings.name, partition=part.number, error=text)
        await part.close()
        part.consumer = None

    async def _put(self, outputs: Sequence[Output], headers: dict[str, str] | None) -> int:
        """Put the first of the outputs, and those behind it that go the same way; how many they were."""
        first = outputs[0]
        if first.msg_id is not None:
            await self._side.publish(first.subject, first.payload, {"Nats-Msg-Id": first.msg_id, **(headers or {})})
            return 1
        if not self._batch.count:
            self._opened = time.monotonic()
        if headers is not None:
            await self._batch.add(first.subject, first.payload, None, headers)
            return 1
        together = list(takewhile(lambda output: output.msg_id is None, outputs))
        await self._batch.add_all([output[:2] for output in together])
        return len(together)

    async def _commit(self) -> None:
        """Send the checkpoints of every touched partition; the receipt is awaited while work goes on."""
        await self._settle()
        dirty = [part for part in self._parts.values() if part.dirty]
        if not dirty:
            return
        await self._side.flush(self._receipt_s)
        batch, self._batch, now = self._batch, AtomicBatch(self._connection), time.monotonic()
        placed: list[tuple[OwnedPartition, int]] = []
        for part in dirty:
            due = now - part.snapped_at >= self._settings.snapshot_every_s
            if due and part.partial == 0 and batch.count < _SNAPSHOTS_BELOW:
                await write_snapshot(part, batch, self._settings.subject(part.number, "snap"), now)
            part.dirty = False
        for part in dirty[:-1]:
            place = await batch.add(
                self._settings.subject(part.number, "ck"), part.checkpoint(self._holder), part.ck_seq
            )
            placed.append((part, place))
        last = dirty[-1]
        subject = self._settings.subject(last.number, "ck")
        commit = batch.commit(subject, last.checkpoint(self._holder), last.ck_seq, timeout_s=self._receipt_s)
        placed.append((last, batch.count + 1))
        self._committing = asyncio.get_running_loop().create_task(self._finish(commit, placed, time.monotonic()))
        self._committing.add_done_callback(lambda _: self._wake.set())  # what has gathered meanwhile is due

    async def _finish(self, commit: Any, placed: list[tuple[OwnedPartition, int]], started: float) -> None:
        ack = await commit
        self._receipt_s = _RECEIPT_S
        count = placed[-1][1]
        for part, place in placed:
            part.ck_seq = ack.seq - (count - place)
        self._on_commit(len(placed), count, time.monotonic() - started)

    async def _settle(self) -> None:
        """Wait for the batch that is on its way. Raises what has become of it."""
        if (committing := self._committing) is not None:
            await asyncio.wait([committing])
            self._committing = None
            committing.result()

    def _interrupted(self) -> None:
        self._broken = True
        self._wake.set()

    async def _recover(self) -> None:
        """Forget everything since the last commits and read the checkpoints again; keep what is still owned."""
        self._forget_commit()
        self._broken, self._receipt_s = False, min(2 * self._receipt_s, _LONGEST_RECEIPT_S)
        self._batch = AtomicBatch(self._connection)
        await self._side.close()
        owned = {number: part.epoch for number, part in self._parts.items()}
        try:
            await self._release()
            await self._open_side()
            end = time.monotonic() + _RECOVER_S
            again = [partial(self._own_again, number, epoch, end) for number, epoch in owned.items()]
            await concurrently(again, _AT_ONCE)
        finally:
            for number in owned.keys() - self._parts.keys():
                self._on_lost(number)

    def _forget_commit(self) -> None:
        """Whatever becomes of the batch that is on its way, or has become of it."""
        committing, self._committing = self._committing, None
        if committing is not None:
            committing.cancel()

    async def _open_side(self) -> None:
        while True:
            await self._connection.wait_connected()
            self._side = WindowPublisher(self._connection)
            try:
                await self._side.open()
            except SdkError as error:
                log.warning("stage.not_publishing", stage=self._settings.name, error=str(error))
                await asyncio.sleep(0.2)
                continue
            return

    async def _own_again(self, number: int, epoch: int, end: float) -> None:
        """As it was, if that works soon and before the end: one that cannot be read must not hold up the others."""
        for attempt in range(5):  # after that its owner asks for it anew
            try:
                self._parts[number] = await self.input.take_over(number, epoch)
                return
            except SdkError as error:
                log.warning("partition.not_recovered", partition=number, attempt=attempt, error=str(error))
                if isinstance(error, Fenced | InputRefused | NewerFormat) or time.monotonic() >= end:
                    return
                await asyncio.sleep(0.2)
                await self._connection.wait_connected()

    async def _release(self) -> None:
        await asyncio.gather(*(part.close() for part in self._parts.values()))
        self._parts = {}

    async def _close(self) -> None:
        """Commit what can be committed; what cannot is done again by the next owner."""
        for part in self._parts.values():
            part.leave()
        try:
            async with asyncio.timeout(2.0):
                await self._commit()
                await self._settle()
        except (SdkError, TimeoutError) as error:
            log.warning(
                "stage.last_commit_failed",
                stage=self._settings.name,
                error=reason_of(error),
                detail="the next owner repeats it",
            )
        self._forget_commit()
        await self._release()
        await self._side.close()


__all__ = ["Output", "Processor", "Stage", "StageSettings"]
