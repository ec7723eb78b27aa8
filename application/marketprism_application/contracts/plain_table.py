"""A table without Arrow: what an answer is to a program that has no pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Row: TypeAlias = dict[str, object]


class PlainColumn(list[object]):
    """Values of a column, with the one word of Arrow's that is needed of it."""

    def to_pylist(self) -> list[object]:
        """The values, which the column is."""
        return self


class PlainSchema(NamedTuple):
    """What an answer says of itself, as a schema of Arrow's carries it."""

    metadata: Mapping[bytes, bytes] | None


class PlainTable:
    """Columns of Python values, under the names that a table of Arrow's has for what both can do."""

    def __init__(self, columns: Mapping[str, Sequence[object]], metadata: Mapping[bytes, bytes] | None = None) -> None:
        self._columns = {name: PlainColumn(values) for name, values in columns.items()}
        self.schema = PlainSchema(metadata)

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self._columns)

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self._columns.values()), ()))

    def column(self, name: str) -> PlainColumn:
        """The column of a name. Raises KeyError: there is none of that name."""
        return self._columns[name]

    def to_pylist(self) -> list[Row]:
        """Its rows, each a map by column."""
        return list(self._rows())

    def _rows(self) -> Iterator[Row]:
        names = self.column_names
        return (dict(zip(names, values, strict=True)) for values in zip(*self._columns.values(), strict=True))

    def to_batches(self, max_chunksize: int) -> Iterator[PlainTable]:
        """The same rows, so many at a time."""
        for first in range(0, self.num_rows, max_chunksize):
            yield self.slice(first, max_chunksize)

    def slice(self, offset: int = 0, length: int | None = None) -> PlainTable:
        """The rows from `offset` on, `length` of them."""
        end = None if length is None else offset + length
        return PlainTable({name: values[offset:end] for name, values in self._columns.items()}, self.schema.metadata)

    def select(self, names: Sequence[str]) -> PlainTable:
        """The columns that are named. Raises KeyError: there is none of that name."""
        return PlainTable({name: self._columns[name] for name in names}, self.schema.metadata)

    def sort_by(self, sorting: Sequence[tuple[str, str]]) -> PlainTable:
        """The rows, ordered by columns whose values are all there; only `ascending` is known."""
        order = sorted(self.to_pylist(), key=itemgetter(*(name for name, _ in sorting)))
        return PlainTable({name: [row[name] for row in order] for name in self._columns}, self.schema.metadata)

    def replace_schema_metadata(self, metadata: Mapping[bytes, bytes] | None) -> PlainTable:
        """The rows, with what else is said of them."""
        return PlainTable(self._columns, metadata)


def plainly_together(tables: Sequence[PlainTable]) -> PlainTable:
    """The rows of tables of the same columns, one below the other."""
    names = tables[0].column_names
    return PlainTable({name: [value for each in tables for value in each.column(name)] for name in names})


Table: TypeAlias = "pa.Table | PlainTable"

__all__ = ["PlainColumn", "PlainTable", "Table", "plainly_together"]
