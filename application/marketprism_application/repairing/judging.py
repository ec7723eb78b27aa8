"""Whose each defect of a report is: witnesses are asked one after the other, until each bar has its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from marketprism_application.contracts.times import iso_short
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.integrity.exact_numbers import Ints
from marketprism_application.ports.witnesses import Witness
from marketprism_application.repairing.asking import SPEAKS_FOR_VENUE, Answer, ask_about
from marketprism_application.repairing.building import RowMaker, chosen
from marketprism_application.repairing.cases import OF_DAYS, SURPLUS, Case, Ground, is_wrong, parts
from marketprism_application.repairing.checking import SeriesChecks, family_of
from marketprism_application.repairing.ranges import Ranges
from marketprism_application.repairing.rows import Rows, differing
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.report import Certainty, Defect, IntegrityReport
from marketprism_domain.integrity.verdicts import SETTLED_AFTER_NS, JudgedDefect, Testimony, Verdict


class Judging:
    """One report being judged. `dense`: a bar without volume is one all the same."""

    def __init__(
        self, dataset: Dataset, ground: Ground, checks: SeriesChecks, maker: RowMaker, *, dense: bool, now_ns: int
    ) -> None:
        self._dataset, self._ground, self._checks, self._maker = dataset, ground, checks, maker
        self._dense, self._now_ns = dense, now_ns
        self._answers: dict[str, Answer] = {}
        self.requests = 0

    async def judge(self, cases: Sequence[Case], witnesses: Sequence[Witness], pause_s: float) -> list[JudgedDefect]:
        """The cases with their verdicts, in parts where witnesses judge parts differently.

        Raises:
            What the check raises.
        """
        able = [each for each in witnesses if each.knows(self._dataset)]
        for witness in able:
            await self._hear(witness, cases, pause_s)
        found: list[JudgedDefect] = []
        for case in cases:
            self._finish(case, able)
            testimonies = self._testimonies(case, able)
            found += parts(case, self._ground, testimonies, self._ground.grid.day_at)
        return found

    async def _hear(self, witness: Witness, cases: Sequence[Case], pause_s: float) -> None:
        """What one witness says of every bar that is not decided yet."""
        opens: Ints = np.array(sorted({ts for case in cases for ts in case.pending}), dtype=np.int64)
        if not len(opens):
            return
        answer = await ask_about(witness, self._dataset, opens, self._ground.closes(opens), pause_s)
        if not self._dense:  # a bar without a trade is none of such a series
            answer.rows = {ts: row for ts, row in answer.rows.items() if row["volume"]}
        self._answers[witness.name] = answer
        self.requests += answer.requests
        candidates: Rows = {}
        wanted: list[tuple[Case, list[int]]] = []
        for case in cases:
            differ = self._differing(case, answer, witness.name)
            if differ:
                wanted.append((case, differ))
                candidates |= chosen(answer.rows, differ)
        if wanted:
            report = await self._checks.report(await self._table(candidates))
            for case, differ in wanted:
                self._weigh(case, differ, report, witness.name)

    async def _table(self, rows: Rows) -> pa.Table:
        opens = np.array(sorted(rows), dtype=np.int64)
        closes = dict(zip(opens.tolist(), self._ground.closes(opens).tolist(), strict=True))
        return await asyncio.to_thread(self._maker.table, rows, self._ground.stored, closes)

    def _differing(self, case: Case, answer: Answer, name: str) -> list[int]:
        """Bars of a case that the witness has otherwise than they are stored; those that are stored alike are the
        venue's, but of a day's sum, which is about all of its bars."""
        fields = HISTORY_KINDS[self._dataset.kind].compared
        stored = self._ground.stored
        alike: list[int] = []
        differ: list[int] = []
        for ts in case.pending:
            row = answer.rows.get(ts)
            if row is None:
                continue
            same = ts in stored and not differing(stored[ts], row, fields)
            (alike if same else differ).append(ts)
        if case.defect.code != OF_DAYS or not differ:
            case.verdicts |= dict.fromkeys(alike, (Verdict.VENUE, name))
        return differ

    def _weigh(self, case: Case, differ: list[int], report: IntegrityReport, name: str) -> None:
        """With the witness' rows in their places, which pass the checks and which do not."""
        family = family_of(case.defect.code)
        failing = Ranges(
            (each.ts_from, each.ts_to)
            for each in is_wrong(report)
            if family_of(each.code) == family or (each.certainty is not Certainty.SUSPECT and each.code != OF_DAYS)
        )
        fails = failing.hold(np.array(differ, dtype=np.int64))
        for ts, wrong in zip(differ, fails.tolist(), strict=True):
            if wrong:
                case.tentative[ts] = (Verdict.BOTH, name)
            else:
                case.verdicts[ts] = (Verdict.OURS, name)
        if case.defect.code == OF_DAYS and not any(ts in case.tentative for ts in differ):
            case.keys = case.keys[np.isin(case.keys, np.array(differ))]  # the others are right

    def _finish(self, case: Case, able: Sequence[Witness]) -> None:
        """What nobody has decided."""
        voices = [each.name for each in able if each.name in SPEAKS_FOR_VENUE]
        closes = dict(zip(case.keys.tolist(), self._ground.closes(case.keys).tolist(), strict=True))
        if case.defect.code == OF_DAYS:  # of a minute that nobody has there was no trade
            decided = [ts for ts in case.keys.tolist() if ts in self._ground.stored or ts not in case.pending]
            case.keys = np.array([*decided, *(ts for ts in case.tentative if ts not in decided)], dtype=np.int64)
            case.keys.sort()
        for ts in case.pending:
            if ts in case.tentative:
                case.verdicts[ts] = case.tentative[ts]
                continue
            lacking = next((name for name in voices if ts in self._answers[name].asked), "")
            settled = self._now_ns - closes[ts] >= SETTLED_AFTER_NS
            if lacking and self._answers[lacking].error:
                lacking = ""
            if not lacking or (case.is_hole and not settled) or not (case.is_hole or case.defect.code in SURPLUS):
                case.verdicts[ts] = (Verdict.UNKNOWN, "")
            else:
                case.verdicts[ts] = (Verdict.VENUE if case.is_hole else Verdict.OURS, lacking)

    def _testimonies(self, case: Case, able: Sequence[Witness]) -> _Testimonies:
        return _Testimonies(case, [each.name for each in able], self._answers, self._ground, self._now_ns)


