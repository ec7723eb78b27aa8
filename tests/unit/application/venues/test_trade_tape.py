"""Each trade once and in order, every hole known, also where several connections deliver one tape."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from marketprism_application.venues.trade_tape import MOST_WAITING, Hole, TradeTape


class Trade(NamedTuple):
    """What a tape looks at."""

    seq: int
    ts_event: int
    ts_recv: int = 0


def told(tape: TradeTape, first: int, seq: int, ts_event: int = 0, ts_recv: int = 0) -> list[int]:
    """Ids of the trades that are told when this one comes."""
    trade = Trade(seq, ts_event, ts_recv)
    return [each.seq for each in ([trade] if tape.take(first, trade) else []) + tape.ready()]


def test_what_comes_behind_a_hole_waits_until_somebody_fills_it() -> None:
    tape = TradeTape(dense=True)
    assert told(tape, 10, 10, 100, 1) == [10]
    assert told(tape, 14, 14, 500, 2) == []
    assert tape.hole == Hole(11, 13, 100, 500, 2)
    assert told(tape, 12, 12, 300, 3) == []
    assert told(tape, 12, 12, 300, 4) == []  # another connection had it too
    assert tape.hole == Hole(11, 11, 100, 300, 3)
    assert told(tape, 11, 11, 200, 5) == [11, 12]
    assert told(tape, 13, 13, 400, 6) == [13, 14]
    assert not tape.waits
    assert tape.repeats == 1


def test_a_hole_that_nobody_fills_is_given_up_in_time_and_the_trades_behind_it_go_on() -> None:
    tape = TradeTape(dense=True)
    told(tape, 10, 10, 100, 1)
    told(tape, 14, 14, 500, 20)
    assert not tape.overdue(19)
    assert tape.overdue(20)
    assert tape.give_up() == Hole(11, 13, 100, 500, 20)
    assert [each.seq for each in tape.ready()] == [14]
    assert not tape.overdue(99)
    assert tape.give_up() is None
    assert told(tape, 12, 12, 300, 21) == []  # too late, it is in the ledger
    assert tape.repeats == 1


def test_no_more_wait_than_memory_is_meant_for() -> None:
    tape = TradeTape(dense=True)
    told(tape, 1, 1, 1, 1)
    for seq in range(3, MOST_WAITING + 3):
        told(tape, seq, seq, seq, 5)
        if seq < MOST_WAITING + 2:
            assert not tape.overdue(4)
    told(tape, seq + 1, seq + 1, seq, 5)
    assert tape.overdue(4)


def test_a_tape_that_leaves_out_numbers_has_no_holes() -> None:
    tape = TradeTape(dense=False)
    assert told(tape, 10, 10) == [10]
    assert told(tape, 20, 20) == [20]
    assert tape.hole is None


def test_one_message_may_cover_several_executions() -> None:
    tape = TradeTape(dense=True)
    assert told(tape, 10, 10) == [10]
    assert told(tape, 11, 15) == [15]
    assert told(tape, 18, 20) == []
    assert tape.hole is not None
    assert (tape.hole.first, tape.hole.last) == (16, 17)


def test_a_push_of_several_executions_some_of_which_are_told_counts_none_of_them_twice() -> None:
    tape = TradeTape(dense=True)
    told(tape, 10, 10)
    told(tape, 11, 11)
    assert told(tape, 11, 13) == []
    assert told(tape, 14, 14) == []
    assert tape.hole is not None
    assert (tape.hole.first, tape.hole.last) == (12, 13)
    assert told(tape, 12, 12) == [12]
    assert told(tape, 13, 13) == [13, 14]


def test_a_venue_that_begins_to_count_anew_is_followed() -> None:
    tape = TradeTape(dense=True)
    told(tape, 1_000, 1_000, 1_000)
    assert told(tape, 7, 7, 2_000) == []  # a late repeat
    assert told(tape, 7, 7, 3_600_000_000_000) == [7]
    assert told(tape, 8, 8, 3_600_000_000_000) == [8]


def test_a_successor_goes_on_behind_what_was_told_before_it() -> None:
    tape = TradeTape(dense=True)
    tape.resume(40, 900)
    assert told(tape, 40, 40, 900) == []
    assert told(tape, 43, 43, 1_000, 7) == []
    assert tape.hole == Hole(41, 42, 900, 1_000, 7)


@given(st.data())
def test_two_overlapping_connections_make_one_tape(data: st.DataObject) -> None:
    ids = list(range(1, 40))
    one = [n for n in ids if data.draw(st.booleans())]
    other = [n for n in ids if n not in one or data.draw(st.booleans())]
    merged = sorted(
        [(n + data.draw(st.integers(0, 3)), n) for n in one] + [(n + data.draw(st.integers(0, 3)), n) for n in other]
    )
    tape = TradeTape(dense=True)
    taken = [seq for _, n in merged for seq in told(tape, n, n, n, n)]
    assert taken == list(range(taken[0], 40))
    assert tape.hole is None


def test_what_waits_is_given_up_before_a_venue_that_counts_anew_is_followed() -> None:
    tape = TradeTape(dense=True)
    told(tape, 10, 10, 100)
    told(tape, 13, 13, 200)
    anew = Trade(3, 3_600_000_000_000)
    assert tape.begins_anew(anew)
    assert not tape.take(3, anew)  # not before
    assert tape.give_up() == Hole(11, 12, 100, 200, 0)
    assert [each.seq for each in tape.ready()] == [13]
    assert tape.take(3, anew)


def test_a_number_that_is_far_too_large_is_left_out_when_the_tape_goes_on_where_it_was() -> None:
    tape = TradeTape(dense=True)
    told(tape, 10, 10, 100, 1)
    told(tape, 10**9, 10**9, 200, 2)  # number 11, spoilt
    assert not tape.drop_outlier()  # nothing has followed yet: trades may be missing indeed
    assert told(tape, 12, 12, 300, 3) == []
    assert tape.hole == Hole(11, 11, 100, 300, 3)
    assert told(tape, 11, 11, 200, 4) == [11, 12]  # fetched under its right number
    assert tape.drop_outlier()
    assert not tape.waits
    assert told(tape, 13, 13, 400, 5) == [13]


def test_a_number_that_was_believed_is_taken_back_when_nothing_follows_there() -> None:
    tape = TradeTape(dense=True)
    told(tape, 10, 10, 100, 1)
    told(tape, 10**9, 10**9, 200, 2)
    assert tape.give_up() is not None
    assert [each.seq for each in tape.ready()] == [10**9]
    assert told(tape, 12, 12, 300, 3) == []
    assert tape.hole == Hole(11, 11, 200, 300, 3)


def test_many_that_are_missing_indeed_are_not_taken_back() -> None:
    tape = TradeTape(dense=True)
    told(tape, 10, 10, 100, 1)
    told(tape, 10**9, 10**9, 200, 2)
    told(tape, 10**9 + 1, 10**9 + 1, 300, 3)
    assert not tape.drop_outlier()
    tape.give_up()
    assert [each.seq for each in tape.ready()] == [10**9, 10**9 + 1]
    assert told(tape, 10**9 + 2, 10**9 + 2, 400, 4) == [10**9 + 2]
    assert told(tape, 12, 12, 200, 5) == []  # of a connection that lags
    assert told(tape, 10**9 + 3, 10**9 + 3, 500, 6) == [10**9 + 3]
