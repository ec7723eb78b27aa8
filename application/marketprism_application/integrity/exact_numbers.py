"""Columns of decimals as whole numbers of one unit: exact, and as fast as machine numbers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marketprism_application.integrity.fine_numbers import as_decimals
from marketprism_application.ports.imports import DECIMAL

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
# Columns of whatever type: which it is, is asked of the column itself.
ArrowArray: TypeAlias = "pa.Array[Any]"
ArrowColumn: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"

_SCALES = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18)
_SAMPLE = 512
_ROOM = 2**62


@dataclass(frozen=True)
class ExactNumbers:
    """Numbers as `units` of 10^-scale; `there` says which are numbers, None where all are.

    `units` are int64, or Python's integers (dtype object) where one does not fit: everything below works with both.
    """

    units: Ints
    scale: int
    there: Flags | None = None

    def __len__(self) -> int:
        return len(self.units)

    def taken(self, index: NDArray[np.intp] | Flags | slice) -> ExactNumbers:
        """The numbers of some rows."""
        return ExactNumbers(self.units[index], self.scale, None if self.there is None else self.there[index])

    def scaled(self, scale: int) -> ExactNumbers:
        """The same numbers in a finer unit."""
        if scale == self.scale:
            return self
        factor = 10 ** (scale - self.scale)
        units = self.units
        if units.dtype != object and len(units) and (largest(units) * factor >= _ROOM):
            units = units.astype(object)
        return ExactNumbers(units * factor, scale, self.there)

    def floats(self) -> Floats:
        """The numbers as doubles, NaN where there is none."""
        values: Floats = self.units.astype(np.float64) / float(10**self.scale)
        if self.there is not None:
            values[~self.there] = np.nan
        return values

    def decimal(self, row: int) -> Decimal | None:
        """One of the numbers, None where there is none."""
        if self.there is not None and not self.there[row]:
            return None
        return Decimal(int(self.units[row])).scaleb(-self.scale)

    def text(self, row: int) -> str:
        """One of the numbers as people write it, empty where there is none."""
        value = self.decimal(row)
        if value is None:
            return ""
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text

    def sums(self, starts: NDArray[np.intp]) -> ExactNumbers:
        """The sums of the rows from each start to the next one."""
        units = self.units if self.there is None else np.where(self.there, self.units, 0)
        if units.dtype != object and len(units) and largest(units) * len(units) >= _ROOM:
            units = units.astype(object)
        return ExactNumbers(np.add.reduceat(units, starts), self.scale)


def largest(units: Ints) -> int:
    """The largest amount among numbers, 0 of none."""
    return max(abs(int(units.max())), abs(int(units.min()))) if len(units) else 0


def concatenated(parts: list[ExactNumbers]) -> ExactNumbers:
    """Several columns as one."""
    if len(parts) == 1:
        return parts[0]
    scale = max(part.scale for part in parts)
    fitted = [part.scaled(scale) for part in parts]
    there = None
    if any(part.there is not None for part in fitted):
        there = np.concatenate(
            [np.ones(len(part), dtype=np.bool_) if part.there is None else part.there for part in fitted]
        )
    return ExactNumbers(np.concatenate([part.units for part in fitted]), scale, there)


def exact_numbers(column: ArrowColumn) -> ExactNumbers:
    """A column of decimals, whole numbers or doubles; of doubles the shortest decimals that they stand for.

    Raises:
        pyarrow.ArrowInvalid: a column of another type that holds no numbers.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # of no chunks
        array = pa.array([], DECIMAL)
    there = None
    if array.null_count:
        there = array.is_valid().to_numpy(zero_copy_only=False)
        array = array.fill_null(0)
    if pa.types.is_integer(array.type):
        return ExactNumbers(array.to_numpy(zero_copy_only=False).astype(np.int64), 0, there)
    if pa.types.is_floating(array.type):
        return _of_doubles(array.to_numpy(zero_copy_only=False).astype(np.float64), there)
    if not pa.types.is_decimal(array.type):
        array = as_decimals(array, DECIMAL)
    return _of_decimals(array, there)


def _of_decimals(array: ArrowArray, there: Flags | None) -> ExactNumbers:
    sample = array.slice(0, _SAMPLE)
    for scale in _SCALES:
        if scale > array.type.scale:
            break
        try:
            sample.cast(pa.decimal128(38, scale))
        except pa.ArrowInvalid:
            continue
        for wanted in (scale, *(each for each in (8, 12) if scale < each < array.type.scale), array.type.scale):
            if (units := _units(array, wanted)) is not None:
                return ExactNumbers(units, wanted, there)
        break
    return ExactNumbers(_whole(array), array.type.scale, there)


def _units(array: ArrowArray, scale: int) -> Ints | None:
    """The numbers in a unit, None where one of them is finer or too large."""
    try:
        cast = array if scale == array.type.scale else array.cast(pa.decimal128(38, scale))
    except pa.ArrowInvalid:
        return None
    buffer = cast.buffers()[1]
    if buffer is None:
        return np.zeros(0, dtype=np.int64)
    words = np.frombuffer(memoryview(buffer), dtype=np.int64)[2 * cast.offset : 2 * (cast.offset + len(cast))]
    low, high = words[::2], words[1::2]
    return np.ascontiguousarray(low) if bool((high == low >> 63).all()) else None


def _whole(array: ArrowArray) -> Ints:
    """Numbers that no int64 holds, as Python's integers."""
    scale = array.type.scale
    values = np.empty(len(array), dtype=object)
    values[:] = [int(value.scaleb(scale)) if value is not None else 0 for value in array.to_pylist()]
    return values


def _of_doubles(values: Floats, there: Flags | None) -> ExactNumbers:
    finite = np.isfinite(values)
    if not finite.all():
        there = finite if there is None else there & finite
        values = np.where(finite, values, 0.0)
    for scale in _SCALES:
        scaled = values * 10.0**scale
        if len(scaled) and np.abs(scaled).max() >= 2**53:
            break
        units = np.rint(scaled)
        if np.array_equal(units / 10.0**scale, values):
            return ExactNumbers(units.astype(np.int64), scale, there)
    decimals = [Decimal(repr(float(value))) for value in values]
    scale = min(max((max(0, -int(each.as_tuple().exponent)) for each in decimals), default=0), DECIMAL.scale)
    units_found = np.empty(len(values), dtype=object)
    units_found[:] = [int(each.scaleb(scale).to_integral_value()) for each in decimals]
    if len(values) and largest(units_found) < _ROOM:
        return ExactNumbers(units_found.astype(np.int64), scale, there)
    return ExactNumbers(units_found, scale, there)
