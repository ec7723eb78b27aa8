"""The slots of one instance: each takes a task off the queue, does it, and says so while it does."""

from __future__ import annotations

import asyncio
import contextlib
import time

import msgspec
import structlog

from marketprism_adapters.nats.backtest_store import AGAIN_S, BacktestStore
from marketprism_adapters.nats.work_queue import Taken
from marketprism_application.contracts.backtests import RunState, TaskRecord
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.observability import Metrics
from marketprism_services.backtest.children import ForkServerLost
from marketprism_services.backtest.tasks import Executor

log = structlog.get_logger()

MOST_ATTEMPTS = 3
_SAY_S = AGAIN_S / 3
_LOOK_S = 1.0  # at who has cancelled: a watch may miss it
_PAUSE_S = 0.5


class Workers:
    """`slots` tasks at once. What is being done when the service stops is given back, and does not count as tried."""

    def __init__(
        self, store: BacktestStore, executor: Executor, instance: str, metrics: Metrics, slots: int, replicas: int = 1
    ) -> None:
        self._store, self._executor = store, executor
        self._instance, self._metrics, self._slots = instance, metrics, slots
        self._replicas = replicas
        self._doing: dict[asyncio.Task[TaskRecord], str] = {}
        self._cancelled: set[asyncio.Task[TaskRecord]] = set()

    @property
    def doing(self) -> int:
        """Tasks that are being done here."""
        return len(self._doing)

    async def run(self) -> None:
        """Take and do tasks until cancelled."""
        stop = await self._store.watch_cancels(self._cancel)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._slots):
                    group.create_task(self._slot())
        finally:
            await stop()

    def _cancel(self, id_: str) -> None:
        for task, of in self._doing.items():
            if of == id_ and not task.done():
                self._cancelled.add(task)
                task.cancel()

    async def _slot(self) -> None:
        while True:
            try:
                taken = await self._store.queue.take()
                if taken is not None:
                    await self._take(taken)
            except SdkError as error:
                log.warning("backtest.queue_not_readable", error=reason_of(error))
                await asyncio.sleep(_PAUSE_S)
                await self._open()

    async def _open(self) -> None:
        try:
            await self._store.queue.open(self._replicas)
        except SdkError as error:
            log.debug("backtest.queue_not_made", error=reason_of(error))

    async def _take(self, taken: Taken) -> None:
        """Do what a message says, unless it is done already, or was tried too often."""
        try:
            given = msgspec.msgpack.decode(taken.data, type=TaskRecord)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("backtest.task_unreadable", error=reason_of(error))
            await self._store.queue.done(taken)
            return
        stored = await self._store.record(given.id)
        task = await self._store.task_latest(given.id, given.number) or given
        if stored is None or stored.record.state.is_final or task.state.is_final:
            await self._store.queue.done(taken)
            return
        if task.state is RunState.RUNNING and task.attempt >= MOST_ATTEMPTS:
            text = f"{task.attempt} workers have died of it, the last one was {task.worker}"
            ended = msgspec.structs.replace(
                task, state=RunState.FAILED, ended_at=time.time_ns(), code="WORKER_DIED", error=text
            )
            await self._finish(taken, ended)
            return
        if await self._store.cancelled(given.id) is not None:
            await self._finish(taken, msgspec.structs.replace(task, state=RunState.CANCELLED, ended_at=time.time_ns()))
            return
        begun = msgspec.structs.replace(
            task,
            state=RunState.RUNNING,
            attempt=task.attempt + 1,
            worker=self._instance,
            begun_at=time.time_ns(),
        )
        await self._store.put_task(begun)
        doing = asyncio.create_task(self._executor.do(stored.record, begun))
        self._doing[doing] = given.id
        saying = asyncio.create_task(self._say(taken, doing, given.id))
        try:
            ended = await self._waited_for(doing, begun)
            await self._finish(taken, ended)
        except asyncio.CancelledError:  # this service stops
            doing.cancel()
            await asyncio.wait({doing}, timeout=2.0)
            await self._give_back(taken, begun, 0.0)
            raise
        except ForkServerLost as error:  # as if this worker had died: it may have been this task's doing
            log.warning("backtest.task_given_back", record=begun.id, task=begun.number, error=reason_of(error))
            with contextlib.suppress(SdkError):
                await self._store.queue.again(taken, _PAUSE_S)
        except SdkError as error:  # NATS was away, which is nobody's fault
            log.warning("backtest.task_given_back", record=begun.id, task=begun.number, error=reason_of(error))
            await self._give_back(taken, begun, _PAUSE_S)
        finally:
            saying.cancel()
            self._doing.pop(doing, None)
            self._cancelled.discard(doing)

    async def _give_back(self, taken: Taken, begun: TaskRecord, delay_s: float) -> None:
        """Have another worker do it, or this one again. Where that cannot be said, it comes again by itself."""
        back = msgspec.structs.replace(begun, state=RunState.QUEUED, attempt=begun.attempt - 1)
        with contextlib.suppress(SdkError):
            await self._store.put_task(back)
            await self._store.queue.again(taken, delay_s)

    async def _waited_for(self, doing: asyncio.Task[TaskRecord], begun: TaskRecord) -> TaskRecord:
        """What became of a task; one that was cancelled by its owner is."""
        await asyncio.wait({doing})
        if doing.cancelled() or doing in self._cancelled:
            return msgspec.structs.replace(begun, state=RunState.CANCELLED, ended_at=time.time_ns())
        error = doing.exception()
        if error is None:
            return doing.result()
        if isinstance(error, SdkError):  # it comes again
            raise error
        log.error("backtest.task_failed", record=begun.id, task=begun.number, exc_info=error)
        text = f"{type(error).__name__}: {error}"[:500]
        return msgspec.structs.replace(
            begun, state=RunState.FAILED, ended_at=time.time_ns(), code="INTERNAL", error=text
        )

    async def _finish(self, taken: Taken, ended: TaskRecord) -> None:
        """Its last word first, then off the queue."""
        await self._store.put_task(ended)
        await self._store.queue.done(taken)
        self._metrics.count("backtest_tasks_total", result=ended.state.value)
        self._metrics.count("backtest_rows_total", ended.rows)
        log.info(
            "backtest.task_ended",
            record=ended.id,
            task=ended.number,
            state=ended.state.value,
            runs=ended.count,
            code=ended.code,
            attempt=ended.attempt,
        )

    async def _say(self, taken: Taken, doing: asyncio.Task[TaskRecord], id_: str) -> None:
        """Say that it is being done, and look whether it was cancelled."""
        said = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                if time.monotonic() - said >= _SAY_S:
                    await self._store.queue.in_progress(taken)
                    said = time.monotonic()
                if await self._store.cancelled(id_) is not None:
                    self._cancelled.add(doing)
                    doing.cancel()
            except SdkError as error:
                log.debug("backtest.not_said", record=id_, error=reason_of(error))


__all__ = ["MOST_ATTEMPTS", "Workers"]
