"""Columns made of encoded rows hold what the rows say; whatever else comes is handed over as it came."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_adapters.clickhouse.encoded_columns import NotPlain, encoded_columns
from marketprism_adapters.clickhouse.sql.columns import columns_of
from marketprism_application.contracts.kinds import BAR, KINDS, TICK, TRADE, DataKind
from marketprism_application.ports.storage import EncodedRows

encode = msgspec.msgpack.encode
numbers = st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,18})?", fullmatch=True) | st.just("0E-7") | st.just("1.5E+3")
levels = st.lists(st.tuples(numbers, numbers), max_size=20)


def _value(kind: DataKind, number: int) -> st.SearchStrategy[Any]:
    _, columns = columns_of(kind.name)[number]
    column = columns[0]
    if len(columns) == 2:
        return levels
    if "Decimal" in column.stored:
        found: st.SearchStrategy[Any] = numbers
    elif column.stored.startswith("Array"):
        return st.lists(st.text(max_size=40), max_size=18)
    elif column.stored.startswith("Nullable"):
        return st.none()
    elif "Int64" in column.incoming:
        return st.integers(-(2**63), 2**63 - 1)
    else:
        return st.text(max_size=60)
    return st.none() | found if column.stored.startswith("Nullable") else found


def rows_of(kind: DataKind) -> st.SearchStrategy[list[Any]]:
    return st.tuples(*(_value(kind, number) for number in range(len(kind.fields)))).map(list)


def _flat(kind: DataKind, row: list[Any]) -> list[Any]:
    """Values of a row by columns."""
    found: list[Any] = []
    for (_, columns), value in zip(columns_of(kind.name), row, strict=True):
        if len(columns) == 2:
            found += [[Decimal(level[n]) for level in value] for n in (0, 1)]
        else:
            found.append(Decimal(value) if "Decimal" in columns[0].stored and value is not None else value)
    return found


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(rows_of(TICK), min_size=1, max_size=4), cut=st.integers(0, 6))
def test_columns_hold_what_the_rows_say(rows: list[list[Any]], cut: int) -> None:
    groups = [EncodedRows(7, [encode(row) for row in rows[:cut]]), EncodedRows(9, [encode(row) for row in rows[cut:]])]

    table = encoded_columns(TICK, groups, 3)

    stored = {column.name: column.exact for _, columns in columns_of(TICK.name) for column in columns}
    assert {field.name: field.type for field in table.schema if field.name in stored} == stored
    places = [[7, n, 3] for n in range(len(rows[:cut]))] + [[9, n, 3] for n in range(len(rows[cut:]))]
    expected = [_flat(TICK, row) + place for row, place in zip(rows, places, strict=True)]
    assert [list(row.values()) for row in _rows_of(table)] == expected


def _rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Its rows, times as nanoseconds."""
    plain = [(f.name, pa.int64() if pa.types.is_timestamp(f.type) else f.type) for f in table.schema]
    rows: list[dict[str, Any]] = table.cast(pa.schema(plain)).to_pylist()
    return rows


def _plain() -> list[Any]:
    row: list[Any] = []
    for _, columns in columns_of(TICK.name):
        column = columns[0]
        list_ = len(columns) == 2 or column.stored.startswith("Array")
        row.append(
            [] if list_ else None if column.stored.startswith("Nullable") else 1 if "Int" in column.stored else ""
        )
    at = TICK.fields.index
    for name in TICK.fields:
        if name.startswith("ts_"):
            row[at(name)] = 10**18
    return row


def test_bars_are_columns_too() -> None:
    row = [
        None
        if column.stored.startswith("Nullable")
        else True
        if column.stored == "Bool"
        else "1.5"
        if "Decimal" in column.stored
        else "x"
        if "String" in column.stored
        else 5
        for _, (column,) in columns_of(BAR.name)
    ]
    (found,) = _rows_of(encoded_columns(BAR, [EncodedRows(1, [encode(row)])], 1))
    assert (found["gap"], found["close"], found["ts_open"]) == (True, Decimal("1.5"), 5)
    row[BAR.fields.index("gap")] = 1
    with pytest.raises(NotPlain):
        encoded_columns(BAR, [EncodedRows(1, [encode(row)])], 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("last", "0.1234567890123456789"),  # a digit more than the table has room for
        ("last", "1E-19"),
        ("last", "123456789012345678901"),
        ("last", "NaN"),
        ("last", "Infinity"),
        ("last", ""),
        ("last", " 1"),
        ("last", 5),
        ("symbol", None),
        ("symbol", 5),
        ("symbol", b"rb"),
        ("symbol", "long" * 100),
        ("seq", "5"),
        ("seq", 2**63),
        ("seq", None),
        ("seq", 1.5),
        ("bids", [["1", "2", "3"]]),
        ("bids", [["1", 2]]),
        ("bids", [["1", "1E-19"]]),
        ("bids", "1"),
        ("bids", [["1", "2"]] * 65),
        ("warnings", [None]),
        ("warnings", {}),
    ],
)
def test_what_is_not_plain_is_handed_over_as_it_came(field: str, value: object) -> None:
    good, bad = _plain(), _plain()
    assert encoded_columns(TICK, [EncodedRows(1, [encode(good)])], 1).num_rows == 1
    bad[TICK.fields.index(field)] = value
    with pytest.raises(NotPlain):
        encoded_columns(TICK, [EncodedRows(1, [encode(good), encode(bad), encode(good)])], 1)


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 20, 60])
def test_a_row_that_ends_before_its_fields_do_is_handed_over(cut: int) -> None:
    row = encode(_plain())
    with pytest.raises(NotPlain):
        encoded_columns(TICK, [EncodedRows(1, [row, row[:cut]])], 1)


def test_fields_too_many_or_of_another_kind_are_handed_over() -> None:
    for row in ([*_plain(), "more"], _plain()[:-1]):
        with pytest.raises(NotPlain):
            encoded_columns(TICK, [EncodedRows(1, [encode(row)])], 1)
    with pytest.raises(NotPlain):
        encoded_columns(TRADE, [EncodedRows(1, [encode(_plain())])], 1)


def test_every_kind_is_read_or_handed_over() -> None:
    for kind in KINDS.values():
        with pytest.raises(NotPlain):
            encoded_columns(kind, [EncodedRows(1, [encode([1.5] * len(kind.fields))])], 1)
