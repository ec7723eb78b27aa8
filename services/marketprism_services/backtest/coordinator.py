"""The one that leads: cuts records into tasks, hands them out fairly, and says what became of each record."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from marketprism_adapters.nats.backtest_store import BacktestStore, Stored
from marketprism_application.contracts.backtests import BacktestRecord, Kind, RunState, TaskRecord
from marketprism_sdk.errors import RevisionConflict, SdkError, reason_of
from marketprism_services.backtest.sweeps import Conclusion

log = structlog.get_logger()

_TURN_S = 1.0
_LOOK_S = 5.0  # at every record, and at tasks of which nothing was heard
_PAUSE_S = 0.5
_AT_ONCE = 2  # tasks for each slot: the next one is there when one ends
MOST_RUNS_A_TASK = 1_000

Conclude = Callable[[BacktestRecord], Awaitable[Conclusion]]


class Coordinator:
    """`slots` are those of all instances, `task_s` how long a task should take, `conclude` makes what a sweep or a
    walk-forward says at its end, `on_end` hears of every record that has ended."""

    def __init__(
        self,
        store: BacktestStore,
        slots: Callable[[], int],
        task_s: float,
        conclude: Conclude,
        on_end: Callable[[BacktestRecord], Awaitable[None]],
    ) -> None:
        self._store, self._slots, self._task_s = store, slots, task_s
        self._conclude, self._on_end = conclude, on_end
        self._open: dict[str, Stored] = {}
        self._changed = asyncio.Event()
        self._looked = -_LOOK_S
        self._others = True  # records that are not known here

    @property
    def waiting(self) -> int:
        """Records that have not ended."""
        return len(self._open)

    async def run(self) -> None:
        """Go on from what is stored, until cancelled."""
        stop = await self._store.watch(self._hear)
        try:
            while True:
                try:
                    await self._turn()
                except RevisionConflict as error:  # another one leads, or did a moment ago
                    log.info("backtest.record_changed", error=reason_of(error))
                    self._others = True
                    await asyncio.sleep(_PAUSE_S)
                except SdkError as error:
                    log.warning("backtest.not_coordinated", error=reason_of(error))
                    await asyncio.sleep(_PAUSE_S)
                try:
                    async with asyncio.timeout(_TURN_S):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        finally:
            await stop()

    def _hear(self, word: str, id_: str) -> None:
        """Something was written: of a record that is not known, all are read."""
        self._others = self._others or (word == "run" and id_ not in self._open)
        self._changed.set()

    async def _turn(self) -> None:
        self._changed.clear()
        now = time.monotonic()
        if self._others or now - self._looked >= _LOOK_S:
            self._others = False
            await self._read()
        for id_ in list(self._open):
            await self._follow(self._open[id_])
        await self._hand_out()
        if now - self._looked >= _LOOK_S:
            self._looked = now
            await self._find_lost()

    async def _read(self) -> None:
        self._open = {each.record.id: each for each in await self._store.records() if not each.record.state.is_final}

    async def _write(self, stored: Stored, **changes: object) -> Stored:
        record: BacktestRecord = msgspec.structs.replace(stored.record, **changes)
        written = Stored(record, await self._store.update(record, stored.revision))
        if record.state.is_final:
            self._open.pop(record.id, None)
            await self._on_end(record)
        else:
            self._open[record.id] = written
        return written

    # What tasks have come to

    async def _follow(self, stored: Stored) -> None:
        record = stored.record
        who = await self._store.cancelled(record.id)
        if who is not None:
            await self._write(
                stored,
                state=RunState.CANCELLED,
                ended_at=time.time_ns(),
                code="CANCELLED",
                error=f"cancelled by {who}",
                parts=(),
            )
            return
        ended: list[TaskRecord] = []
        begun = record.started_at
        for number, _, _ in record.parts:
            task = await self._store.task(record.id, number)
            if task is not None and task.begun_at:
                begun = min(begun or task.begun_at, task.begun_at)
            if task is not None and task.state.is_final:
                ended.append(task)
        if ended or begun != record.started_at:
            stored = await self._fold(stored, ended, begun)
        record = stored.record
        if record.id in self._open and record.cut >= _all_of(record) and not record.parts:
            await self._finish(stored)

    async def _fold(self, stored: Stored, ended: list[TaskRecord], begun: int) -> Stored:
        """Take what tasks have come to into their record."""
        record, gone = stored.record, {each.number for each in ended}
        ranked = sum(each.count for each in ended if each.number == 0) if _is_ranked_first(record) else 0
        last = [each for each in ended if each.first >= record.runs]  # with higher costs: not a run of the sweep
        ended = [each for each in ended if each.first < record.runs]
        bad = next((each for each in ended if each.state is RunState.FAILED), None)
        changes: dict[str, object] = {
            "state": RunState.RUNNING if begun else record.state,
            "started_at": begun,
            "parts": tuple(each for each in record.parts if each[0] not in gone),
            "ended": record.ended + len(gone),
            "done": record.done + sum(each.count for each in ended),
            "cut": record.cut + ranked,
            "ranked": record.ranked + ranked,
            "failed": record.failed + sum(each.failed or each.state is RunState.FAILED for each in ended),
            "rows": record.rows + sum(each.rows for each in ended),
            "cpu_s": record.cpu_s + sum(each.cpu_s for each in (*ended, *last)),
        }
        if last:
            changes["summary"] = last[0].summary
        if record.kind is Kind.RUN and ended:
            (task,) = ended
            changes |= {
                "state": task.state,
                "ended_at": task.ended_at,
                "digest": task.digest,
                "same_as": task.same_as,
                "summary": task.summary,
                "code": task.code,
                "error": task.error,
            }
        elif bad is not None:  # the rows are not there, or workers die of it: no other task would fare better
            changes |= {"state": RunState.FAILED, "ended_at": time.time_ns(), "code": bad.code, "error": bad.error}
        return await self._write(stored, **changes)

    async def _finish(self, stored: Stored) -> None:
        """A sweep or a walk-forward of which every task has ended."""
        found = await self._conclude(stored.record)
        state = RunState.FAILED if found.code else RunState.DONE
        await self._write(
            stored,
            state=state,
            ended_at=time.time_ns(),
            summary=found.summary,
            code=found.code,
            error=found.error,
            digest=found.digest,
        )

    # Handing out

    async def _hand_out(self) -> None:
        """Put tasks onto the queue while there is room, those of the user first who has fewest there."""
        slots = max(1, self._slots())
        under_way = Counter[str]()
        for each in self._open.values():
            under_way[each.record.user] += len(each.record.parts)
        while under_way.total() < _AT_ONCE * slots:
            waiting = [each for each in self._open.values() if self._next_count(each.record, slots) is not None]
            if not waiting:
                return
            stored = min(
                waiting, key=lambda each: (under_way[each.record.user], each.record.created_at, each.record.id)
            )
            record = stored.record
            count = self._next_count(record, slots) or 0
            task = TaskRecord(id=record.id, number=record.tasks, first=record.cut, count=count, state=RunState.QUEUED)
            # The record first: whoever leads next finds what is under way, and puts there what is not on the queue.
            await self._write(
                stored,
                cut=record.cut + count,
                tasks=record.tasks + 1,
                parts=(*record.parts, (task.number, task.first, count)),
            )
            await self._store.queue.put(task)
            under_way[record.user] += 1

    def _next_count(self, record: BacktestRecord, slots: int) -> int | None:
        """How many runs the next task has: one where their cost is not known, then as many as take `task_s`; 0 for a
        ranking, None for no task now."""
        left = _all_of(record) - record.cut
        if left <= 0:
            return None
        if record.kind is not Kind.SWEEP:
            return 1
        left = record.runs - record.cut
        if not left:
            return None if record.parts else 1
        if _is_ranked_first(record) and not record.ended:
            return None if record.tasks else 0
        by_events = record.done - record.ranked
        if not by_events:
            return 1 if len(record.parts) < slots else None
        cost_s = max(record.cpu_s / by_events, 1e-6)
        return min(left, MOST_RUNS_A_TASK, max(1, int(self._task_s / cost_s)), max(1, math.ceil(left / slots)))

    async def _find_lost(self) -> None:
        """Tasks that are under way by their record and on no queue: whoever led before died between the two, or the
        queue was deleted."""
        for stored in list(self._open.values()):
            record = stored.record
            for number, first, count in record.parts:
                queued = TaskRecord(id=record.id, number=number, first=first, count=count, state=RunState.QUEUED)
                if await self._store.queue.holds(queued):
                    continue
                task = await self._store.task(record.id, number)
                if task is not None and task.state.is_final:
                    self._changed.set()
                    continue
                log.warning("backtest.task_put_again", record=record.id, task=number)
                await self._store.queue.put(queued)


def _all_of(record: BacktestRecord) -> int:
    """How many runs are cut of it: of a sweep the best once more, with higher costs."""
    return record.runs + (record.kind is Kind.SWEEP)


def _is_ranked_first(record: BacktestRecord) -> bool:
    """Whether its first task is a ranking, which decides what those behind it run."""
    return record.sweep is not None and record.sweep.kernel


__all__ = ["Coordinator"]
