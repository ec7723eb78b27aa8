"""Columns as a file has them, made into those of a kind: times in nanoseconds, exact decimals, sides."""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketprism_adapters.imports.layout import Layout
from marketprism_application.errors import SourceError
from marketprism_application.integrity.exact_numbers import ArrowArray, ExactNumbers, Ints, exact_numbers
from marketprism_application.integrity.fine_numbers import as_decimals, is_text
from marketprism_application.ports.imports import DECIMAL, ROWS, TIME_OF

_BOUNDS = ((10**11, 10, 10**9), (10**14, 13, 10**6), (10**17, 16, 10**3))
_DAY_NS = 86_400 * 10**9
_SECONDS = re.compile(r"\d{9,11}\.\d{1,9}")
# What Arrow and numpy say of a cell that no column of numbers has room for.
_NO_NUMBERS = (pa.ArrowException, ValueError, OverflowError)
_DATE = r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})"


class BadCell(ValueError):
    """A cell is not what its column holds; says field, row of the batch and what it was."""

    def __init__(self, field: str, row: int, was: object) -> None:
        super().__init__(field)
        self.field, self.row, self.was = field, row, was


def canonical(batch: pa.RecordBatch, layout: Layout, first_row: int, zone: str) -> pa.RecordBatch:
    """A batch of a file's columns as rows of the layout's kind; `first_row` is the number of its first row.

    Raises:
        BadCell: names the field, the row within the batch and the cell.
    """
    schema, count = ROWS[layout.kind], batch.num_rows
    ts, digits = _times(batch, layout, zone)
    made: dict[str, ArrowArray] = {
        TIME_OF[layout.kind]: pa.array(ts),
        "digits": pa.array(digits),
        "row": pa.array(np.arange(first_row, first_row + count, dtype=np.int64)),
    }
    for name, column in layout.fields.items():
        if name not in made:
            made[name] = _cast(batch.column(column), schema.field(name).type, name)
    if layout.maker_flag:
        made["side"] = _sides(batch.column(layout.maker_flag))
    if "number" in schema.names and "trade_id" in made:
        made["number"] = _numbers(made["trade_id"])
    return pa.RecordBatch.from_arrays(
        [made[each.name] if each.name in made else pa.nulls(count, each.type) for each in schema], schema=schema
    )


def _times(batch: pa.RecordBatch, layout: Layout, zone: str) -> tuple[Ints, Ints]:
    name = TIME_OF[layout.kind]
    column = batch.column(layout.fields[name])
    if layout.second_time:
        clock = pc.utf8_trim_whitespace(batch.column(layout.second_time).cast(pa.string()))
        column = pc.binary_join_element_wise(_day_text(column), clock, " ")  # type: ignore[call-overload]  # stubs
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _of_text(column, zone, name), np.zeros(len(column), dtype=np.int64)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _of_timestamps(column, zone), np.zeros(len(column), dtype=np.int64)
    if pa.types.is_floating(column.type):
        column = pc.multiply(column, 1.0).cast(pa.float64())
        return _of_numbers(np.rint(column.to_numpy(zero_copy_only=False) * 1000).astype(np.int64))
    if column.null_count:
        raise BadCell(name, int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]), "")
    try:
        numbers = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:  # larger, or a type that is no time
        raise BadCell(name, *_first_bad(column, pa.int64())) from error
    if layout.base_day is not None:
        return layout.base_day * _DAY_NS + numbers * 10**6, np.zeros(len(numbers), dtype=np.int64)
    return _of_numbers(numbers)


def _of_numbers(numbers: Ints) -> tuple[Ints, Ints]:
    """Numbers since 1970, each in the unit that its digits tell; the digits."""
    digits = np.full(len(numbers), 19, dtype=np.int64)
    factor = np.ones(len(numbers), dtype=np.int64)
    for bound, count, unit in reversed(_BOUNDS):
        smaller = numbers < bound
        digits[smaller], factor[smaller] = count, unit
    return numbers * factor, digits


def _of_text(column: ArrowArray, zone: str, name: str) -> Ints:
    text = _padded(_day_text(pc.utf8_trim_whitespace(column)))
    if text.null_count:
        raise BadCell(name, int(np.flatnonzero(text.is_null().to_numpy(zero_copy_only=False))[0]), "")
    first = text[0].as_py() if len(text) else ""
    if _SECONDS.fullmatch(first):
        return _of_seconds(text, name)
    zoned = bool(first) and (first.endswith("Z") or _offset(first))
    try:
        if zoned:
            if first.endswith(" UTC"):
                text = pc.replace_substring(text, " UTC", "Z")
            stamps = text.cast(pa.timestamp("ns", "UTC"))
        else:
            stamps = text.cast(pa.timestamp("ns"))
    except pa.ArrowInvalid as error:
        raise BadCell(name, *_first_bad(text, pa.timestamp("ns", "UTC") if zoned else pa.timestamp("ns"))) from error
    return _of_timestamps(stamps, zone)


