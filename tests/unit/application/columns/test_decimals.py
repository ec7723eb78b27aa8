"""Whole numbers of a unit as stored decimals, and back."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from marketprism_application.columns.decimals import SCALE, DecimalColumn, arrow_decimals

_MOST = 2**53 - 1


@given(
    st.lists(st.integers(-_MOST, _MOST) | st.sampled_from([0, 1, -1, 2**32, -(2**32), _MOST, -_MOST]), min_size=1),
    st.integers(0, SCALE),
)
def test_units_are_the_decimals_that_they_say_and_come_back(numbers: list[int], scale: int) -> None:
    units = np.array(numbers, np.int64)
    made = arrow_decimals(units, scale)
    made.validate(full=True)
    assert made.to_pylist() == [Decimal(number).scaleb(-scale) for number in numbers]
    column = DecimalColumn.of(pa.chunked_array([made]))
    assert column.units(slice(None), scale).tolist() == numbers


@given(st.lists(st.integers(0, 2), min_size=2), st.data())
def test_rows_of_a_column_are_told_apart_wherever_they_stand(numbers: list[int], data: st.DataObject) -> None:
    column = DecimalColumn.of(pa.chunked_array([arrow_decimals(np.array(numbers, np.int64), 3)]))
    chosen = st.lists(st.integers(0, len(numbers) - 1), min_size=1, unique=data.draw(st.booleans()))
    rows = sorted(data.draw(chosen)) if data.draw(st.booleans()) else data.draw(chosen)
    part = column.taken(np.array(rows, np.int64)).taken(slice(0, len(rows)))
    wanted = [numbers[row] for row in rows]
    assert part.units(slice(None), 3).tolist() == wanted
    assert part.moved(slice(None)).tolist() == [one != other for one, other in pairwise(wanted)]
    assert part.nonzero().tolist() == [number != 0 for number in wanted]


def test_sums_have_room() -> None:
    numbers = [2**62, -(2**62), 2**62 + 12345]
    made = arrow_decimals(np.array(numbers, np.int64), 0, np.array([True, True, False]))
    assert made.to_pylist() == [Decimal(2**62), -Decimal(2**62), None]
