"""A series checked again, as it is stored or with other rows in it, and two checks beside one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from marketprism_application.contracts.questions import Question, Records, next_of
from marketprism_application.contracts.repairs import SeriesState
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.stored_check import Ask, StoredCheck, StoredSeries
from marketprism_application.repairing.ranges import Ranges
from marketprism_application.repairing.rows import times_of
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.report import Certainty, Defect, IntegrityReport
from marketprism_domain.sessions.calendar import MarketCalendar

# What a check says of a group for which no other source was asked, or there was none of it.
_NOT_ASKED = {
    "day_sums": "no bars of days to add up to",
    "klines": "no klines of the venue",
    "trades": "no trades",
}
_DAY_SUMS = "volume_mismatch"


def against_of(report: IntegrityReport) -> tuple[str, ...]:
    """The other sources that a stored series was held against, as its report tells."""
    groups = {each.group for each in report.checks if each.ran or each.reason not in (_NOT_ASKED.get(each.group), "")}
    found = []
    if "day_sums" in groups and report.dataset.interval not in ("1d", "1w"):
        found.append("daily")
    if "klines" in groups:
        found.append("ticks" if is_chinese(report.dataset.venue) else "kline")
    if "trades" in groups:
        found.append("trade")
    return tuple(found)


def family_of(code: str) -> str:
    """One word for the codes of one thing: a bar that is missing, or several."""
    return "missing" if code.startswith("missing_") else code


class Overlay:
    """Asks as another one does; rows of a series stand in the answers in the place of those that are stored. `rows` are
    in the columns of the series' kind, in order, each bar once."""

    def __init__(self, ask: Ask, dataset: Dataset, rows: pa.Table) -> None:
        self._ask, self._dataset, self._rows = ask, dataset, rows
        self._times = times_of(rows)

    async def __call__(self, question: Question) -> pa.Table:
        """The answer to a question."""
        page = await self._ask(question)
        dataset = self._dataset
        if (
            not isinstance(question, Records)
            or (question.kind, question.venue, question.symbol) != (dataset.kind, dataset.venue, dataset.symbol)
            or question.interval != dataset.interval
            or question.made_of
            or question.as_of is not None
            or not len(self._times)
        ):
            return page
        return self._laid_over(question, page)

    def _laid_over(self, question: Records, page: pa.Table) -> pa.Table:
        """The page with the rows that lie in its time: up to its last row, where another page follows."""
        times = times_of(page)
        begin = 0 if question.ts_from is None else int(np.searchsorted(self._times, question.ts_from))
        if question.after is not None:
            begin = max(begin, int(np.searchsorted(self._times, int(question.after[0]), side="right")))
        end = len(self._times) if question.ts_to is None else int(np.searchsorted(self._times, question.ts_to))
        if next_of(page) is not None or page.num_rows >= question.limit:
            end = min(end, int(np.searchsorted(self._times, int(times[-1]), side="right")))
        if end <= begin:
            return page
        own = self._rows.slice(begin, end - begin).select(page.column_names).cast(page.schema.remove_metadata())
        kept = page.filter(pa.array(~np.isin(times, self._times[begin:end]))).replace_schema_metadata(None)
        whole = pa.concat_tables([kept, own])
        order = np.argsort(times_of(whole), kind="stable")
        return whole.take(pa.array(order, pa.int64())).replace_schema_metadata(page.schema.metadata)


class SeriesChecks:
    """Checks of one dataset, each as the first one was: its range, its density, what it was held against. `asked` has
    what only whoever asked knows: halts, a listing, terms."""

    def __init__(
        self, ask: Ask, calendar: MarketCalendar, dataset: Dataset, against: tuple[str, ...], asked: CheckAsked
    ) -> None:
        self._ask, self._calendar, self._dataset = ask, calendar, dataset
        self._against, self._asked = against, asked

    async def report(self, rows: pa.Table | None = None) -> IntegrityReport:
        """The report of what is stored, with these rows in the place of those that are stored.

        Raises:
            What `ask` raises.
        """
        dataset = self._dataset
        series = StoredSeries(dataset.kind, dataset.venue, dataset.symbol, dataset.interval)
        asked = replace(self._asked, ts_from=dataset.ts_from, ts_to=dataset.ts_to, confirmed=True)
        ask: Ask = self._ask if rows is None else Overlay(self._ask, dataset, rows)
        return await StoredCheck(ask, series, self._calendar, asked, self._against, exact=dataset).report()


def state_of(report: IntegrityReport) -> SeriesState:
    """What a report comes to."""
    return SeriesState(len(report.defects), defect_rows(report), report.missing, report.score, report.grade)


def defect_rows(report: IntegrityReport) -> int:
    """How many bars the defects of a report count, a bar once for each defect."""
    return sum(each.total for each in report.defects)


def is_better(before: IntegrityReport, after: IntegrityReport) -> bool:
    """Whether of what was wrong before less is wrong now."""
    known = _known(before)
    left = sum(each.total for each in after.defects if _is_known(each, known))
    return left < defect_rows(before)


def _known(report: IntegrityReport) -> dict[str, Ranges]:
    """The ranges of the defects of a report, by what they are."""
    found: dict[str, list[tuple[int, int]]] = {}
    for each in report.defects:
        found.setdefault(family_of(each.code), []).append((each.ts_from, each.ts_to))
    return {family: Ranges(ranges) for family, ranges in found.items()}


def new_defects(before: IntegrityReport, after: IntegrityReport) -> Iterator[Defect]:
    """What a later check finds that the earlier one did not.

    Prices that only look wrong (a jump, a price that stands still) are none of it where the bars are a witness' own.
    Of a day that lacked bars nothing could be added up before: what is found of its sums then is not new either.
    """
    known = _known(before)
    lacking = known.get("missing", Ranges(()))
    for each in after.defects:
        if each.certainty is Certainty.SUSPECT or _is_known(each, known):
            continue
        if each.code == _DAY_SUMS and lacking.meet(each.ts_from, each.ts_to):
            continue
        yield each


def _is_known(defect: Defect, known: Mapping[str, Ranges]) -> bool:
    """Whether an earlier check found it, too, in all of its range."""
    ranges = known.get(family_of(defect.code))
    return ranges is not None and ranges.cover(defect.ts_from, defect.ts_to)


__all__ = [
    "Overlay",
    "SeriesChecks",
    "against_of",
    "defect_rows",
    "family_of",
    "is_better",
    "new_defects",
    "state_of",
]
