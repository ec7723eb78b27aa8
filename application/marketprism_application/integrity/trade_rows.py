"""Trades as they are checked: columns of a tape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marketprism_application.integrity.exact_numbers import ExactNumbers, Flags, Ints, concatenated, exact_numbers
from marketprism_domain.integrity.report import SampleRow

Index = NDArray[np.intp]


@dataclass(frozen=True)
class TradeRows:
    """Trades in columns. `number` is the venue's own of each trade; it is None where those are no numbers.

    `first_id` and `last_id` are the trades that an aggregated one covers. `off_book` ones belong in no bar.
    """

    ts: Ints
    row: Ints
    price: ExactNumbers
    quantity: ExactNumbers
    number: Ints | None = None
    first_id: Ints | None = None
    last_id: Ints | None = None
    off_book: Flags | None = None
    digits: Ints | None = None

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def of(cls, table: pa.Table | pa.RecordBatch) -> Self:
        """Columns of a table of trades: `ts_event`, `price`, `quantity`, and what else there is of them."""
        names = set(table.schema.names)

        def ints(name: str) -> Ints | None:
            if name not in names or table.column(name).null_count:
                return None
            column = table.column(name)
            return np.asarray(
                column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
            )

        row = ints("row")
        off_book = ints("off_book")
        return cls(
            np.asarray(ints("ts_event"), dtype=np.int64),
            np.zeros(table.num_rows, dtype=np.int64) if row is None else row,
            exact_numbers(table.column("price")),
            exact_numbers(table.column("quantity")),
            ints("number"),
            ints("first_id"),
            ints("last_id"),
            None if off_book is None else off_book.astype(np.bool_),
            ints("digits"),
        )

    def taken(self, index: Index | Flags | slice) -> TradeRows:
        """Some of the rows."""

        def part(column: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
            return None if column is None else column[index]

        return TradeRows(
            self.ts[index],
            self.row[index],
            self.price.taken(index),
            self.quantity.taken(index),
            part(self.number),
            part(self.first_id),
            part(self.last_id),
            None if self.off_book is None else self.off_book[index],
            part(self.digits),
        )

    def in_order(self) -> TradeRows:
        """The rows by the venue's numbers, without them by time."""
        key = self.ts if self.number is None else self.number
        if len(self) < 2 or bool((key[1:] >= key[:-1]).all()):
            return self
        return self.taken(np.argsort(key, kind="stable"))

    def sample(self, index: int) -> SampleRow:
        """One row as evidence."""
        values = [("price", self.price.text(index)), ("quantity", self.quantity.text(index))]
        if self.number is not None:
            values.insert(0, ("number", str(self.number[index])))
        return SampleRow(int(self.row[index]), int(self.ts[index]), tuple(values))


def joined(parts: list[TradeRows]) -> TradeRows:
    """Several parts of a tape as one."""
    if len(parts) == 1:
        return parts[0]

    def plain(name: str) -> NDArray[np.int64] | None:
        columns = [getattr(part, name) for part in parts]
        return None if any(column is None for column in columns) else np.concatenate(columns)

    off_book = plain("off_book")
    return TradeRows(
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.row for part in parts]),
        concatenated([part.price for part in parts]),
        concatenated([part.quantity for part in parts]),
        plain("number"),
        plain("first_id"),
        plain("last_id"),
        None if off_book is None else off_book.astype(np.bool_),
        plain("digits"),
    )
