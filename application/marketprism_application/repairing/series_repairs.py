"""Recheck and repair of one series: verdicts by witnesses, a plan with its cost, revisions that are proved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from marketprism_application.contracts.repairs import LedgerEntry, Recheck, RepairPlan, RepairResult
from marketprism_application.errors import QueryError
from marketprism_application.integrity.expected_grid import Grid
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.session_changes import overruled
from marketprism_application.integrity.stored_check import Ask
from marketprism_application.ports.gap_ledger import GapLedger
from marketprism_application.ports.history import VENUE_MISSING, RawPage
from marketprism_application.ports.history_log import HistoryLog
from marketprism_application.ports.reading import StoreReader
from marketprism_application.ports.witnesses import Witness
from marketprism_application.repairing.asking import in_order
from marketprism_application.repairing.building import RowMaker, gaps_of
from marketprism_application.repairing.cases import UNJUDGED, Case, Findings, Ground, part_of
from marketprism_application.repairing.checking import SeriesChecks, against_of, family_of
from marketprism_application.repairing.judging import Judging, holes_of
from marketprism_application.repairing.mending import Mending
from marketprism_application.repairing.planning import planned
from marketprism_application.repairing.ranges import Ranges, between
from marketprism_application.repairing.rows import Rows, by_time, is_of_ours, stored_bars
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import ExpectationRules, expectation_of
from marketprism_domain.integrity.report import Defect, IntegrityReport
from marketprism_domain.integrity.verdicts import JudgedDefect, Testimony, Verdict
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.values import Interval

_NEAR_BARS = 2_000  # stored rows between two defects that are read with them rather than asked for apart


class SeriesRepairs:
    """Rechecks and repairs stored series of bars and klines.

    `ask` answers a question as the read side does, `reader` what is stored and nothing else. Without a `log` nothing
    can be repaired, without a `ledger` no hole of the venue is remembered. `asked` is what whoever checked the series
    knew of it: halts, a listing, terms, how longer bars are counted. One object may serve one series after another.
    """

    def __init__(
        self,
        ask: Ask,
        calendar: MarketCalendar,
        witnesses: Sequence[Witness],
        log: HistoryLog | None,
        ledger: GapLedger | None,
        *,
        reader: StoreReader,
        now_ns: Callable[[], int] = time.time_ns,
        pause_s: float = 1.0,
        asked: CheckAsked | None = None,
    ) -> None:
        self._ask, self._calendar, self._witnesses = ask, calendar, tuple(witnesses)
        self._log, self._ledger, self._reader = log, ledger, reader
        self._now_ns, self._pause_s, self._asked = now_ns, pause_s, asked
        self._schedules: dict[tuple[str, str, int], Schedule] = {}

    async def recheck(self, report: IntegrityReport, names: Sequence[str] = ()) -> Recheck:
        """Each defect of a report with its verdict, by witnesses of these names, all without any. Holes that are the
        venue's are in the gap ledger when this returns.

        Raises:
            QueryError: no witness has one of the names. StoreError: the store or the ledger is away.
        """
        known = sorted({each.name for each in self._witnesses})
        for name in names:
            if name not in known:
                raise QueryError(f"witness: expected one of {', '.join(known) or 'none'}, was {name!r}")
        dataset = report.dataset
        against = against_of(report)
        judged: list[JudgedDefect] = []
        wanted: list[Defect] = []
        for each in report.defects:
            if each.code in UNJUDGED or not dataset.interval:
                judged.append(_unknown(each, UNJUDGED.get(each.code, "no witness has rows of this kind")))
            else:
                wanted.append(each)
        requests = 0
        if wanted:
            of_cases, requests = await self._judged(dataset, report.dense, against, wanted, names)
            judged += of_cases
        judged.sort(key=lambda each: (each.defect.ts_from, each.defect.code))
        ledger = await self._enter(dataset, holes_of(judged))
        return Recheck(
            dataset=dataset, dense=report.dense, against=against, judged=tuple(judged), ledger=ledger, requests=requests
        )

    async def _judged(
        self, dataset: Dataset, dense: bool, against: tuple[str, ...], wanted: Sequence[Defect], names: Sequence[str]
    ) -> tuple[list[JudgedDefect], int]:
        checks = self._checks(dataset, dense, against)
        findings = Findings(await checks.report())
        there: list[Defect] = []
        found: list[JudgedDefect] = []
        gone: list[tuple[Defect, list[tuple[int, int]]]] = []
        for each in wanted:
            left, rest = findings.still_there(each)
            there += left
            gone.append((each, rest))
        ground = await self._ground(dataset, dense, [(each.ts_from, each.ts_to) for each in wanted])
        for each, rest in gone:
            found += _vanished(each, rest, ground)
        gaps = await gaps_of(self._reader, dataset) if is_of_ours(dataset.kind) else ()
        maker = RowMaker(dataset, await self._schedule(dataset), gaps, "", self._now_ns())
        judging = Judging(dataset, ground, checks, maker, dense=dense, now_ns=self._now_ns())
        cases = [Case(each, ground.keys_of(each)) for each in there]
        chosen = in_order(self._witnesses, names, of_ours=is_of_ours(dataset.kind))
        found += await judging.judge(cases, chosen, self._pause_s)
        return found, judging.requests

    async def plan(self, recheck: Recheck) -> RepairPlan:
        """What a repair would fetch, and what that costs; nothing is fetched and nothing written.

        Raises:
            StoreError: the store is away.
        """
        of_ours = [each for each in recheck.judged if each.verdict is Verdict.OURS]
        ranges = [(each.defect.ts_from, each.defect.ts_to) for each in of_ours]
        ground = await self._ground(recheck.dataset, recheck.dense, ranges)
        return planned(recheck.dataset, recheck.judged, ground, {each.name: each for each in self._witnesses})

    async def repair(
        self, recheck: Recheck, plan: RepairPlan, *, job: str, keep: Callable[[RawPage], Awaitable[None]]
    ) -> RepairResult:
        """Fetch, verify, store and prove. `keep` gets everything as it came over the wire before a row of it is stored;
        `source` of what is stored is `repair:<job>`.

        Raises:
            UnexpectedChange: bars without a defect would change; nothing is written. SourceError: a witness is away.
            QueryError: nobody takes rows. StoreError, ImportTaken, StorageSilent: as the store and its log.
        """
        if self._log is None:
            raise QueryError("repair: expected a running pipeline that takes rows, there is none")
        dataset = recheck.dataset
        mending = Mending(
            dataset,
            await self._schedule(dataset),
            self._checks(dataset, recheck.dense, recheck.against),
            self._reader,
            self._log,
            {each.name: each for each in self._witnesses},
            alignment=(self._asked.alignment if self._asked else None) or "session",
            now_ns=self._now_ns,
        )

        async def ground(ranges: Iterable[tuple[int, int]]) -> Ground:
            return await self._ground(dataset, recheck.dense, ranges)

        return await mending.repair(recheck, plan, ground, job, keep)

    async def _schedule(self, dataset: Dataset) -> Schedule:
        """The sections of the instrument, as the venue overruled them."""
        key = dataset.venue, dataset.symbol, dataset.ts_from
        if key not in self._schedules:
            calendar = await overruled(self._ask, self._calendar, *key)
            self._schedules[key] = calendar.schedule(dataset.venue, dataset.symbol)
        return self._schedules[key]

    def _checks(self, dataset: Dataset, dense: bool, against: tuple[str, ...]) -> SeriesChecks:
        asked = self._asked or CheckAsked(0)
        asked = replace(asked, now_ns=self._now_ns(), dense=dense)
        return SeriesChecks(self._ask, self._calendar, dataset, against, asked)

    async def _ground(self, dataset: Dataset, dense: bool, ranges: Iterable[tuple[int, int]]) -> Ground:
        """The places of a series, and what is stored of it in some ranges."""
        length = Interval.parse(dataset.interval).nanos
        alignment = (self._asked.alignment if self._asked else None) or "session"
        halts = tuple(self._asked.halts) if self._asked else ()
        rules = ExpectationRules(dense, self._now_ns(), alignment, halts=halts)
        schedule = await self._schedule(dataset)
        grid = await asyncio.to_thread(lambda: Grid.of(expectation_of(dataset, schedule, rules)))
        stored: Rows = {}
        for ts_from, ts_to in Ranges(ranges, _NEAR_BARS * length):
            table = await stored_bars(self._reader, replace(dataset, ts_from=ts_from, ts_to=ts_to))
            stored |= await asyncio.to_thread(by_time, table)
        return Ground(grid, stored, length)

    async def _enter(self, dataset: Dataset, holes: Sequence[Defect]) -> tuple[LedgerEntry, ...]:
        if self._ledger is None:
            return ()
        found = []
        for each in holes:
            await self._ledger.enter(replace(dataset, ts_from=each.ts_from, ts_to=each.ts_to), VENUE_MISSING)
            found.append(LedgerEntry(each.ts_from, each.ts_to, VENUE_MISSING))
        return tuple(found)


def _unknown(defect: Defect, text: str) -> JudgedDefect:
    return JudgedDefect(defect, Verdict.UNKNOWN, "", (Testimony("", 0, 0, 0, text),))


def _vanished(defect: Defect, ranges: Sequence[tuple[int, int]], ground: Ground) -> list[JudgedDefect]:
    """The parts of a defect in which nothing is wrong any more."""
    found = []
    for ts_from, ts_to in ranges:
        hole = family_of(defect.code) == "missing"
        places = ground.keys_of(defect) if hole else ground.keys_of(defect._replace(code=""))
        total = len(between(places, ts_from, ts_to))
        if total or (ts_from, ts_to) == (defect.ts_from, defect.ts_to):
            found.append(JudgedDefect(part_of(defect, ts_from, ts_to, total or defect.total), Verdict.VANISHED))
    return found


__all__ = ["SeriesRepairs"]
