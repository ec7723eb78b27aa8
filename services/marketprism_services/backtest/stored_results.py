"""Results where they are kept for good: written by who has them, patiently, and read for who asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

import msgspec
import pyarrow as pa
import structlog

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.result_rows import messages_of, part_of_rows, record_of_row, record_rows
from marketprism_application.contracts.backtest_rows import (
    FILES,
    PARTS,
    RecordsAsked,
    Rows,
    RowsAsked,
    RunsAsked,
    TrialsAsked,
    WriteRows,
)
from marketprism_application.contracts.backtests import BacktestRecord
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError, RowError
from marketprism_application.ports.backtest_results import BacktestResults
from marketprism_sdk.errors import RemoteError, SdkError, reason_of

log = structlog.get_logger()

_PATIENCE_S, _PAUSE_S = 600.0, 0.5
_MOST = 1 << 40  # rows of a part: a bound that is none
_PAGE = 1_000
T = TypeVar("T")


class StoredRun(NamedTuple):
    """What a run says of itself, and how many rows its parts have."""

    number: int
    document: dict[str, object]
    counts: Mapping[str, int]


class StoredResults:
    """Reads raise RemoteError: UNAVAILABLE while the storage is away, or what it says."""

    def __init__(self, results: BacktestResults) -> None:
        self._results = results
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Writes that the storage has not taken at once, and that are tried again."""
        return self._waiting

    async def write(self, make: Callable[[], Iterable[Rows]], version: int) -> None:
        """Store rows, which `make` makes in a thread; a storage that is away is waited for.

        Raises:
            BacktestError: it refuses them. RemoteError: it was away for too long.
        """
        end = time.monotonic() + _PATIENCE_S
        for each in await asyncio.to_thread(lambda: list(messages_of(make()))):
            asked = WriteRows(version, each)
            try:
                await self._once(lambda asked=asked: self._results.write(asked))  # type: ignore[misc]
            except RemoteError as error:
                log.warning("backtest.results_not_stored", error=reason_of(error))
                self._waiting += 1
                try:
                    await self._again(asked, end)
                finally:
                    self._waiting -= 1

    async def _again(self, asked: WriteRows, end: float) -> None:
        while True:
            await asyncio.sleep(_PAUSE_S)
            try:
                await self._once(lambda: self._results.write(asked))
                return
            except RemoteError as error:
                if time.monotonic() > end:
                    raise
                log.warning("backtest.results_not_stored", error=reason_of(error))

    async def write_record(self, record: BacktestRecord) -> None:
        """Store a record that has ended. Raises RemoteError: not now."""
        (rows,) = await asyncio.to_thread(lambda: list(messages_of(record_rows(record))))
        await self._once(lambda: self._results.write(WriteRows(record.ended_at, rows)))

    async def _once(self, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            return await ask()
        except RemoteError:
            raise
        except RowError as error:
            raise BacktestError(f"result: {error}") from error
        except ApplicationError as error:
            raise RemoteError(Code.UNAVAILABLE, f"storage: {error}", retryable=True) from error
        except SdkError as error:
            raise RemoteError(Code.UNAVAILABLE, f"storage: {reason_of(error)}", retryable=True) from error

    # Records

    async def record(self, id_: str) -> BacktestRecord | None:
        """A record that has ended, by its name."""
        return next(iter(await self.records(RecordsAsked(ids=(id_,), limit=1))), None)

    async def records(self, asked: RecordsAsked) -> list[BacktestRecord]:
        """Records that have ended, the newest first."""
        found: list[str] = []
        while len(found) < asked.limit:
            more = msgspec.structs.replace(asked, offset=asked.offset + len(found), limit=asked.limit - len(found))
            page = await self._once(lambda more=more: self._results.answer(more))  # type: ignore[misc]
            found += [str(each) for each in page.column("document").to_pylist()]
            if not page.num_rows or len(found) == len(asked.ids):
                break
        return [record_of_row(each) for each in found]

    async def trials(self, strategy: str, before: int, but: str) -> dict[str, int]:
        """Runs of a strategy that were done by records that began before, by what they are of: a digest, or a record's
        name. Of a storage of an earlier version all of them together, by no name."""
        asked = TrialsAsked(strategy=strategy, before=before, but=but)
        found = await self._once(lambda: self._results.answer(asked))
        names = found.column("content").to_pylist() if "content" in found.column_names else [""] * found.num_rows
        return {str(name): int(done or 0) for name, done in zip(names, found.column("done").to_pylist(), strict=True)}

    # Runs and their rows

    async def run(self, record: str) -> StoredRun | None:
        """A single run's result, None where there is none."""
        return next(iter(await self.runs(record, limit=1)), None)

    async def runs(self, record: str, sort: str = "", offset: int = 0, limit: int = _MOST) -> list[StoredRun]:
        """Runs of a record, by number or by a statistic."""
        found: list[StoredRun] = []
        while len(found) < limit:
            asked = RunsAsked(
                record=record, sort=sort, offset=offset + len(found), limit=min(_PAGE, limit - len(found))
            )
            page = await self._once(lambda asked=asked: self._results.answer(asked))  # type: ignore[misc]
            if not page.num_rows:
                break
            found += await asyncio.to_thread(_runs_of, page)
            if limit == 1:
                break
        return found

    async def rows(self, record: str, part: str, offset: int, until: int) -> pa.Table:
        """Rows of a part of a single run; those that its last writer has written."""
        return part_of_rows(await self._rows(PARTS[part], record, offset, until))

    async def file(self, record: str, name: str) -> str | None:
        """A text that belongs to a single run, None where there is none."""
        run = await self.run(record)
        if run is None or not (pieces_of_all := run.counts.get("files")):
            return None
        table = await self._rows(FILES, record, 0, pieces_of_all)
        pieces = [row["data"] for row in table.to_pylist() if row["name"] == name]
        return "".join(pieces) if pieces else None

    async def _rows(self, table: str, record: str, offset: int, until: int) -> pa.Table:
        pages: list[pa.Table] = []
        at = offset
        while True:
            asked = RowsAsked(table=table, record=record, offset=at, until=until)
            page = await self._once(lambda asked=asked: self._results.answer(asked))  # type: ignore[misc]
            pages.append(page)
            if not page.num_rows or (at := int(page.column("row")[-1].as_py()) + 1) >= until:
                break
        whole = [each for each in pages if each.num_rows] or pages[:1]
        return pa.concat_tables(whole)


def _runs_of(table: pa.Table) -> list[StoredRun]:
    return [
        StoredRun(row["run"], msgspec.json.decode(row["document"]), msgspec.json.decode(row["counts"]))
        for row in table.to_pylist()
    ]


__all__ = ["StoredResults", "StoredRun"]
