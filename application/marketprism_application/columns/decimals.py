"""Columns of stored decimals, made whole numbers of one unit only where they are looked at.

A stored decimal is a 128-bit multiple of 10^-18. In a column of ticks most of them are only compared with the one
before, and the running totals count at the end of a minute alone: what is never asked for is never divided.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Rows: TypeAlias = "Ints | slice"
_Item = TypeVar("_Item", bound=np.generic)
# Columns of whatever type: which it is, is asked of the column itself.
ArrowArray: TypeAlias = "pa.Array[Any]"
ArrowColumn: TypeAlias = "pa.ChunkedArray[Any]"
ByName: TypeAlias = "dict[str, Any]"

SCALE = 18
DECIMAL = pa.decimal128(38, SCALE)
_SAMPLE = 16
_ROOM = 2**53  # no sum of so small numbers over a column leaves 63 bits, and doubles hold them exactly
_HIGH = 2**49  # upper words below this are within reach of the check by doubles
_WORD, _HALF = 2.0**64, 2**63
_EXACT = Context(prec=60)
_EMPTY = pa.array([], DECIMAL)
_NONE = np.zeros(0, np.uint64)
_SHIFT, _LOWER = np.uint64(32), np.uint64(0xFFFFFFFF)
# 5^-m modulo 2^64, by m.
_INVERSE = [np.uint64(pow(5**m, -1, 2**64)) for m in range(SCALE + 1)]


class InexactColumn(Exception):
    """A number has more places than its column's unit, or more digits than a machine number holds."""


class DecimalColumn:
    """Decimals of a column that may have holes; `there` says where none is, None where there is no hole."""

    __slots__ = ("_rows", "_words", "scale", "there")

    def __init__(self, words: NDArray[np.uint64], there: Flags | None, scale: int, rows: Ints | None = None) -> None:
        """`words`: of each number the lower one and the upper one; the column is their `rows`, None is all of them."""
        self._words = words
        self._rows = rows
        self.there = there
        self.scale = scale

    @classmethod
    def of(cls, column: ArrowColumn) -> DecimalColumn:
        """A column of decimal128(38, 18), with the unit that a sample of its numbers has."""
        array = column.chunks[0] if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [_EMPTY])
        if not array.null_count:
            there = None
        elif array.null_count == len(array):  # quicker than to be told so of each
            there = np.zeros(len(array), np.bool_)
        else:
            there = array.is_valid().to_numpy(zero_copy_only=False)
        buffer = array.buffers()[1]
        first, last = 2 * array.offset, 2 * (array.offset + len(array))
        words = (_NONE if buffer is None else np.frombuffer(memoryview(buffer), np.uint64))[first:last].reshape(-1, 2)
        return cls(words, there, _scale_of(words, there))

    def __len__(self) -> int:
        return len(self._words) if self._rows is None else len(self._rows)

    def refined(self) -> DecimalColumn:
        """The column in the coarsest unit that all its numbers are multiples of.

        Raises:
            InexactColumn: there is none in which all of them are machine numbers.
        """
        for scale in range(SCALE + 1):
            try:
                self.units(slice(None), scale)
            except InexactColumn:
                continue
            return DecimalColumn(self._words, self.there, scale, self._rows)
        raise InexactColumn

    def taken(self, rows: Rows) -> DecimalColumn:
        """The numbers of some rows, in the same unit."""
        there = None if self.there is None else rows_of(self.there, rows)
        if self._rows is not None:
            return DecimalColumn(self._words, there, self.scale, rows_of(self._rows, rows))
        if isinstance(rows, slice):
            return DecimalColumn(self._words[rows], there, self.scale)
        return DecimalColumn(self._words, there, self.scale, rows)  # most columns are looked at in some rows of them

    def _words_of(self, rows: Rows) -> NDArray[np.uint64]:
        return rows_of(self._words, rows if self._rows is None else rows_of(self._rows, rows))

    def units(self, rows: Rows, scale: int | None = None) -> Ints:
        """The numbers of rows as multiples of 10^-scale; 0 where there is none.

        Raises:
            InexactColumn: one of them is no such multiple, or too large.
        """
        words = self._words_of(rows)
        if self.there is not None:
            words = np.where(rows_of(self.there, rows)[:, np.newaxis], words, np.uint64(0))
        return _units(words[:, 0], words[:, 1].view(np.int64), SCALE - (self.scale if scale is None else scale))

    def is_there(self, rows: Rows) -> Flags | None:
        """Which of the rows have a number; None where all have."""
        return None if self.there is None else rows_of(self.there, rows)

    def nonzero(self) -> Flags:
        """Which rows have a number other than 0."""
        words = self._words_of(slice(None))
        if bool(words[:, 0].all()):
            return np.ones(len(words), np.bool_) if self.there is None else self.there.copy()
        found = _either(words != 0)
        return found if self.there is None else found & self.there

    def moved(self, rows: slice) -> Flags:
        """Of each of these rows but the first, whether its number is another than that of the row before."""
        words = self._words_of(rows)
        return _either(words[1:] != words[:-1])

    def differs(self, rows: Ints, others: Ints) -> Flags:
        """Whether each of the rows has another number than its other one."""
        return _either(self._words_of(rows) != self._words_of(others))

    def decimal(self, row: int) -> Decimal | None:
        """One of the numbers, None where there is none."""
        if self.there is not None and not self.there[row]:
            return None
        low, high = self._words[row if self._rows is None else self._rows[row]].tolist()
        value = Decimal((high - (1 << 64) if high >> 63 else high) << 64 | low)
        return _EXACT.add(value.scaleb(-SCALE, _EXACT).normalize(_EXACT), 0)


