"""Rows of a file beside those that are stored: which are new, which are there, which differ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import MAX_LIMIT, Records
from marketprism_application.errors import QueryError
from marketprism_application.history.file_rows import FileRows
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.history.quote_rows import best_differs
from marketprism_application.integrity.exact_numbers import ArrowArray, Flags
from marketprism_application.ports.history_log import SeriesKey
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.paging import all_pages

_SAMPLE = 10


class Conflict(NamedTuple):
    """A row of a file that differs from the one that is stored with its key."""

    ts: int
    row: int  # of the file
    field: str
    stored: str
    of_file: str


class Compared(NamedTuple):
    """A part of a file, sorted by what is stored: `fresh` rows have no other, `instead` stand instead of one.

    `conflicts` differ and are not taken; `sample` are the first that differ.
    """

    fresh: pa.Table
    instead: pa.Table
    same: int
    conflicts: int
    sample: tuple[Conflict, ...]


async def stored_rows(reader: StoreReader, series: SeriesKey, ts_from: int, ts_to: int) -> pa.Table | None:
    """What is stored of a series in [ts_from, ts_to), with the columns that are compared; None where nothing is."""
    what = HISTORY_KINDS[series.kind]
    kind = what.kind
    fields = tuple(dict.fromkeys((*kind.page_key, *what.compared, *what.more)))
    question = Records(
        kind.name, series.symbol, series.venue, ts_from, ts_to, series.interval or None, MAX_LIMIT, fields=fields
    )
    pages = [
        page.select(list(fields)).replace_schema_metadata(None) async for page in all_pages(reader.answer, question)
    ]
    return pa.concat_tables(pages) if pages else None


async def stored_count(reader: StoreReader, series: SeriesKey, ts_from: int, ts_to: int) -> int:
    """How many rows are stored of a series in [ts_from, ts_to)."""
    kind = KINDS[series.kind]
    question = Records(
        kind.name, series.symbol, series.venue, ts_from, ts_to, series.interval or None, MAX_LIMIT, fields=kind.page_key
    )
    return sum([page.num_rows async for page in all_pages(reader.answer, question)])


def beside(series: SeriesKey) -> int:
    """How far around a part of a file its rows may be stored, nanoseconds."""
    return HISTORY_KINDS[series.kind].beside_ns


def compared(part: FileRows, stored: pa.Table | None, series: SeriesKey, *, replace: bool) -> Compared:
    """The rows of a part of a file by what is stored. With `replace`, one that differs stands instead of what is there.

    Raises:
        QueryError: the stored tape is another one than the file's, single trades or those of one order together.
    """
    none = part.table.slice(0, 0)
    if stored is None:
        return Compared(part.table, none, 0, 0, ())
    what = HISTORY_KINDS[series.kind]
    if what.numbered:
        _check_tape(part.table, stored)
    at = pc.index_in(part.table.column(what.key).combine_chunks(), stored.column(what.key).combine_chunks())
    there = at.is_valid().to_numpy(zero_copy_only=False)
    place: ArrowArray = at.fill_null(0)
    forming = (
        there & ~_flags(stored, "closed", place) if "closed" in what.more else np.zeros(len(there), dtype=np.bool_)
    )
    differs = np.zeros(len(there), dtype=np.bool_)
    which = np.full(len(there), "", dtype=object)
    for name in what.compared:
        if name not in part.given:
            continue
        flags = _unlike(part.table.column(name).combine_chunks(), stored.column(name).combine_chunks().take(place))
        flags &= there & ~forming
        which[flags & ~differs] = name
        differs |= flags
    instead = forming | differs if replace else forming
    return Compared(
        part.table.filter(pa.array(~there)),
        _revised(part.table, stored, instead, place),
        int((there & ~differs & ~forming).sum()),
        0 if replace else int(differs.sum()),
        tuple(
            _conflict(part, stored, int(row), int(place[int(row)].as_py()), which, what.kind.time_field)
            for row in np.flatnonzero(differs)[:_SAMPLE]
        ),
    )


def _unlike(ours: ArrowArray, theirs: ArrowArray) -> Flags:
    """Where two columns have values that are not the same; of levels of books the best ones."""
    if pa.types.is_list(ours.type):
        return best_differs(ours, theirs)
    found: Flags = pc.not_equal(ours, theirs).fill_null(False).to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


def _revised(rows: pa.Table, stored: pa.Table, chosen: Flags, place: ArrowArray) -> pa.Table:
    """Rows that stand instead of stored ones: of bars each is the next revision."""
    found = rows.filter(pa.array(chosen))
    if "revision" in rows.column_names and found.num_rows:
        before = stored.column("revision").combine_chunks().take(place.filter(pa.array(chosen)))
        number = rows.column_names.index("revision")
        found = found.set_column(number, rows.schema.field(number), pc.add(before, 1))
    return found


def _flags(stored: pa.Table, name: str, place: ArrowArray) -> Flags:
    found: Flags = stored.column(name).combine_chunks().take(place).to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


def _check_tape(rows: pa.Table, stored: pa.Table) -> None:
    ours, theirs = (each.column("first_id").null_count < each.num_rows for each in (rows, stored))
    if rows.num_rows and ours != theirs:
        words = {True: "of aggregated trades", False: "of single trades"}
        raise QueryError(f"trades: expected a file {words[theirs]}, as those that are stored, was one {words[ours]}")


def _conflict(
    part: FileRows,
    stored: pa.Table,
    row: int,
    place: int,
    which: NDArray[np.object_],
    time: str,
) -> Conflict:
    name = str(which[row])
    return Conflict(
        int(part.table.column(time)[row].as_py()),
        int(part.row[row]),
        name,
        _text(stored.column(name)[place].as_py()),
        _text(part.table.column(name)[row].as_py()),
    )


def _text(value: object) -> str:
    if isinstance(value, list):  # levels of a book, of which the best is compared
        return f"{_text(value[0]['quantity'])} at {_text(value[0]['price'])}" if value else "none"
    text = format(value, "f") if hasattr(value, "as_tuple") else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


__all__ = ["Compared", "Conflict", "beside", "compared", "stored_count", "stored_rows"]
