"""Rows of a file beside those that are stored: which are new, which are there, which differ."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketprism_application.contracts.kinds import BAR, KINDS, KLINE, TRADE
from marketprism_application.contracts.questions import MAX_LIMIT, Records, key_of, next_of
from marketprism_application.errors import QueryError
from marketprism_application.history.file_rows import MadeRows
from marketprism_application.integrity.exact_numbers import ArrowArray, Flags
from marketprism_application.ports.history import SeriesKey
from marketprism_application.ports.reading import StoreReader

_SAMPLE = 10
_BESIDE_NS = 10**9  # a venue's live message may have a trade's time in another unit than its archive
_COMPARED = {
    BAR.name: ("open", "high", "low", "close", "volume", "turnover", "open_interest"),
    KLINE.name: ("open", "high", "low", "close", "volume", "turnover", "trades", "taker_buy_volume"),
    TRADE.name: ("price", "quantity", "side"),
    "funding_rate": ("rate",),
    "open_interest": ("open_interest",),
}
_MORE = {BAR.name: ("revision",), KLINE.name: ("closed",), TRADE.name: ("trade_id", "first_id")}


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
    kind = KINDS[series.kind]
    fields = tuple(dict.fromkeys((*kind.page_key, *_COMPARED[kind.name], *_MORE.get(kind.name, ()))))
    question = Records(
        kind.name, series.symbol, series.venue, ts_from, ts_to, series.interval or None, MAX_LIMIT, fields=fields
    )
    pages: list[pa.Table] = []
    while True:
        page = await reader.answer(question)
        if page.num_rows:
            pages.append(page.select(list(fields)).replace_schema_metadata(None))
        after = next_of(page)
        if after is None and page.num_rows >= question.limit:
            after = key_of(kind, page)
        if after is None:
            return pa.concat_tables(pages) if pages else None
        question = msgspec.structs.replace(question, after=after, ts_from=int(after[0]))


async def stored_count(reader: StoreReader, series: SeriesKey, ts_from: int, ts_to: int) -> int:
    """How many rows are stored of a series in [ts_from, ts_to)."""
    kind = KINDS[series.kind]
    question = Records(
        kind.name, series.symbol, series.venue, ts_from, ts_to, series.interval or None, MAX_LIMIT, fields=kind.page_key
    )
    count = 0
    while True:
        page = await reader.answer(question)
        count += page.num_rows
        after = next_of(page)
        if after is None and page.num_rows >= question.limit:
            after = key_of(kind, page)
        if after is None:
            return count
        question = msgspec.structs.replace(question, after=after, ts_from=int(after[0]))


def beside(series: SeriesKey) -> int:
    """How far around a part of a file its rows may be stored, nanoseconds."""
    return _BESIDE_NS if series.kind == TRADE.name else 0


def compared(made: MadeRows, stored: pa.Table | None, series: SeriesKey, *, replace: bool) -> Compared:
    """The rows of a part of a file by what is stored. With `replace`, one that differs stands instead of what is there.

    Raises:
        QueryError: the stored tape is another one than the file's, single trades or those of one order together.
    """
    none = made.table.slice(0, 0)
    if stored is None:
        return Compared(made.table, none, 0, 0, ())
    kind = KINDS[series.kind]
    key = "trade_id" if kind is TRADE else kind.time_field
    if kind is TRADE:
        _check_tape(made.table, stored)
    at = pc.index_in(made.table.column(key).combine_chunks(), stored.column(key).combine_chunks())
    there = at.is_valid().to_numpy(zero_copy_only=False)
    place: ArrowArray = at.fill_null(0)
    forming = there & ~_flags(stored, "closed", place) if kind is KLINE else np.zeros(len(there), dtype=np.bool_)
    differs = np.zeros(len(there), dtype=np.bool_)
    which = np.full(len(there), "", dtype=object)
    for name in _COMPARED[kind.name]:
        if name not in made.given and name != "side":
            continue
        wrong = pc.not_equal(made.table.column(name).combine_chunks(), stored.column(name).combine_chunks().take(place))
        flags = wrong.fill_null(False).to_numpy(zero_copy_only=False) & there & ~forming
        which[flags & ~differs] = name
        differs |= flags
    instead = forming | differs if replace else forming
    return Compared(
        made.table.filter(pa.array(~there)),
        _revised(made.table, stored, instead, place),
        int((there & ~differs & ~forming).sum()),
        0 if replace else int(differs.sum()),
        tuple(
            _conflict(made, stored, int(row), int(place[int(row)].as_py()), which, kind.time_field)
            for row in np.flatnonzero(differs)[:_SAMPLE]
        ),
    )


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
    made: MadeRows,
    stored: pa.Table,
    row: int,
    place: int,
    which: NDArray[np.object_],
    time: str,
) -> Conflict:
    name = str(which[row])
    return Conflict(
        int(made.table.column(time)[row].as_py()),
        int(made.row[row]),
        name,
        _text(stored.column(name)[place].as_py()),
        _text(made.table.column(name)[row].as_py()),
    )


def _text(value: object) -> str:
    text = format(value, "f") if hasattr(value, "as_tuple") else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


__all__ = ["Compared", "Conflict", "beside", "compared", "stored_count", "stored_rows"]
