"""Stretches of time make up the question that they are cut out of, whatever is held."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from marketprism_adapters.clickhouse.stretches import Held, stretches
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import Records

MINUTE_NS = 60 * 10**9
DAY_NS = 1_440 * MINUTE_NS

times = st.integers(0, 4_000 * DAY_NS)


@given(
    begin=st.none() | times,
    width=st.none() | st.integers(1, 4_000 * DAY_NS),
    after=st.none() | times,
    oldest=times,
    span=st.integers(0, 4_000 * DAY_NS),
    limit=st.integers(1, 20_000),
    last=st.booleans(),
    kind=st.sampled_from([("tick", None), ("bar", "1m"), ("bar", "1d"), ("bar", "strange")]),
)
def test_they_meet_and_end_where_the_question_ends(
    begin: int | None,
    width: int | None,
    after: int | None,
    oldest: int,
    span: int,
    limit: int,
    last: bool,
    kind: tuple[str, str | None],
) -> None:
    end = None if width is None else (begin or 0) + width
    key = None if after is None else (after, 0)
    question = Records(kind[0], "rb2505", None, begin, end, kind[1], limit, key, last)

    found = list(stretches(question, Held(oldest, oldest + span, 10**9)))

    ordered = found[::-1] if last else found
    first = begin if after is None or len(found) == 1 else max(begin or 0, after)
    if last and after is not None:
        first = begin
    assert (ordered[0].ts_from, ordered[-1].ts_to) == (first, end)
    assert all(before.ts_to == behind.ts_from for before, behind in pairwise(ordered))
    assert all(each.ts_from < each.ts_to for each in ordered[1:-1] if each.ts_from is not None and each.ts_to)
    assert all(
        (each.symbol, each.limit, each.after, each.last) == (question.symbol, limit, key, last) for each in found
    )
    assert len(found) <= 7


def test_what_is_traded_much_is_found_in_minutes_and_a_dead_instrument_in_few_questions() -> None:
    held = Held(0, 3_000 * DAY_NS, 10**9)

    newest, *behind = stretches(Records("tick", "rb2505", limit=1, last=True), held)

    assert newest.ts_from == held.newest + 1 - 10 * MINUTE_NS
    assert newest.ts_to is None
    assert behind[-1].ts_from is None
    assert len(behind) == 6


def test_a_range_that_is_short_is_one_question() -> None:
    asked = Records("bar", "rb2505", None, DAY_NS, 3 * DAY_NS, "1m", 1_000)
    assert list(stretches(asked, Held(0, 3_000 * DAY_NS, 10**9))) == [asked]


def test_the_time_is_part_of_every_key_so_that_rows_of_one_key_lie_in_one_stretch() -> None:
    assert [kind.name for kind in KINDS.values() if kind.time_field not in kind.order_by] == []
