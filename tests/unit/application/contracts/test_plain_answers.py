"""Answers for programs without Arrow: the same rows, the same values, the same words about them."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_application.contracts.failures import AnswerError, Code, Failure
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.plain_answers import decode_plain, plain_of
from marketprism_application.contracts.plain_table import PlainTable, plainly_together
from marketprism_application.contracts.questions import continued, encode_answer, encode_failure, key_of, next_of
from marketprism_application.contracts.tiers import Tiers, tiers_of, with_tiers

NUMBER = pa.decimal128(38, 18)
LEVELS = pa.list_(pa.struct([("price", NUMBER), ("quantity", NUMBER)]))
_numbers = st.none() | st.decimals(min_value=-(10**9), max_value=10**9, places=18)
_levels = st.none() | st.lists(st.fixed_dictionaries({"price": _numbers, "quantity": _numbers}), max_size=3)
_rows = st.lists(
    st.fixed_dictionaries(
        {
            "ts_event": st.integers(0, 2**62),
            "last": _numbers,
            "text": st.none() | st.text(max_size=5),
            "flag": st.none() | st.booleans(),
            "bids": _levels | st.lists(st.none(), max_size=2),
        }
    ),
    max_size=6,
)
SCHEMA = pa.schema(
    [("ts_event", pa.int64()), ("last", NUMBER), ("text", pa.string()), ("flag", pa.bool_()), ("bids", LEVELS)]
)


@settings(max_examples=40)
@given(_rows)
def test_rows_are_those_of_the_arrow_table(rows: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(rows, SCHEMA)
    table = pa.concat_tables([table.slice(0, 2), table.slice(2)])  # in several pieces, some with an offset
    found = decode_plain(plain_of(encode_answer(table)))
    assert found.to_pylist() == table.to_pylist()
    assert (found.num_rows, found.column_names) == (table.num_rows, table.column_names)


def test_what_the_answer_says_of_itself_comes_along() -> None:
    table = with_tiers(continued(pa.Table.from_pylist([{"ts_event": 1}]), (1, 2)), Tiers(7, ("a 1",)))
    found = decode_plain(plain_of(encode_answer(table)))
    assert next_of(found) == (1, 2)
    assert tiers_of(found) == Tiers(7, ("a 1",))
    assert with_tiers(found, Tiers(8)).schema.metadata is not None


def test_a_failure_stays_what_it_is() -> None:
    failure = encode_failure(Failure(Code.INVALID_PARAMETER, "symbol: expected one"))
    with pytest.raises(AnswerError, match="symbol: expected one"):
        decode_plain(plain_of(failure))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\xc1junk", encode_answer(pa.table({"a": [1]}))])
def test_anything_else_is_refused_by_its_form(data: bytes) -> None:
    with pytest.raises(AnswerError, match="answer: expected"):
        decode_plain(data)


def test_a_plain_table_is_cut_joined_and_ordered_as_arrows() -> None:
    rows = [dict.fromkeys(TICK.page_key, number) | {"symbol": f"s{number % 2}"} for number in (3, 1, 2)]
    plain = PlainTable({name: [row[name] for row in rows] for name in rows[0]})
    arrow = pa.Table.from_pylist(rows)
    order = [("symbol", "ascending"), (TICK.page_key[0], "ascending")]
    assert plain.sort_by(order).to_pylist() == arrow.sort_by(order).to_pylist()
    assert plain.slice(1, 1).to_pylist() == arrow.slice(1, 1).to_pylist()
    assert [batch.to_pylist() for batch in plain.to_batches(2)] == [rows[:2], rows[2:]]
    assert plainly_together([plain, plain.slice(0, 0), plain]).num_rows == 6
    assert key_of(TICK, plain.select(list(TICK.page_key))) == key_of(TICK, arrow) == (2,) * len(TICK.page_key)
    assert PlainTable({}).num_rows == 0
    assert (
        Decimal("1.50")
        == decode_plain(plain_of(encode_answer(pa.table({"n": pa.array([Decimal("1.5")], NUMBER)}))))
        .column("n")
        .to_pylist()[0]
    )
