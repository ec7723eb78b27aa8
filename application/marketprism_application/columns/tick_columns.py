"""Ticks of one instrument as columns, in the order of the log: what bars are made of, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketprism_application.columns.decimals import (
    DECIMAL,
    ArrowColumn,
    ByName,
    DecimalColumn,
    Flags,
    Ints,
    Rows,
    rows_of,
)
from marketprism_domain.marketdata.tick import Tick

NUMBERS = ("last", "volume", "turnover", "open_interest", "open", "high", "low", "traded", "traded_turnover")
TIMES = ("epoch", "seq", "ts_event", "ts_recv", "ts_pub")
_FIELDS: list[tuple[str, pa.DataType]] = [
    *((name, pa.int64()) for name in TIMES),
    ("source", pa.string()),
    ("verdict", pa.string()),
    *((name, DECIMAL) for name in NUMBERS),
]
COLUMNS = pa.schema(_FIELDS)
_STALE = "stale"


@dataclass(frozen=True)
class TickColumns:
    """Ticks of one instrument, the first to be counted first."""

    venue: str
    symbol: str
    epoch: Ints
    seq: Ints
    ts_event: Ints
    ts_recv: Ints
    ts_pub: Ints
    source: NDArray[np.int32]  # number in `sources`
    sources: tuple[str, ...]
    stale: Flags | None  # None where none is
    last: DecimalColumn
    volume: DecimalColumn
    turnover: DecimalColumn
    open_interest: DecimalColumn
    open: DecimalColumn
    high: DecimalColumn
    low: DecimalColumn
    traded: DecimalColumn
    traded_turnover: DecimalColumn

    @classmethod
    def of(cls, venue: str, symbol: str, table: pa.Table) -> TickColumns:
        """The columns of a table as `COLUMNS` has it; put in the order of the log, which epoch and number tell."""
        table = table.select(COLUMNS.names)
        table = table if table.schema.equals(COLUMNS) else table.cast(COLUMNS)
        columns: ByName = {name: _ints(table.column(name)) for name in TIMES}
        columns |= {name: DecimalColumn.of(table.column(name)) for name in NUMBERS}
        source, sources = _codes(table.column("source"))
        verdicts = table.column("verdict").chunks
        stale = _flags(pa.chunked_array([pc.equal(each, pa.scalar(_STALE)) for each in verdicts], pa.bool_()))
        found = cls(venue, symbol, source=source, sources=sources, stale=stale, **columns)
        return found._in_order()

    def _in_order(self) -> TickColumns:
        epoch, seq = self.epoch, self.seq
        if not len(seq) or (bool((seq[1:] > seq[:-1]).all()) and (epoch.min() == epoch.max() or _is_rising(epoch))):
            return self
        return self.taken(np.lexsort((seq, epoch)))

    def __len__(self) -> int:
        return len(self.ts_event)

    def taken(self, rows: Rows) -> TickColumns:
        """Some of the ticks, in this order."""
        columns: ByName = {name: rows_of(getattr(self, name), rows) for name in (*TIMES, "source")}
        columns |= {name: getattr(self, name).taken(rows) for name in NUMBERS}
        return replace(self, stale=None if self.stale is None else rows_of(self.stale, rows), **columns)

    def refined(self) -> TickColumns:
        """The same ticks, each column in a unit of which all its numbers are multiples.

        Raises:
            InexactColumn: there is none.
        """
        return replace(self, **{name: getattr(self, name).refined() for name in NUMBERS})

    def ticks(self, rows: Iterable[int]) -> Iterable[Tick]:
        """Ticks as the builder takes them one by one."""
        for row in rows:
            numbers = {name: getattr(self, name).decimal(row) for name in NUMBERS}
            yield Tick(
                self.venue,
                self.symbol,
                self.sources[int(self.source[row])],
                int(self.epoch[row]),
                int(self.seq[row]),
                int(self.ts_event[row]),
                int(self.ts_recv[row]),
                int(self.ts_pub[row]),
                0,
                "",
                verdict=_STALE if self.stale is not None and self.stale[row] else "",
                **numbers,
            )


def table_of(ticks: Iterable[Tick]) -> pa.Table:
    """Ticks as a table of `COLUMNS`."""
    rows = [{name: getattr(tick, name) for name in COLUMNS.names} for tick in ticks]
    return pa.Table.from_pylist(rows, COLUMNS)


def _is_rising(values: Ints) -> bool:
    return bool((values[1:] >= values[:-1]).all())


def _ints(column: ArrowColumn) -> Ints:
    return column.to_numpy().astype(np.int64, copy=False)


def _flags(column: ArrowColumn) -> Flags | None:
    """Flags of a column, where none is no; None where none is set."""
    if not any(chunk.true_count for chunk in column.chunks if isinstance(chunk, pa.BooleanArray)):
        return None
    found: Flags = column.fill_null(pa.scalar(False)).to_numpy().astype(np.bool_, copy=False)
    return found


def _codes(column: ArrowColumn) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Texts of which there are few as numbers, and which they are."""
    parts = [chunk for chunk in column.chunks if len(chunk)]
    if not parts:
        return np.zeros(0, np.int32), ()
    first = parts[0][0]
    if parts[-1][-1] == first and all(pc.equal(part, first).true_count == len(part) for part in parts):
        return np.zeros(len(column), np.int32), (str(first),)
    runs = [pc.call_function("run_end_encode", [part]) for part in parts]
    found = pa.concat_arrays([each.values for each in runs]).dictionary_encode()
    lengths = np.concatenate([np.diff(each.run_ends.to_numpy(), prepend=0) for each in runs])
    codes = np.repeat(found.indices.to_numpy().astype(np.int32, copy=False), lengths)
    return codes, tuple(str(each) for each in found.dictionary.to_pylist())


__all__ = ["COLUMNS", "TickColumns", "table_of"]