class _Testimonies:
    """What witnesses said of some bars of a case."""

    def __init__(
        self, case: Case, names: Sequence[str], answers: dict[str, Answer], ground: Ground, now_ns: int
    ) -> None:
        self._case, self._names, self._answers, self._ground, self._now_ns = case, names, answers, ground, now_ns

    def __call__(self, bars: list[int]) -> tuple[Testimony, ...]:
        """Of every witness that was asked about them; without one, why there is none."""
        found = []
        for name in self._names:
            answer = self._answers.get(name)
            asked = [ts for ts in bars if answer is not None and ts in answer.asked]
            if answer is None or not (asked or answer.error):
                continue
            has = sum(ts in answer.rows for ts in asked)
            times = max((answer.asked[ts] for ts in asked), default=0)
            found.append(Testimony(name, times, has, len(asked) - has, answer.error or self._text(name, bars)))
        if not found:
            return (Testimony("", 0, 0, 0, "no witness has bars of this series"),)
        return tuple(found)

    def _text(self, name: str, bars: list[int]) -> str:
        """What follows from the age of bars that the venue lacks."""
        verdict, _ = self._case.verdicts[bars[0]]
        if verdict is not Verdict.UNKNOWN:
            surplus = self._case.defect.code in SURPLUS and verdict is Verdict.OURS
            return "it has no such bar; what is stored is not taken out" if surplus else ""
        if name not in SPEAKS_FOR_VENUE:
            return "that it has no such bar says nothing of the venue"
        if not self._case.is_hole:
            return "it has no such bar to compare"
        end = int(self._ground.closes(np.array(bars[-1:], dtype=np.int64))[0])
        return f"too young to be judged, from {iso_short(end + SETTLED_AFTER_NS)} on it can be"


def holes_of(judged: Sequence[JudgedDefect]) -> list[Defect]:
    """Holes that are the venue's."""
    return [
        each.defect for each in judged if each.verdict is Verdict.VENUE and family_of(each.defect.code) == "missing"
    ]


__all__ = ["Judging", "holes_of"]
