"""The series of a file on their way into the store: which are meant, what each becomes, and what its check found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketprism_application.history.importing import ImportResult
from marketprism_application.history.targets import ImportTarget, target_of
from marketprism_application.integrity.file_check import CheckAsked, check_file
from marketprism_application.ports.imports import FileHints, FileSeries, RowsFile
from marketprism_application.queries.symbol_names import NameIndex, StoredName
from marketprism_domain.integrity.report import Defect, IntegrityReport, Severity
from marketprism_domain.sessions.calendar import MarketCalendar

# What a file lacks is no fault of the rows that it has: another file may bring them.
_ABSENCE = frozenset({"missing_bar", "missing_range", "missing_trades", "funding_missing"})


@dataclass
class FoundSeries:
    """One series of a file on its way into the store; `name` is that of the file."""

    name: str
    file: RowsFile
    series: FileSeries
    target: ImportTarget
    report: IntegrityReport
    result: ImportResult | None = None
    refused: str = ""

    @property
    def faults(self) -> list[Defect]:
        """What is wrong with the rows that are there."""
        return [each for each in self.report.defects if each.severity is Severity.ERROR and each.code not in _ABSENCE]

    def refuse_faults(self) -> None:
        """Refuse a series with wrong rows, by the codes of what is wrong."""
        if codes := sorted({fault.code for fault in self.faults}):
            self.refused = f"{self.name}: not imported, for rows of it are wrong ({', '.join(codes)})"


@dataclass(frozen=True)
class FileMeaning:
    """What whoever gives a file says of it: `kind` of bars, the size of a contract, and the range, by series."""

    hints: FileHints
    asked: Callable[[FileSeries], CheckAsked]
    kind: str = ""
    size: Decimal | None = None


def series_of_file(name: str, file: RowsFile, meant: FileMeaning, calendar: MarketCalendar) -> list[FoundSeries]:
    """The series of a file that are meant, checked.

    Raises:
        QueryError, UnknownSymbolError: a series that the store does not take, or that is not in it. SourceError: rows
        that cannot be read.
    """
    found = []
    for series in _meant(file, meant.hints):
        target = target_of(file.facts, series, meant.kind, meant.size)
        report = check_file(file, series, calendar, meant.asked(series))
        found.append(FoundSeries(name, file, series, target, report))
    return found


def _meant(file: RowsFile, hints: FileHints) -> Sequence[FileSeries]:
    found = file.facts.series
    if len(found) > 1 and hints.symbol:
        name = NameIndex(StoredName(each.venue, each.symbol) for each in found).resolve(hints.symbol)
        found = tuple(each for each in found if each.symbol == name.symbol)
    if len(found) > 1 and hints.interval:
        found = tuple(each for each in found if each.interval == hints.interval) or found
    return found


__all__ = ["FileMeaning", "FoundSeries", "series_of_file"]
