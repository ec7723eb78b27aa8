"""A repair of one series: bars are fetched, verified in memory, stored as revisions and proved by another check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.repairs import (
    MOST_CHANGES,
    MOST_DIFFERENCES,
    Recheck,
    RepairPlan,
    RepairResult,
    ValueChange,
)
from marketprism_application.contracts.times import iso_short
from marketprism_application.errors import ApplicationError, SourceError
from marketprism_application.history.file_rows import FileRows
from marketprism_application.history.importing import Importer
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.ports.history import RawPage
from marketprism_application.ports.history_log import HistoryLog, SeriesKey
from marketprism_application.ports.reading import StoreReader
from marketprism_application.ports.witnesses import Witness
from marketprism_application.repairing.building import RowMaker, gaps_of
from marketprism_application.repairing.cases import Ground
from marketprism_application.repairing.checking import SeriesChecks, is_better, new_defects, state_of
from marketprism_application.repairing.longer import LongerMaker
from marketprism_application.repairing.planning import bars_by_witness
from marketprism_application.repairing.ranges import Ranges
from marketprism_application.repairing.rows import Rows, by_time, differing, is_of_ours, text_of, times_of, values_of
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import Alignment
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.values import Interval

_FAR_BARS = 2_000  # rows of a part that is stored lie no further from one another
_OF_VENUE = {"kline": "kline", "archive": "kline", "trade": "kline"}
_NO_BARS = "the witnesses do not have the bars any more that they had"
MakeGround = Callable[[Iterable[tuple[int, int]]], Awaitable[Ground]]


class UnexpectedChange(ApplicationError):
    """A repair would change bars in which nothing is wrong: somebody has to look at them first. `details` have the
    first of the differences, and how many there are."""

    code = Code.UNEXPECTED_CHANGE

    def __init__(self, symbol: str, changes: Sequence[ValueChange]) -> None:
        first = changes[0]
        super().__init__(
            f"repair {symbol}: expected no change of bars without a defect, {len(changes)} values would change, "
            f"the first {first.field} of {iso_short(first.ts)} from {first.before} to {first.after}; nothing is written"
        )
        self.details = {
            "total": len(changes),
            "changes": [
                {"ts": each.ts, "field": each.field, "stored": each.before, "fetched": each.after}
                for each in changes[:MOST_DIFFERENCES]
            ],
        }


@dataclass
class _Fetched:
    """What witnesses answered in the ranges of a plan: rows by their times, those of each witness."""

    rows: dict[str, Rows] = field(default_factory=dict)
    requests: int = 0
    pages: int = 0


@dataclass(frozen=True)
class _Write:
    """Rows on their way into a series, and what stood in their places; `former` has those that were there."""

    dataset: Dataset
    rows: pa.Table
    former: Rows


class Mending:
    """Mends one series through the log of the storage. One repair at a time is in it."""

    def __init__(
        self,
        dataset: Dataset,
        schedule: Schedule,
        checks: SeriesChecks,
        reader: StoreReader,
        log: HistoryLog,
        witnesses: Mapping[str, Witness],
        *,
        alignment: Alignment,
        now_ns: Callable[[], int],
    ) -> None:
        self._dataset, self._schedule, self._checks = dataset, schedule, checks
        self._reader, self._log, self._witnesses = reader, log, witnesses
        self._alignment, self._now_ns = alignment, now_ns

    async def repair(
        self,
        recheck: Recheck,
        plan: RepairPlan,
        ground_of: MakeGround,
        job: str,
        keep: Callable[[RawPage], Awaitable[None]],
    ) -> RepairResult:
        """Fetch, verify, store and prove, as `SeriesRepairs.repair` says."""
        await self._log.join(self._key(self._dataset))  # what was on its way is stored, and nobody else writes
        before = await self._checks.report()
        result = RepairResult(job=job, before=state_of(before), ledger=recheck.ledger)
        if not plan.ranges:
            return _of(result, after=result.before)
        fetched = await self._fetch(plan, keep)
        result = _of(result, requests=fetched.requests, pages=fetched.pages)
        ranges = [(each.ts_from, each.ts_to) for each in plan.ranges]
        ground = await ground_of([*ranges, *((each.defect.ts_from, each.defect.ts_to) for each in recheck.judged)])
        self._expect_no_change(before, ground, fetched)
        rows = self._patch(recheck, ground, fetched)
        if not rows:
            wanted = bars_by_witness(recheck.judged, ground)
            lacking = any(ts not in ground.stored for keys in wanted.values() for ts in keys)
            return _of(result, after=result.before, error=_NO_BARS if lacking else "")
        gaps = await gaps_of(self._reader, self._dataset) if is_of_ours(self._dataset.kind) else ()
        source, now = f"repair:{job}", self._now_ns()
        opens = np.array(sorted(rows), dtype=np.int64)
        closes = dict(zip(opens.tolist(), ground.closes(opens).tolist(), strict=True))
        row_maker = RowMaker(self._dataset, self._schedule, gaps, source, now)
        table = await asyncio.to_thread(row_maker.table, rows, ground.stored, closes)
        expected = await self._checks.report(table)
        if (problem := _problem(before, expected)) is not None:
            return _of(result, error=f"{problem}; nothing is written")
        former = {ts: ground.stored[ts] for ts in rows if ts in ground.stored}
        maker = LongerMaker(self._reader, self._dataset, self._schedule, self._alignment)
        longer = await maker.bars(by_time(table), gaps, source, now)
        # Longer bars first: who is ended between the two finds the minutes as they were, and repairs both again.
        writes = [_Write(each.dataset, each.rows, each.former) for each in longer]
        writes.append(_Write(self._dataset, table, former))
        for write in writes:
            await self._store(write.dataset, write.rows)
        changes = _changes(former, by_time(table), HISTORY_KINDS[self._dataset.kind].compared)
        result = _of(
            result,
            revisions=len(former),
            inserted=len(rows) - len(former),
            longer=sum(each.rows.num_rows for each in longer),
            changes=tuple(changes[:MOST_CHANGES]),
            changes_total=len(changes),
        )
        after = await self._checks.report()
        if (problem := _problem(before, after)) is not None:
            await self._undo(writes, job)
            return _of(result, after=state_of(await self._checks.report()), undone=True, error=problem)
        return _of(result, after=state_of(after))

    async def _fetch(self, plan: RepairPlan, keep: Callable[[RawPage], Awaitable[None]]) -> _Fetched:
        found = _Fetched()
        for each in plan.ranges:
            witness = self._witnesses.get(each.witness)
            if witness is None:
                raise SourceError(f"witness {each.witness}: expected it to be there, as when the repair was planned")
            answer = await witness.bars(replace(self._dataset, ts_from=each.ts_from, ts_to=each.ts_to))
            for page in answer.pages:
                await keep(page)
            found.rows.setdefault(each.witness, {}).update(await asyncio.to_thread(by_time, answer.rows))
            found.requests += answer.requests
            found.pages += len(answer.pages)
        return found

    def _expect_no_change(self, before: IntegrityReport, ground: Ground, fetched: _Fetched) -> None:
        """Raises UnexpectedChange where a bar that has no defect is stored otherwise than it was fetched."""
        wrong = Ranges((each.ts_from, each.ts_to) for each in before.defects)
        sound = set(ground.times[~wrong.hold(ground.times)].tolist())
        changes: list[ValueChange] = []
        for name, rows in fetched.rows.items():
            own = self._dataset.kind if name in ("ticks", "file") else _OF_VENUE.get(name, self._dataset.kind)
            fields = values_of(self._dataset.kind, own)
            right = {ts: row for ts, row in rows.items() if ts in sound}
            changes += _changes(ground.stored, right, fields)
        if changes:
            raise UnexpectedChange(self._dataset.symbol, sorted(changes))

    def _patch(self, recheck: Recheck, ground: Ground, fetched: _Fetched) -> Rows:
        """The rows that are to be stored: of bars that are ours, what was fetched from their witness and differs."""
        found: Rows = {}
        fields = HISTORY_KINDS[self._dataset.kind].compared
        for name, keys in bars_by_witness(recheck.judged, ground).items():
            rows = fetched.rows.get(name, {})
            for ts in keys:
                row = rows.get(ts)
                if row is None or (not recheck.dense and not row["volume"]):
                    continue
                if ts not in ground.stored or differing(ground.stored[ts], row, fields):
                    found[ts] = row
        return found

    async def _store(self, dataset: Dataset, rows: pa.Table) -> None:
        """Through the log, in parts whose rows lie near one another; what is there is replaced."""
        given = frozenset(HISTORY_KINDS[dataset.kind].compared)
        times = times_of(rows)
        far = np.flatnonzero(np.diff(times) > _FAR_BARS * Interval.parse(dataset.interval).nanos) + 1
        edges = [0, *far.tolist(), len(times)]
        parts = (
            FileRows(rows.slice(first, last - first), np.arange(first + 1, last + 1, dtype=np.int64), given)
            for first, last in pairwise(edges)
        )
        await Importer(self._reader, self._log).run(self._key(dataset), iter(parts), replace=True)

    async def _undo(self, writes: Sequence[_Write], job: str) -> None:
        """What was replaced has its former values again, as a further revision. What was inserted stays: nothing that
        is stored is taken out."""
        for write in reversed(writes):
            if write.former:
                closes: dict[int, int] = {}
                maker = RowMaker(write.dataset, self._schedule, (), f"undone:{job}", self._now_ns())
                table = maker.table(write.former, write.former, closes)
                if "gap" in table.column_names:
                    flags = [bool(write.former[ts]["gap"]) for ts in times_of(table).tolist()]
                    table = table.set_column(table.column_names.index("gap"), "gap", pa.array(flags, pa.bool_()))
                await self._store(write.dataset, table)

    @staticmethod
    def _key(dataset: Dataset) -> SeriesKey:
        return SeriesKey(dataset.kind, dataset.venue, dataset.symbol, dataset.interval)


def _problem(before: IntegrityReport, after: IntegrityReport) -> str | None:
    """Why a check does not prove a repair; None where it does."""
    new = list(new_defects(before, after))
    if new:
        first = new[0]
        text = f" ({first.text})" if first.text else ""
        where = f"{iso_short(first.ts_from)}..{iso_short(first.ts_to)}"
        return f"repaired bars would have a new defect: {first.code} {where}{text}"
    if not is_better(before, after):
        return "repaired bars would have as many defects as before"
    return None


def _changes(before: Rows, after: Rows, fields: Sequence[str]) -> list[ValueChange]:
    return [
        ValueChange(ts, name, text_of(before[ts][name]), text_of(after[ts][name]))
        for ts in sorted(after)
        if ts in before
        for name in differing(before[ts], after[ts], fields)
    ]


def _of(result: RepairResult, **changes: object) -> RepairResult:
    return msgspec.structs.replace(result, **changes)


__all__ = ["Mending", "UnexpectedChange"]