def _of_seconds(text: ArrowArray, name: str) -> Ints:
    """Texts of seconds since 1970 with a fraction, to the nanosecond."""
    whole = pc.match_substring_regex(text, r"^\d{9,11}(\.\d{1,9})?$")
    if not pc.all(whole).as_py():
        first = int(np.flatnonzero(~whole.to_numpy(zero_copy_only=False))[0])
        raise BadCell(name, first, text[first].as_py())
    seconds = text.cast(pa.decimal128(20, 9))
    found: Ints = pc.multiply(seconds, pa.scalar(Decimal(10**9))).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return found


def _offset(text: str) -> bool:
    return text.endswith(" UTC") or (len(text) > 16 and (text[-6] in "+-" or text[-5] in "+-") and ":" in text[:-6])


def _day_text(column: ArrowArray) -> ArrowArray:
    """Texts of times with their day as YYYY-MM-DD."""
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    first = next((value.as_py() for value in column if value.is_valid), "")
    if "/" in first[:8] or "." in first[:6]:
        column = pc.replace_substring_regex(column, _DATE, r"\1-0\2-0\3")
        column = pc.replace_substring_regex(column, r"^(\d{4})-0?(\d\d)-0?(\d\d)(\D|$)", r"\1-\2-\3\4")
    elif first[:8].isdecimal() and (len(first) == 8 or first[8:9] in " T"):
        column = pc.replace_substring_regex(column, r"^(\d{4})(\d\d)(\d\d)", r"\1-\2-\3")
    return column


def _padded(column: ArrowArray) -> ArrowArray:
    """Texts of times with two digits of the hour: `9:30` as `09:30`."""
    column = pc.replace_substring_regex(column, r" (\d):", r" 0\1:")
    return pc.replace_substring_regex(column, r"T(\d):", r"T0\1:")


def _of_timestamps(column: ArrowArray, zone: str) -> Ints:
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    if column.type.tz is None and zone not in ("", "UTC"):
        column = pc.assume_timezone(column, zone)  # type: ignore[call-overload]  # stubs: of a timestamp column only
    try:
        whole = column.cast(pa.timestamp("ns", column.type.tz))
    except pa.ArrowInvalid as error:  # beyond what nanoseconds reach
        raise BadCell("time", *_first_bad(column, pa.timestamp("ns", column.type.tz))) from error
    found: Ints = whole.cast(pa.int64()).to_numpy(zero_copy_only=False)
    if column.null_count:
        raise BadCell("time", int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]), "")
    return found


def _first_bad(column: ArrowArray, wanted: pa.DataType) -> tuple[int, object]:
    """The first cell that is not of a type: its row, and what it is."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            column.slice(low, middle - low).cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # a type that is no number at all: the first cell
            high = middle
        else:
            low = middle
    try:
        return low, column[low].as_py()
    except (ValueError, OverflowError):  # a time that Python has none for
        return low, str(column[low].cast(pa.int64()).as_py())


def _cast(column: ArrowArray, wanted: pa.DataType, name: str) -> ArrowArray:
    if column.type == wanted:
        return column
    if pa.types.is_decimal(wanted) and pa.types.is_floating(column.type):
        try:
            return decimals_of(exact_numbers(column))
        except _NO_NUMBERS as error:
            raise BadCell(name, *_first_bad(column, wanted)) from error
    try:
        if is_text(column.type) and not pa.types.is_string(wanted):
            column = pc.utf8_trim_whitespace(column.cast(pa.string()))
        return as_decimals(column, wanted) if pa.types.is_decimal(wanted) else column.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    try:  # digits beyond what a decimal holds, as of doubles that were written in full
        return decimals_of(exact_numbers(column.cast(pa.float64()))).cast(wanted)
    except _NO_NUMBERS as error:  # larger than the column holds, too
        raise BadCell(name, *_first_bad(column, pa.float64())) from error


def decimals_of(numbers: ExactNumbers) -> ArrowArray:
    """Exact numbers as a column of decimals, null where there is none."""
    if numbers.units.dtype == object:
        return pa.array([numbers.decimal(row) for row in range(len(numbers))], DECIMAL)
    words = np.empty((len(numbers), 2), dtype=np.int64)
    words[:, 0], words[:, 1] = numbers.units, numbers.units >> 63
    there = None
    if numbers.there is not None:
        there = pa.py_buffer(np.packbits(numbers.there, bitorder="little").tobytes())
    array = pa.Array.from_buffers(
        pa.decimal128(38, numbers.scale), len(numbers), [there, pa.py_buffer(words.tobytes())]
    )
    return array.cast(DECIMAL)


def _sides(column: ArrowArray) -> ArrowArray:
    """The taker's side, by whether the buyer was the maker."""
    if pa.types.is_string(column.type):
        column = pc.equal(pc.utf8_lower(column), pa.scalar("true"))
    sides: ArrowArray = pc.if_else(column.cast(pa.bool_()), pa.scalar("sell"), pa.scalar("buy"))
    return sides


def _numbers(column: ArrowArray) -> ArrowArray:
    """Ids as numbers, all null where one is none."""
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return pa.nulls(len(column), pa.int64())


def of_file(path: object, error: BadCell, first_row: int, expected: str = "a number or a time") -> SourceError:
    """A wrong cell as an error that names file, row and field."""
    return SourceError(
        f"file {path}, row {first_row + error.row}: {error.field}: expected {expected}, was {error.was!r}"
    )
