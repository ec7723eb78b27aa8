"""Each trade once, every hole known, also where several connections deliver one tape."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from marketprism_application.trade_tape import TradeTape


def test_a_jump_is_a_hole_until_somebody_fills_it() -> None:
    tape = TradeTape(dense=True)
    assert tape.take(10, 10, 100, 1)
    assert tape.take(14, 14, 500, 2)
    assert tape.take(12, 12, 300, 3)  # another connection had it
    assert not tape.take(12, 12, 300, 4)
    assert [(hole.first, hole.last) for hole in tape.due(2)] == [(11, 11), (13, 13)]
    assert tape.due(9) == []
    assert tape.repeats == 1


def test_a_tape_that_leaves_out_numbers_has_no_holes() -> None:
    tape = TradeTape(dense=False)
    tape.take(10, 10, 1, 1)
    tape.take(20, 20, 2, 2)
    assert tape.due(9) == []


def test_one_message_may_cover_several_executions() -> None:
    tape = TradeTape(dense=True)
    tape.take(10, 10, 1, 1)
    tape.take(11, 15, 2, 2)
    assert tape.due(9) == []


@given(st.data())
def test_two_overlapping_connections_make_one_tape(data: st.DataObject) -> None:
    ids = list(range(1, 40))
    one = [n for n in ids if data.draw(st.booleans())]
    other = [n for n in ids if n not in one or data.draw(st.booleans())]
    merged = sorted(
        [(n + data.draw(st.integers(0, 3)), n) for n in one] + [(n + data.draw(st.integers(0, 3)), n) for n in other]
    )
    tape = TradeTape(dense=True)
    taken = [n for _, n in merged if tape.take(n, n, n, n)]
    assert len(taken) == len(set(taken))
    first = taken[0]
    assert {n for n in ids if n > first} <= set(taken)
    assert tape.due(10**9) == []
