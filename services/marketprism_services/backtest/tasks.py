"""One task from its message to its result: rows, a child, documents, and a last word in the store."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.contracts.backtests import (
    BacktestRecord,
    Kind,
    RunQuestion,
    RunState,
    TaskProgress,
    TaskRecord,
)
from marketprism_services.backtest.child_messages import (
    End,
    Found,
    Identity,
    Job,
    Limits,
    Part,
    Refused,
    Runs,
    Step,
    Walk,
    Work,
)
from marketprism_services.backtest.child_process import Child, ChildDied
from marketprism_services.backtest.rows import RowFiles
from marketprism_services.settings.backtest import BacktestSettings

SETS, SOURCE, RUN, REPORT = "sets", "source", "run", "report"
TABLES = ("fills", "orders", "positions", "decisions", "equity", "series")
_TELL_S = 1.0


def part_name(number: int) -> str:
    """The document of a task of a sweep or a walk-forward."""
    return f"part{number}"


class Executor:
    """Does tasks on this host. `calendar` is the calendar for children, pickled."""

    def __init__(
        self,
        store: BacktestStore,
        rows: RowFiles,
        settings: BacktestSettings,
        calendar: Callable[[], Awaitable[bytes]],
        folder: Path,
    ) -> None:
        self._store, self._rows, self._settings = store, rows, settings
        self._calendar, self._folder = calendar, folder

    @property
    def limits(self) -> Limits:
        """What a child may take."""
        return Limits(self._settings.memory_mb, self._settings.cpu_s, self._settings.eventless_s)

    def job(self, work: Work, strategy: str = "", file: str = "") -> Job:
        """A job for a child of this host."""
        path = self._settings.strategies
        return Job(
            work,
            self.limits,
            strategy,
            file,
            str(path.expanduser().absolute()) if path is not None else "",
            self._settings.packages,
        )

    def child(self, job: Job) -> Child:
        """A child that works in a folder of this host."""
        return Child(job, self._folder)

    @contextlib.asynccontextmanager
    async def strategy_file(self, strategy: str, source: bytes | None):  # type: ignore[no-untyped-def]
        """The folder of an uploaded file while it is needed, empty where nothing was uploaded."""
        if source is None:
            yield ""
            return
        name = strategy.partition(":")[0]

        def make() -> str:
            folder = tempfile.mkdtemp(prefix="upload-", dir=self._folder)
            (Path(folder) / name).write_bytes(source)
            return folder

        folder = await asyncio.to_thread(make)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def do(self, record: BacktestRecord, task: TaskRecord) -> TaskRecord:
        """The task with what became of it; its documents are written. Raises what NATS raises."""
        try:
            folder = await self._rows.folder_of(record.question)
            async with self.strategy_file(record.question.strategy, await self._source_of(record)) as file:
                if record.kind is Kind.RUN:
                    return await self._run(record, task, str(folder), file)
                return await self._many(record, task, str(folder), file)
        except BacktestError as error:
            return _ended(task, RunState.FAILED, code=str(error.code), error=str(error))
        except ChildDied as error:
            return _ended(task, RunState.FAILED, code=error.code, error=str(error))

    async def _source_of(self, record: BacktestRecord) -> bytes | None:
        if not record.question.source:
            return None
        found = await self._store.documents.get(record.id, SOURCE)
        if found is None:
            raise BacktestError("source: expected the file that was uploaded, it is gone")
        return found

    async def folder_of(self, question: RunQuestion) -> Path:
        """The folder of the rows of a question. Raises BacktestError."""
        return await self._rows.folder_of(question)

    async def rows_folder(self, record: BacktestRecord) -> str:
        """The folder of a record's rows. Raises BacktestError."""
        return str(await self._rows.folder_of(record.question))

    async def source_of(self, record: BacktestRecord) -> bytes | None:
        """The file that was uploaded with a record, None of one without. Raises BacktestError: it is gone."""
        return await self._source_of(record)

    # One run

    async def _run(self, record: BacktestRecord, task: TaskRecord, rows: str, file: str) -> TaskRecord:
        question, told = record.question, _Telling(self._store, task)
        work = Runs(rows, await self._calendar(), question.options, ((0, question.params),), full=True)
        documents: list[tuple[str, bytes]] = []
        digest, found, cpu_s = "", dict[str, object](), 0.0
        async with self.child(self.job(work, question.strategy, file)) as child:
            try:
                async for frame in child.frames():
                    if isinstance(frame, Identity):
                        digest = frame.digest
                        known = None if record.force else await self._known(record, digest)
                        if known is not None:
                            return _ended(task, RunState.DONE, digest=digest, same_as=known)
                    elif isinstance(frame, Part):
                        documents.append((frame.name, frame.data))
                    elif isinstance(frame, Step):
                        await told.tell(0, frame.share, frame.now, frame.equity)
                    elif isinstance(frame, Found):
                        found = frame.document
                    elif isinstance(frame, Refused):
                        return _ended(task, RunState.FAILED, code=frame.code, error=frame.text, digest=digest)
                    elif isinstance(frame, End):
                        cpu_s = frame.cpu_s
            except ChildDied as error:
                return _ended(task, RunState.FAILED, code=error.code, error=str(error), digest=digest)
        for name, data in documents:
            await self._store.documents.put(record.id, name, data)
        await self._store.documents.put(record.id, RUN, msgspec.msgpack.encode(found))
        failed = found.get("error")
        code, text = (str(failed.get("code")), str(failed.get("text"))) if isinstance(failed, dict) else ("", "")
        state = RunState.FAILED if found.get("state") == "failed" else RunState.DONE
        if state is RunState.DONE:
            await self._store.keep_result(digest, record.id)
        summary = {name: value for name, value in found.items() if name not in _LONG}
        return _ended(
            task, state, digest=digest, code=code, error=text, cpu_s=cpu_s, rows=_rows_of(found), summary=summary
        )

    async def _known(self, record: BacktestRecord, digest: str) -> str | None:
        """The record that has this content's result already."""
        found = await self._store.result_of(digest)
        if found is None or found == record.id:
            return None
        stored = await self._store.record(found)
        return found if stored is not None and stored.record.state is RunState.DONE else None

    # Many runs, or windows

    async def _many(self, record: BacktestRecord, task: TaskRecord, rows: str, file: str) -> TaskRecord:
        data = await self._store.documents.get(record.id, SETS)
        if data is None:
            raise BacktestError("space: expected the sets of the sweep, they are gone")
        sets = msgspec.msgpack.decode(data)
        question, calendar, told = record.question, await self._calendar(), _Telling(self._store, task)
        results: list[dict[str, object]] = []
        cpu_s = 0.0
        left = list(range(task.first, task.first + task.count))
        while left:
            works = self._works(record, rows, calendar, sets, left)
            try:
                async with self.child(self.job(works, question.strategy, file)) as child:
                    async for frame in child.frames():
                        if isinstance(frame, Found):
                            results.append({"number": frame.number, **frame.document})
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
        await self._store.documents.put(record.id, part_name(task.number), msgspec.msgpack.encode(results))
        return _ended(
            task,
            RunState.DONE,
            cpu_s=cpu_s,
            rows=sum(_rows_of(each) for each in results),
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


_LONG = frozenset(("digests", "instruments", "settings", "conventions", "log"))


class _Telling:
    """How far a task is, into the store, at most once a second."""

    def __init__(self, store: BacktestStore, task: TaskRecord) -> None:
        self._store, self._task, self._last = store, task, 0.0

    async def tell(self, done: int, share: float, now: int, equity: str = "") -> None:
        moment = time.monotonic()
        if moment - self._last < _TELL_S:
            return
        self._last = moment
        progress = TaskProgress(self._task.number, done, share, now, time.time_ns(), equity)
        await self._store.put_progress(self._task.id, progress)


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


def _rows_of(document: dict[str, object]) -> int:
    found = document.get("rows")
    return found if isinstance(found, int) else 0


def _ended(
    task: TaskRecord,
    state: RunState,
    *,
    digest: str = "",
    same_as: str = "",
    code: str = "",
    error: str = "",
    cpu_s: float = 0.0,
    rows: int = 0,
    failed: int = 0,
    summary: dict[str, object] | None = None,
) -> TaskRecord:
    return msgspec.structs.replace(
        task,
        state=state,
        ended_at=time.time_ns(),
        digest=digest,
        same_as=same_as,
        code=code,
        error=error[:2_000],
        cpu_s=cpu_s,
        rows=rows,
        failed=failed,
        summary=summary or {},
    )


__all__ = ["REPORT", "RUN", "SETS", "SOURCE", "TABLES", "Executor", "part_name"]
