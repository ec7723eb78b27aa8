"""Checks of series that have no grid: trades, funding rates, open interest, best prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from marketprism_application.integrity import settlements, stamps, tape
from marketprism_application.integrity.catalogue import FUNDING, GROUPS, INTEREST, TRADES
from marketprism_application.integrity.exact_numbers import ExactNumbers, Ints, exact_numbers
from marketprism_application.integrity.findings import Index, defect
from marketprism_application.integrity.inputs import Inputs
from marketprism_application.integrity.shape import negative
from marketprism_application.integrity.trade_rows import TradeRows
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.report import CheckRun, Defect, IntegrityReport, SampleRow, Severity


@dataclass
class _Counts:
    """What a report has beside its defects."""

    expected: int
    present: int
    missing: int = 0
    duplicate: int = 0
    repeated: int = 0
    reasons: dict[str, str] = field(default_factory=dict)


def check_trades(
    trades: TradeRows, dataset: Dataset, inputs: Inputs, faults: Iterable[tuple[str, str]] | None
) -> IntegrityReport:
    """A tape by itself: numbers without a hole, each once, prices and amounts that can be and lie on their steps."""
    trades = trades.in_order()
    count = len(trades)
    differ, same = tape.repeated_numbers(trades)
    holes = list(tape.number_holes(trades))
    lacking = sum(each.total for each in holes)
    counts = _Counts(count - len(differ) - len(same) + lacking, count - len(differ) - len(same), lacking)
    counts.duplicate, counts.repeated = len(differ) + len(same), len(same)
    defects = [
        *holes,
        *tape.of_trades("duplicate", trades, differ),
        *tape.of_trades("repeated", trades, same),
        *tape.of_trades("ohlc", trades, tape.impossible(trades, may_be_negative=inputs.may_be_negative)),
    ]
    if inputs.terms:
        price, amount = tape.off_steps(trades, tuple(inputs.terms))
        defects += [*tape.of_trades("off_tick", trades, price), *tape.of_trades("off_step", trades, amount)]
    else:
        counts.reasons["step"] = "no terms of the instrument: its price step is not known"
    if trades.number is None:
        counts.reasons["trades"] = "the trades have no numbers"
    defects += _units(trades.ts, trades.digits, trades.sample, counts)
    return _report(dataset, TRADES, counts, count, defects, faults)


def check_funding(table: pa.Table, dataset: Dataset, faults: Iterable[tuple[str, str]] | None) -> IntegrityReport:
    """Funding rates: each settlement of the range has one, and no time has two."""
    column = _Column(table, "rate")
    due, absent = settlements.settlements(column.ts, dataset.ts_from, dataset.ts_to)
    counts = _Counts(len(due), len(due) - len(absent), len(absent))
    defects = [*settlements.missing_settlements(due, absent), *column.repeats(counts)]
    defects += _units(column.ts, column.digits, column.sample, counts)
    return _report(dataset, FUNDING, counts, len(column.ts), defects, faults)


def check_values(
    table: pa.Table, dataset: Dataset, value: str, faults: Iterable[tuple[str, str]] | None
) -> IntegrityReport:
    """Open interest, or another value over time: no time has two, and open interest is not negative."""
    column = _Column(table, value)
    counts = _Counts(len(column.ts), len(column.ts))
    defects = list(column.repeats(counts))
    if dataset.kind == INTEREST:
        below = np.flatnonzero(negative(column.values))
        defects += [_at("oi_negative", column, row) for row in below.tolist()]
    defects += _units(column.ts, column.digits, column.sample, counts)
    return _report(dataset, dataset.kind, counts, len(column.ts), defects, faults)


class _Column:
    """One value over time, in order."""

    def __init__(self, table: pa.Table, value: str) -> None:
        ts = np.asarray(table.column("ts_event").to_numpy(), dtype=np.int64)
        order: Index = np.argsort(ts, kind="stable")
        self.name = value
        self.ts: Ints = ts[order]
        self.values: ExactNumbers = exact_numbers(table.column(value)).taken(order)
        self.row: Ints = np.asarray(table.column("row").to_numpy(), dtype=np.int64)[order]
        self.digits: Ints = np.asarray(table.column("digits").to_numpy(), dtype=np.int64)[order]

    def sample(self, row: int) -> SampleRow:
        return SampleRow(int(self.row[row]), int(self.ts[row]), ((self.name, self.values.text(row)),))

    def repeats(self, counts: _Counts) -> Iterator[Defect]:
        again = np.flatnonzero(self.ts[1:] == self.ts[:-1]) + 1
        differ = np.asarray(self.values.units[again] != self.values.units[again - 1], dtype=np.bool_)
        counts.duplicate, counts.repeated = len(again), int((~differ).sum())
        counts.present -= len(again) if counts.present == len(self.ts) else 0
        for row, other in zip(again.tolist(), differ.tolist(), strict=True):
            yield _at("duplicate" if other else "repeated", self, row)


def _at(code: str, column: _Column, row: int) -> Defect:
    return defect(code, (int(column.ts[row]), int(column.ts[row]) + 1), 1, rows=(column.sample(row),))


def _units(ts: Ints, digits: Ints | None, sample: object, counts: _Counts) -> list[Defect]:
    if digits is None or not digits.any():
        counts.reasons["time_unit"] = "times are not numbers of a unit"
        return []
    assert callable(sample)  # noqa: S101 (one of the methods above)
    return list(stamps.mixed_units(ts, digits, sample))


def _report(
    dataset: Dataset,
    kind: str,
    counts: _Counts,
    rows: int,
    defects: list[Defect],
    faults: Iterable[tuple[str, str]] | None,
) -> IntegrityReport:
    for code, text in faults or ():
        defects.append(defect(code, (dataset.ts_from, dataset.ts_to), 1, text=text))
    if faults is None:
        counts.reasons["checksum"] = "no file: only a file has a sum"
    defects.sort(key=lambda each: (each.ts_from, each.code))
    checks = tuple(
        CheckRun(
            group.name,
            kind in group.kinds and group.name not in counts.reasons,
            counts.reasons.get(group.name, "") if kind in group.kinds else "not a check of this kind",
        )
        for group in GROUPS
    )
    return IntegrityReport(
        dataset,
        dense=False,
        expected=counts.expected,
        present=counts.present,
        missing=counts.missing,
        empty=0,
        unexpected=0,
        duplicate=counts.duplicate,
        repeated=counts.repeated,
        rows=rows,
        defects=tuple(each for each in defects if each.severity is not Severity.NOTICE),
        notices=tuple(each for each in defects if each.severity is Severity.NOTICE),
        checks=checks,
        coverage=(),
    )


__all__ = ["check_funding", "check_trades", "check_values"]
