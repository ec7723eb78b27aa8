"""What a check found: defects with all that they count, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from marketprism_domain.integrity.dataset import Dataset

SAMPLE_ROWS = 10  # rows that are shown of a defect; what is counted is never cut
_GRADES = ((99.0, "A"), (95.0, "B"), (90.0, "C"), (80.0, "D"))


class Severity(StrEnum):
    """How bad a finding is. A notice is no defect: it says what a reader would want to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Certainty(StrEnum):
    """How sure a finding is: certain by arithmetic, likely, or to be looked at (suspect)."""

    CERTAIN = "certain"
    LIKELY = "likely"
    SUSPECT = "suspect"


class SampleRow(NamedTuple):
    """A row as evidence: its number in the file (from 1, 0 where there is none), its time, and what it says."""

    row: int
    ts: int
    values: tuple[tuple[str, str], ...] = ()


class Defect(NamedTuple):
    """One finding over a range of time.

    `total` are the rows or bars of it, all of them; `rows` are the first of them. `weight` is what one of them costs
    the score, in bars.
    """

    code: str
    severity: Severity
    certainty: Certainty
    ts_from: int
    ts_to: int
    total: int
    trading_day: str = ""  # of the first one
    text: str = ""
    rows: tuple[SampleRow, ...] = ()
    weight: float = 1.0


class CheckRun(NamedTuple):
    """Whether a group of checks ran; `reason` says why it could not, empty where it did."""

    group: str
    ran: bool
    reason: str = ""


class DayCoverage(NamedTuple):
    """How many bars of a trading day must be there, and how many are."""

    trading_day: str
    expected: int
    present: int

    @property
    def state(self) -> str:
        """`complete`, `partly` or `empty`."""
        if self.present >= self.expected:
            return "complete"
        return "partly" if self.present else "empty"


@dataclass(frozen=True)
class IntegrityReport:
    """What was found of a dataset.

    `expected` bars must be there, `present` are, `missing` are not; `empty` are those of a sparse series that have no
    trade. `unexpected` rows lie where nothing can be. `duplicate` rows have the key of another one, `repeated` of them
    all its values too.
    """

    dataset: Dataset
    dense: bool
    expected: int
    present: int
    missing: int
    empty: int
    unexpected: int
    duplicate: int
    repeated: int
    rows: int
    defects: tuple[Defect, ...]
    notices: tuple[Defect, ...]
    checks: tuple[CheckRun, ...]
    coverage: tuple[DayCoverage, ...]
    remarks: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.defects

    @property
    def score(self) -> float:
        """0 to 100, two digits: the share of what is expected that no defect weighs on."""
        weighed = sum(defect.total * defect.weight for defect in self.defects)
        whole = max(self.expected, self.rows, 1)
        exact = 100.0 * max(0.0, 1.0 - weighed / whole)
        # A defect shows, however long the series: only one without any has 100.
        return min(round(exact, 2), 100.0 if self.is_clean else 99.99)

    @property
    def grade(self) -> str:
        """A from 99 on, B from 95, C from 90, D from 80, else F."""
        return next((grade for least, grade in _GRADES if self.score >= least), "F")
