"""One task from its message to its result: rows, a child, documents, and a last word in the store."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.result_rows import file_rows, part_rows, rows_in, run_rows
from marketprism_application.contracts.backtest_rows import PARTS, RecordsAsked, Rows
from marketprism_application.contracts.backtests import (
    BacktestRecord,
    Kind,
    RunQuestion,
    RunState,
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
    Work,
)
from marketprism_services.backtest.child_process import Child, ChildDied
from marketprism_services.backtest.child_rank import check_rows
from marketprism_services.backtest.child_work import table_from
from marketprism_services.backtest.children import Children
from marketprism_services.backtest.many_runs import ManyRuns
from marketprism_services.backtest.rows import RowFiles
from marketprism_services.backtest.stored_results import StoredResults
from marketprism_services.backtest.task_words import Telling, ended_task, rows_read
from marketprism_services.settings.backtest import BacktestSettings

SOURCE, REPORT = "source", "report"


class Executor:
    """Does tasks on this host. `calendar` is the calendar for children, pickled."""

    def __init__(
        self,
        store: BacktestStore,
        results: StoredResults,
        rows: RowFiles,
        settings: BacktestSettings,
        calendar: Callable[[], Awaitable[bytes]],
        folder: Path,
        children: Children,
    ) -> None:
        self._store, self._results, self._rows, self._settings = store, results, rows, settings
        self._calendar, self._folder, self._children = calendar, folder, children
        self._many = ManyRuns(
            store, results, calendar, lambda work, strategy, file: self.child(self.job(work, strategy, file))
        )

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

    def child(self, job: Job, *, fresh: bool = False) -> Child:
        """A child that works in a folder of this host; a `fresh` one shares nothing with any other."""
        return Child(job, self._children, fresh=fresh)

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
        """The task with what became of it; its results are stored. Raises what NATS raises, and RemoteError: the
        storage is away."""
        try:
            folder = await self._rows.folder_of(record.question)
            source = await self._source_of(record)
            async with self.strategy_file(record.question.strategy, source) as file:
                if record.kind is Kind.RUN:
                    return await self._run(record, task, str(folder), file, source)
                if task.first >= record.runs:
                    return await self._many.dearer(record, task, str(folder), file)
                if not task.count:
                    return await self._many.rank(record, task, str(folder), file)
                return await self._many.run(record, task, str(folder), file)
        except BacktestError as error:
            return ended_task(task, RunState.FAILED, code=str(error.code), error=str(error))
        except ChildDied as error:
            return ended_task(task, RunState.FAILED, code=error.code, error=str(error))

    async def _source_of(self, record: BacktestRecord) -> bytes | None:
        if not record.question.source:
            return None
        found = await self._store.documents.get(f"{record.id}.{SOURCE}")
        if found is not None:
            return found
        stored = await self._results.file(record.same_as or record.id, SOURCE)
        if stored is None:
            raise BacktestError("source: expected the file that was uploaded, it is gone")
        return stored.encode()

    async def folder_of(self, question: RunQuestion) -> Path:
        """The folder of the rows of a question. Raises BacktestError."""
        return await self._rows.folder_of(question)

    async def check_kernel(self, question: RunQuestion) -> None:
        """Raises BacktestError: a kernel cannot run over the rows of a question."""
        folder, calendar = await self._rows.folder_of(question), await self._calendar()
        await asyncio.to_thread(check_rows, folder, calendar, question.options)

    async def rows_folder(self, record: BacktestRecord) -> str:
        """The folder of a record's rows. Raises BacktestError."""
        return str(await self._rows.folder_of(record.question))

    async def source_of(self, record: BacktestRecord) -> bytes | None:
        """The file that was uploaded with a record, None of one without. Raises BacktestError: it is gone."""
        return await self._source_of(record)

    # One run

    async def _run(
        self, record: BacktestRecord, task: TaskRecord, rows: str, file: str, source: bytes | None
    ) -> TaskRecord:
        question, told = record.question, Telling(self._store, task)
        work = Runs(rows, await self._calendar(), question.options, ((0, question.params),), full=True)
        documents: list[tuple[str, bytes]] = []
        digest, found, cpu_s = "", dict[str, object](), 0.0
        # A run that is made again to be compared finds what depends on the seed of hashes.
        job = self.job(work, question.strategy, file)
        async with self.child(job, fresh=bool(record.follow_of)) as child:
            try:
                async for frame in child.frames():
                    if isinstance(frame, Identity):
                        digest = frame.digest
                        known = None if record.force else await self._known(record, digest)
                        if known is not None:
                            return ended_task(task, RunState.DONE, digest=digest, same_as=known)
                    elif isinstance(frame, Part):
                        documents.append((frame.name, frame.data))
                    elif isinstance(frame, Step):
                        await told.tell(0, frame.share, frame.now, frame.equity)
                    elif isinstance(frame, Found):
                        found = frame.document
                    elif isinstance(frame, Refused):
                        return ended_task(task, RunState.FAILED, code=frame.code, error=frame.text, digest=digest)
                    elif isinstance(frame, End):
                        cpu_s = frame.cpu_s
            except ChildDied as error:
                return ended_task(task, RunState.FAILED, code=error.code, error=str(error), digest=digest)
        files = {name: data.decode() for name, data in documents if name not in PARTS}
        files |= {SOURCE: source.decode()} if source is not None else {}
        parts = {name: data for name, data in documents if name in PARTS}
        await self._results.write(lambda: _rows_to_store(record.id, found, parts, files), task.begun_at)
        failed = found.get("error")
        code, text = (str(failed.get("code")), str(failed.get("text"))) if isinstance(failed, dict) else ("", "")
        state = RunState.FAILED if found.get("state") == "failed" else RunState.DONE
        summary = {name: value for name, value in found.items() if name not in _LONG}
        return ended_task(
            task, state, digest=digest, code=code, error=text, cpu_s=cpu_s, rows=rows_read(found), summary=summary
        )

    async def _known(self, record: BacktestRecord, digest: str) -> str | None:
        """The record that has this content's result already."""
        ended = [each.record for each in await self._store.records() if each.record.state is RunState.DONE]
        ended += await self._results.records(
            RecordsAsked(digest=digest, own=True, state=RunState.DONE, kind=Kind.RUN, limit=1)
        )
        mine = (each.id for each in ended if each.digest == digest and not each.same_as and each.id != record.id)
        return next(mine, None)


def _rows_to_store(
    record: str, document: dict[str, object], parts: Mapping[str, bytes], files: Mapping[str, str]
) -> Iterator[Rows]:
    """All rows of a run, the run itself last: it says how many the others are."""
    counts = {}
    for name, data in parts.items():
        table = table_from(data)
        counts[name] = table.num_rows
        yield from part_rows(name, table, record, 0)
    whole = list(file_rows(record, 0, files)) if files else []
    counts["files"] = sum(rows_in(each) for each in whole)
    yield from whole
    yield from run_rows(record, [(0, document, counts)])


_LONG = frozenset(("digests", "instruments", "settings", "conventions", "log"))


__all__ = ["REPORT", "SOURCE", "Executor"]