def rows_of(column: NDArray[_Item], rows: Rows) -> NDArray[_Item]:
    """Some rows of an array, in this order."""
    # An index alone takes rows of two words eight times as long.
    return column[rows] if isinstance(rows, slice) else column.take(rows, axis=0)


def _either(flags: Flags) -> Flags:
    """Of pairs of flags, whether one of each is set."""
    found: Flags = np.ascontiguousarray(flags).view(np.uint16)[:, 0] != 0
    return found


def _units(low: NDArray[np.uint64], high: Ints, places: int) -> Ints:
    """Exact division of 128-bit numbers by 10^places.

    By 2^places it is a shift. What is left, modulo 2^64, is multiplied by the inverse of 5^places: that is the quotient
    where there is one. Whether there is, its size tells where all of it has room in 64 bits, else a look by doubles.
    """
    if not len(low):
        return np.zeros(0, np.int64)
    if places == 0:
        found = np.ascontiguousarray(low).view(np.int64)
        if not bool((high == found >> 63).all()):
            raise InexactColumn
        _largest(found)
        return found
    if int(np.bitwise_or.reduce(low)) & ((1 << places) - 1):
        raise InexactColumn
    reach = _largest(high)
    if reach >= _HIGH:
        raise InexactColumn
    quotient = low >> np.uint64(places)
    quotient |= high.view(np.uint64) << np.uint64(64 - places)
    quotient *= _INVERSE[places]
    found = quotient.view(np.int64)
    if _largest(found) * 5**places < _HALF and reach < 1 << (places - 1):
        return found
    back = high.astype(np.float64)
    back *= _WORD
    back += low
    back -= found * float(10**places)
    if float(np.abs(back, out=back).max()) >= _HALF:
        raise InexactColumn
    return found


def _largest(units: Ints) -> int:
    largest = max(int(units.max()), -int(units.min()))
    if largest >= _ROOM:
        raise InexactColumn
    return largest


def _scale_of(words: NDArray[np.uint64], there: Flags | None) -> int:
    """The fewest places that a sample of a column's numbers needs."""
    if there is None:
        sample = words[:: max(1, len(words) // _SAMPLE)]
    else:
        rows = np.flatnonzero(there)
        sample = words[rows[:: max(1, len(rows) // _SAMPLE)]]
    scale = 0
    for low, high in sample.tolist():
        value = (high - (1 << 64) if high >> 63 else high) << 64 | low
        while value % 10 ** (SCALE - scale):
            scale += 1
    return scale


def places_of(value: Decimal) -> int:
    """How many decimal places a number needs."""
    exponent = value.normalize(_EXACT).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else SCALE + 1


def units_of(value: Decimal | None, scale: int) -> int:
    """A number as a multiple of 10^-scale; 0 of none.

    Raises:
        InexactColumn: it is no such multiple, or too large.
    """
    if value is None:
        return 0
    scaled = value.scaleb(scale, _EXACT)
    if scaled != (whole := int(scaled)) or abs(whole) >= _ROOM:
        raise InexactColumn
    return whole


def decimal_of(units: int, scale: int) -> Decimal:
    """The number that is so many multiples of 10^-scale."""
    return Decimal(units).scaleb(-scale, _EXACT)


def arrow_decimals(units: Ints, scale: int, there: Flags | None = None) -> ArrowArray:
    """Multiples of 10^-scale as stored decimals, null where there is none."""
    words = _product(units, 10 ** (SCALE - scale))
    mask = None
    if there is not None and not bool(there.all()):
        mask = pa.py_buffer(np.packbits(there, bitorder="little").tobytes())
    return pa.Array.from_buffers(DECIMAL, len(units), [mask, pa.py_buffer(words.data)])


def _product(units: Ints, factor: int) -> NDArray[np.uint64]:
    """Numbers times a factor below 2^60, of each the lower word and the upper one. The engine's own cast takes five
    times as long."""
    size = np.abs(units).view(np.uint64)
    high, low = size >> _SHIFT, size & _LOWER
    first, second = np.uint64(factor >> 32), np.uint64(factor & 0xFFFFFFFF)
    crossed, other = high * second, low * first
    carried = (low * second >> _SHIFT) + (crossed & _LOWER) + (other & _LOWER)
    words = np.empty((len(units), 2), np.uint64)
    words[:, 0] = size * np.uint64(factor)
    words[:, 1] = high * first + (crossed >> _SHIFT) + (other >> _SHIFT) + (carried >> _SHIFT)
    below = np.flatnonzero(units < 0)
    if len(below):
        lower = words[below, 0]
        words[below, 0] = ~lower + np.uint64(1)
        words[below, 1] = ~words[below, 1] + (lower == 0)
    return words.reshape(-1)
