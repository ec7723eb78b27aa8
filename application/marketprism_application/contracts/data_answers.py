"""What the data service answers, as records. Times are nanoseconds UTC, trading days YYYYMMDD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from marketprism_application.contracts.data_jobs import JobShown, TaskShown
from marketprism_domain.integrity.report import Certainty, Severity
from marketprism_domain.integrity.verdicts import Verdict

_FULL = 100.0


class DatasetShown(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one kind of one instrument in [ts_from, ts_to)."""

    kind: str
    venue: str
    symbol: str
    interval: str | None = None
    ts_from: int = 0
    ts_to: int = 0

    def __str__(self) -> str:
        return f"{self.venue}.{self.symbol} {self.interval or self.kind}"


class FoundDefect(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of a check: `count` are all rows or bars of it, `rows` the first ten as evidence."""

    code: str
    severity: Severity
    certainty: Certainty
    ts_from: int
    ts_to: int
    count: int
    trading_day: str | None = None
    text: str = ""
    rows: Sequence[Mapping[str, object]] = ()


class GroupRun(msgspec.Struct, frozen=True):
    """Whether a group of checks ran, and why it could not where it did not."""

    group: str
    ran: bool
    reason: str | None = None


class CoveredDay(msgspec.Struct, frozen=True):
    """How many bars of a trading day must be there and are; `state` complete, partly or empty."""

    trading_day: str
    expected: int
    present: int
    state: str = ""


class SeriesReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found of one series, the numbers being bars: the form of `data check --json`."""

    dataset: DatasetShown
    expected: int
    present: int
    missing: int
    empty: int = 0
    unexpected: int = 0
    duplicate: int = 0
    repeated: int = 0
    rows: int = 0
    score: float
    grade: str
    clean: bool
    defects: Sequence[FoundDefect] = ()
    notices: Sequence[FoundDefect] = ()
    checks: Sequence[GroupRun] = ()
    coverage: Sequence[CoveredDay] = ()
    remarks: Sequence[str] = ()


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found: a report a series, and what could not be checked (`failed`, each with its `error`)."""

    job: JobShown
    series: Sequence[SeriesReport] = ()
    failed: Sequence[TaskShown] = ()

    @property
    def id(self) -> str:
        """The job, by which `recheck` and `repair` know the check."""
        return self.job.id

    @property
    def defects(self) -> tuple[FoundDefect, ...]:
        """Those of every series."""
        return tuple(defect for each in self.series for defect in each.defects)

    @property
    def notices(self) -> tuple[FoundDefect, ...]:
        """What is worth a look and no defect, of every series."""
        return tuple(notice for each in self.series for notice in each.notices)

    @property
    def expected(self) -> int:
        """Bars that must be there, of every series."""
        return sum(each.expected for each in self.series)

    @property
    def present(self) -> int:
        """Bars that are there, of every series."""
        return sum(each.present for each in self.series)

    @property
    def missing(self) -> int:
        """Bars that must be there and are not, of every series."""
        return sum(each.missing for each in self.series)

    @property
    def is_clean(self) -> bool:
        """Whether every series could be checked, and nothing is wrong."""
        return not self.failed and all(each.clean for each in self.series)

    @property
    def score(self) -> float:
        """0 to 100: that of the series by their expected bars; below 100 where anything is wrong."""
        weights = [max(each.expected, each.rows, 1) for each in self.series]
        whole = sum(weight * each.score for weight, each in zip(weights, self.series, strict=True))
        exact = whole / sum(weights) if weights else 0.0
        return min(round(exact, 2), _FULL if self.is_clean else 99.99)


class TestimonyShown(msgspec.Struct, frozen=True):
    """What one witness answered about a defect: how often it was asked, how many rows it has and lacks."""

    witness: str
    asked: int = 0
    has: int = 0
    lacks: int = 0
    text: str = ""


class JudgedFinding(FoundDefect, frozen=True, kw_only=True):
    """A defect and whose it is; `witness` is the one that decided, empty for none."""

    verdict: Verdict
    witness: str = ""
    testimonies: Sequence[TestimonyShown] = ()


class JudgedSeries(msgspec.Struct, frozen=True, kw_only=True):
    """The judged defects of one series."""

    number: int
    dataset: DatasetShown
    judged: Sequence[JudgedFinding] = ()


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """Whose the defects of a check are: `counts` of bars by verdict (ours, venue, both, vanished, unknown)."""

    recheck: str
    counts: Mapping[str, int] = {}
    reports: Sequence[JudgedSeries] = ()

    @property
    def judged(self) -> tuple[JudgedFinding, ...]:
        """Those of every series."""
        return tuple(finding for each in self.reports for finding in each.judged)


class RangeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A range that is there without a hole, or that is fetched once more, and from whom; `bars` where it is counted."""

    ts_from: int
    ts_to: int
    bars: int | None = None
    witness: str = ""


class PlanShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair of one series takes: requests, and seconds by the budget of whoever is asked. `bars` are mended,
    `left` bars are ours and should not be there, which no revision mends."""

    parts: int = 0
    bars: int = 0
    left: int = 0
    ranges: Sequence[RangeShown] = ()
    requests: int = 0
    seconds: float = 0.0


class StateShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found before a repair, or after it; `rows` are those that its defects count."""

    defects: int = 0
    rows: int = 0
    missing: int = 0
    score: float = 0.0
    grade: str = ""


class ChangeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a bar that a repair has changed."""

    ts: int
    field: str
    before: str | None = None
    after: str | None = None


class LedgerShown(msgspec.Struct, frozen=True, kw_only=True):
    """A range that is known to be missing, and why."""

    ts_from: int
    ts_to: int
    cause: str


class RepairedSeries(msgspec.Struct, frozen=True, kw_only=True):
    """The repair of one series. `revisions` bars were replaced, `inserted` were not there, `longer` of longer intervals
    were made again. `dataset` None: it was not begun. `after` None: it was not proved, as of a dry run. `undone`: the
    proof failed, and the former values hold again."""

    number: int
    dataset: DatasetShown | None = None
    stage: str = ""
    plan: PlanShown | None = None
    before: StateShown | None = None
    after: StateShown | None = None
    revisions: int = 0
    inserted: int = 0
    longer: int = 0
    changes: Sequence[ChangeShown] = ()
    changes_total: int = 0
    ledger: Sequence[LedgerShown] = ()
    undone: bool = False
    error: str = ""


class RepairReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair did, or of a dry run what it would take."""

    job: JobShown
    series: Sequence[RepairedSeries] = ()

    @property
    def id(self) -> str:
        """The job of the repair."""
        return self.job.id

    @property
    def defects_left(self) -> int:
        """Defects that are there now, of every series."""
        return sum(left.defects for each in self.series if (left := each.after or each.before) is not None)

    @property
    def requests(self) -> int:
        """Requests that the plans take."""
        return sum(each.plan.requests for each in self.series if each.plan is not None)

    @property
    def seconds(self) -> float:
        """Seconds that the plans take at least."""
        return sum(each.plan.seconds for each in self.series if each.plan is not None)


class CoverageShown(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a series is there: by trading day, and as ranges without a hole."""

    dataset: DatasetShown
    expected: int
    present: int
    missing: int
    days: Sequence[CoveredDay] = ()
    ranges: Sequence[RangeShown] = ()


class StoredSeriesShown(msgspec.Struct, frozen=True, kw_only=True):
    """A stored series: the times of its first and its last row, and how many it has where that is known."""

    kind: str
    venue: str
    symbol: str
    interval: str | None = None
    first: int | None = None
    last: int | None = None
    rows: int | None = None


class BarRevisionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a bar: when it was published, by whom and why."""

    revision: int
    ts_pub: int
    source: str = ""
    cause: str = ""
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    volume: Decimal | None = None
    turnover: Decimal | None = None
    open_interest: Decimal | None = None


class RankedInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument in the order of a day: `change` is the share by which its price rose."""

    venue: str
    symbol: str
    day: str
    open: Decimal | None = None
    close: Decimal | None = None
    change: Decimal | None = None
    volume: Decimal | None = None
    turnover: Decimal | None = None


__all__ = [
    "BarRevisionShown",
    "ChangeShown",
    "CheckReport",
    "CoverageShown",
    "CoveredDay",
    "DatasetShown",
    "FoundDefect",
    "GroupRun",
    "JudgedFinding",
    "JudgedSeries",
    "LedgerShown",
    "PlanShown",
    "RangeShown",
    "RankedInstrument",
    "RepairReport",
    "RepairedSeries",
    "SeriesReport",
    "StateShown",
    "StoredSeriesShown",
    "TestimonyShown",
    "Verdicts",
]
