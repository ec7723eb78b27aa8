"""Rows of a series as columns: bars as they are checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marketprism_application.integrity.exact_numbers import (
    ArrowColumn,
    ExactNumbers,
    Flags,
    Ints,
    concatenated,
    exact_numbers,
)
from marketprism_domain.integrity.report import SampleRow

Index = NDArray[np.intp]
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class BarRows:
    """Bars in columns; the four prices have one unit.

    `ts` is when a bar opens, nanoseconds UTC; `row` its number in the file, from 1, or 0. `digits` are those of the
    time as the file has it, 0 where it is text. Columns that a series does not have are None.
    """

    ts: Ints
    row: Ints
    open: ExactNumbers
    high: ExactNumbers
    low: ExactNumbers
    close: ExactNumbers
    volume: ExactNumbers
    turnover: ExactNumbers | None = None
    open_interest: ExactNumbers | None = None
    trades: Ints | None = None
    gap: Flags | None = None
    digits: Ints | None = None

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def of(cls, table: pa.Table | pa.RecordBatch) -> Self:
        """Columns of a table of bars: `ts_open`, the prices, `volume`, and what else there is of them.

        Raises:
            KeyError: a column that bars have is not there.
        """
        names = set(table.schema.names)
        prices = [exact_numbers(table.column(name)) for name in PRICES]
        scale = max(each.scale for each in prices)
        count = table.num_rows

        def maybe(name: str) -> ExactNumbers | None:
            if name not in names or table.column(name).null_count == count:
                return None
            return exact_numbers(table.column(name))

        def ints(name: str) -> Ints | None:
            if name not in names or table.column(name).null_count:
                return None
            return _plain(table.column(name)).astype(np.int64)

        row = ints("row")
        return cls(
            _plain(table.column("ts_open")).astype(np.int64),
            np.zeros(count, dtype=np.int64) if row is None else row,
            prices[0].scaled(scale),
            prices[1].scaled(scale),
            prices[2].scaled(scale),
            prices[3].scaled(scale),
            exact_numbers(table.column("volume")),
            maybe("turnover"),
            maybe("open_interest"),
            ints("trades"),
            None if "gap" not in names else _plain(table.column("gap")).astype(np.bool_),
            ints("digits"),
        )

    def taken(self, index: Index | Flags | slice) -> BarRows:
        """Some of the rows."""

        def part(numbers: ExactNumbers | None) -> ExactNumbers | None:
            return None if numbers is None else numbers.taken(index)

        return BarRows(
            self.ts[index],
            self.row[index],
            self.open.taken(index),
            self.high.taken(index),
            self.low.taken(index),
            self.close.taken(index),
            self.volume.taken(index),
            part(self.turnover),
            part(self.open_interest),
            None if self.trades is None else self.trades[index],
            None if self.gap is None else self.gap[index],
            None if self.digits is None else self.digits[index],
        )

    def in_order(self) -> BarRows:
        """The rows by time; rows of one time in the order in which they are."""
        if len(self) < 2 or bool((self.ts[1:] >= self.ts[:-1]).all()):
            return self
        return self.taken(np.argsort(self.ts, kind="stable"))

    def at(self, ts: Ints) -> BarRows:
        """The same rows at other times."""
        return replace(self, ts=ts)

    def fitted(self, other: BarRows) -> tuple[BarRows, BarRows]:
        """Both with prices and volumes in the units of the finer of the two."""
        scale, volume = max(self.open.scale, other.open.scale), max(self.volume.scale, other.volume.scale)
        return self._scaled(scale, volume), other._scaled(scale, volume)

    def _scaled(self, scale: int, volume: int) -> BarRows:
        return replace(
            self,
            open=self.open.scaled(scale),
            high=self.high.scaled(scale),
            low=self.low.scaled(scale),
            close=self.close.scaled(scale),
            volume=self.volume.scaled(volume),
        )

    def sample(self, index: int, *fields: str) -> SampleRow:
        """One row as evidence, with these of its fields, the prices and the volume without."""
        values = []
        for name in fields or (*PRICES, "volume"):
            column = getattr(self, name)
            if isinstance(column, ExactNumbers):
                values.append((name, column.text(index)))
            elif column is not None:
                values.append((name, str(column[index])))
        return SampleRow(int(self.row[index]), int(self.ts[index]), tuple(values))


def joined(parts: list[BarRows]) -> BarRows:
    """Several parts of a series as one."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]

    def numbers(name: str) -> ExactNumbers | None:
        columns = [getattr(part, name) for part in parts]
        return None if any(column is None for column in columns) else concatenated(columns)

    def plain(name: str) -> NDArray[np.int64] | None:
        columns = [getattr(part, name) for part in parts]
        return None if any(column is None for column in columns) else np.concatenate(columns)

    prices = [concatenated([getattr(part, name) for part in parts]) for name in PRICES]
    scale = max(each.scale for each in prices)
    gap = None if first.gap is None else np.concatenate([part.gap for part in parts if part.gap is not None])
    return BarRows(
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.row for part in parts]),
        prices[0].scaled(scale),
        prices[1].scaled(scale),
        prices[2].scaled(scale),
        prices[3].scaled(scale),
        concatenated([part.volume for part in parts]),
        numbers("turnover"),
        numbers("open_interest"),
        plain("trades"),
        gap,
        plain("digits"),
    )


def _plain(column: ArrowColumn) -> NDArray[np.int64]:
    found: NDArray[np.int64] = (
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    )
    return found
