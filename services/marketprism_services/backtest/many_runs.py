"""Tasks of sweeps and walk-forwards: many runs of one question, each in the results once, or a ranking of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import structlog

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.result_rows import run_rows
from marketprism_application.contracts.backtests import BacktestRecord, Kind, RunState, TaskRecord
from marketprism_application.sweeps.shortlist import checked
from marketprism_services.backtest.child_messages import End, Found, Rank, Refused, Runs, Step, Walk, Work
from marketprism_services.backtest.child_process import Child, ChildDied
from marketprism_services.backtest.stored_results import StoredResults
from marketprism_services.backtest.task_words import Telling, ended_task, rows_read

log = structlog.get_logger()

SETS = "sets"
LEFT = "left"  # of a ranking: the sets that events run
_TOGETHER = 1_000  # results that are stored at once
_LOOKED_AT = 100  # results, the best first: most often the first is it


class ManyRuns:
    """Does these tasks. `child` makes one for work with a strategy, by its name and the folder of its file."""

    def __init__(
        self,
        store: BacktestStore,
        results: StoredResults,
        calendar: Callable[[], Awaitable[bytes]],
        child: Callable[[Work, str, str], Child],
    ) -> None:
        self._store, self._results, self._calendar, self._child = store, results, calendar, child

    async def _sets(self, record: BacktestRecord) -> Sequence[object]:
        data = await self._store.documents.get(f"{record.id}.{SETS}")
        if data is None:
            raise BacktestError("space: expected the sets of the sweep, they are gone")
        found: list[object] = msgspec.msgpack.decode(data)
        return found

    async def rank(self, record: BacktestRecord, task: TaskRecord, rows: str, file: str) -> TaskRecord:
        """Results of the sets that the kernel alone runs are stored, and a document says which are left for events.
        Raises ChildDied: what cannot be ranked has no better luck elsewhere."""
        assert record.sweep is not None  # noqa: S101 (only sweeps are ranked)
        sets = tuple(_params(each) for each in await self._sets(record))
        question, told = record.question, Telling(self._store, task)
        work = Rank(rows, await self._calendar(), question.options, sets, record.sweep.objective)
        results: list[dict[str, object]] = []
        left: object = None
        ranked, cpu_s = 0, 0.0
        async with self._child(work, question.strategy, file) as child:
            async for frame in child.frames():
                if isinstance(frame, Found) and frame.number < 0:
                    left = frame.document["confirm"]
                elif isinstance(frame, Found):
                    ranked += 1
                    results.append({"number": frame.number, **frame.document})
                    if len(results) == _TOGETHER:
                        await self._keep(record, task, results)
                        results = []
                elif isinstance(frame, Refused):
                    raise ChildDied(frame.code, frame.text)
                elif isinstance(frame, Step):
                    await told.tell(frame.number, 0.0, 0)
                elif isinstance(frame, End):
                    cpu_s = frame.cpu_s
        if left is None:
            raise ChildDied("STRATEGY_FAILED", "kernel: expected a ranking of the child, there was none")
        await self._keep(record, task, results)
        await self._store.documents.put(f"{record.id}.{LEFT}", msgspec.msgpack.encode(left))
        ended = ended_task(task, RunState.DONE, cpu_s=cpu_s)
        return msgspec.structs.replace(ended, count=ranked)

    async def dearer(self, record: BacktestRecord, task: TaskRecord, rows: str, file: str) -> TaskRecord:
        """The best run again with doubled costs: its number and net, None where it fails. It is none of the sweep."""
        best = await self._best(record)
        net: object = None
        cpu_s = 0.0
        if best is not None:
            question, number = record.question, _number_of(best)
            sets = ((number, _params(best["params"])),)
            work = Runs(rows, await self._calendar(), question.options, sets, dearer=True)
            try:
                async with self._child(work, question.strategy, file) as child:
                    async for frame in child.frames():
                        if isinstance(frame, Found) and frame.document.get("state") != "failed":
                            net = frame.document["net"]
                        elif isinstance(frame, End):
                            cpu_s = frame.cpu_s
            except ChildDied as error:
                log.info("backtest.not_dearer", record=record.id, error=str(error))
        summary: dict[str, object] = {} if best is None else {"dearer": {"number": best["number"], "net": net}}
        return msgspec.structs.replace(ended_task(task, RunState.DONE, cpu_s=cpu_s, summary=summary), count=0)

    async def _best(self, record: BacktestRecord) -> dict[str, object] | None:
        """The run by events that is highest by the objective, None where all have failed."""
        assert record.sweep is not None  # noqa: S101 (only sweeps have a winner)
        for offset in range(0, record.runs, _LOOKED_AT):
            for each in await self._results.runs(record.id, record.sweep.objective, offset, _LOOKED_AT):
                if each.document.get("state") in ("done", "stopped"):
                    return {**each.document, "number": each.number}
        return None

    async def _keep(self, record: BacktestRecord, task: TaskRecord, results: Sequence[dict[str, object]]) -> None:
        runs = [(_number_of(each), each, dict[str, int]()) for each in results]
        await self._results.write(lambda: run_rows(record.id, runs), task.begun_at)

    async def _left(self, record: BacktestRecord, task: TaskRecord) -> dict[int, Mapping[str, object]]:
        """The runs of a task by their numbers; of those behind a ranking also what the kernel says of their money."""
        places = range(task.first, task.first + task.count)
        if record.sweep is None or not record.sweep.kernel:
            return {number: {} for number in places}
        data = await self._store.documents.get(f"{record.id}.{LEFT}")
        if data is None:
            raise BacktestError("kernel: expected what its ranking has left for events, it is gone")
        left = msgspec.msgpack.decode(data, type=list[tuple[int, dict[str, object]]])
        return dict(left[place - record.runs + len(left)] for place in places)  # ranked ones are before them

    async def run(self, record: BacktestRecord, task: TaskRecord, rows: str, file: str) -> TaskRecord:
        """Run what a task is of; a run that fails, or its process, leaves the others. Raises BacktestError."""
        sets = await self._sets(record)
        question, calendar, told = record.question, await self._calendar(), Telling(self._store, task)
        results: list[dict[str, object]] = []
        cpu_s = 0.0
        money = await self._left(record, task)
        left = list(money)
        while left:
            works = self._works(record, rows, calendar, sets, left)
            try:
                async with self._child(works, question.strategy, file) as child:
                    async for frame in child.frames():
                        if isinstance(frame, Found):
                            result = {"number": frame.number, **frame.document}
                            results.append(checked(result, money[frame.number]))
                            left.remove(frame.number)
                        elif isinstance(frame, Refused):
                            if frame.number < 0:
                                raise ChildDied(frame.code, frame.text)
                            results.append(_refused(frame.number, sets, frame.code, frame.text))
                            left.remove(frame.number)
                        elif isinstance(frame, Step):
                            await told.tell(len(results), frame.share, frame.now)
                        elif isinstance(frame, End):
                            cpu_s += frame.cpu_s
                    if left:
                        raise ChildDied("STRATEGY_FAILED", "expected a result of every run, one is missing")
            except ChildDied as error:
                if not left:
                    break
                results.append(_refused(left.pop(0), sets, error.code, str(error)))
        await self._keep(record, task, results)
        return ended_task(
            task,
            RunState.DONE,
            cpu_s=cpu_s,
            rows=sum(rows_read(each) for each in results),
            failed=sum(each.get("state") == "failed" for each in results),
        )

    @staticmethod
    def _works(
        record: BacktestRecord, rows: str, calendar: bytes, sets: Sequence[object], left: Sequence[int]
    ) -> Runs | Walk:
        options = record.question.options
        if record.kind is Kind.SWEEP:
            return Runs(rows, calendar, options, tuple((number, _params(sets[number])) for number in left))
        assert record.sweep is not None  # noqa: S101 (every walk-forward has one)
        window = sets[left[0]]
        assert isinstance(window, dict)  # noqa: S101 (as they were written)
        return Walk(
            rows,
            calendar,
            options,
            tuple(_params(each) for each in window["sets"]),
            left[0],
            tuple(window["train"]),
            tuple(window["test"]),
            record.sweep.objective,
        )


def _number_of(result: Mapping[str, object]) -> int:
    return int(str(result["number"]))


def _params(value: object) -> dict[str, object]:
    assert isinstance(value, dict)  # noqa: S101 (as they were written)
    return {str(name): each for name, each in value.items()}


def _refused(number: int, sets: Sequence[object], code: str, text: str) -> dict[str, object]:
    params = sets[number]
    return {
        "number": number,
        "state": "failed",
        "params": params if isinstance(params, dict) and "sets" not in params else {},
        "error": {"code": code, "text": text},
    }


__all__ = ["LEFT", "SETS", "ManyRuns"]
