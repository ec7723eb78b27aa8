"""What is put in is held against what came out, whatever its readers believe."""

from __future__ import annotations

from marketprism_application.monitoring.reconciliation import (
    BEYOND,
    MISSING,
    SKIPPED,
    STANDING,
    UNTAKEN,
    Compared,
    Counted,
    Reconciler,
    StageSeen,
    StoreSeen,
    Waiting,
)

NONE = Waiting()
STUCK = Waiting(3, 20.0, ("shfe.rb2505",))


def stage(done: int, last: int, waiting: Waiting = NONE, **more: object) -> StageSeen:
    return StageSeen("validator", 8, done, last, last, waiting, **more)  # type: ignore[arg-type]


def test_what_waits_and_is_not_taken_is_a_problem_that_names_stage_partition_and_instrument() -> None:
    seen = Reconciler(still_s=8, age_s=8)
    assert seen.look([stage(5, 9, STUCK)], [], 0.0) == []
    assert seen.look([stage(5, 9, STUCK)], [], 7.9) == []
    (problem,) = seen.look([stage(5, 9, STUCK)], [], 8.0)
    assert (problem.kind, problem.stage, problem.where) == (STANDING, "validator", "partition 8")
    assert problem.text == "validator partition 8: 3 messages wait for 20 s and nobody takes them (shfe.rb2505)"
    assert seen.look([stage(6, 9, STUCK)], [], 10.0) == []  # it moves
    assert seen.look([stage(9, 9)], [], 30.0) == []


def test_a_backlog_that_is_being_worked_through_and_one_that_has_just_come_are_none() -> None:
    seen = Reconciler(still_s=8, age_s=8)
    for second in range(0, 60, 2):
        assert seen.look([stage(5 + second, 99, Waiting(50, 40.0))], [], float(second)) == []
    for second in range(60, 80, 2):
        assert seen.look([stage(70, 99, Waiting(1, 0.5))], [], float(second)) == []


def test_a_store_that_stands_still_is_named_by_its_stream() -> None:
    seen = Reconciler(still_s=8, age_s=8)
    store = StoreSeen("MARKET_BARS", 7, 12, Waiting(5, 60.0))
    assert seen.look([], [store], 0.0) == []
    (problem,) = seen.look([], [store], 9.0)
    assert problem.text == "storage MARKET_BARS: 5 messages wait for 60 s and nobody takes them"


def test_a_place_behind_the_end_of_the_log_is_a_problem_once_it_is_no_late_replica() -> None:
    seen = Reconciler(sure_s=1.5)
    assert seen.look([stage(1_000, 9)], [StoreSeen("MARKET_TICKS", 50, 40)], 0.0) == []
    (of_stage, of_store) = seen.look([stage(1_000, 9)], [StoreSeen("MARKET_TICKS", 50, 40)], 2.0)
    assert (of_stage.kind, of_store.kind) == (BEYOND, BEYOND)
    assert "1000, the log ends at 9" in of_stage.text
    assert seen.look([stage(1_000, 1_001)], [StoreSeen("MARKET_TICKS", 0, 0)], 3.0) == []
    assert seen.look([stage(1_000, 9)], [], 4.0) == []


def test_messages_that_a_stage_passed_over_are_counted_and_told_for_a_while() -> None:
    seen = Reconciler(hold_s=100)
    first = stage(10, 10, since=0, taken=10)
    assert seen.base_of(first) == 0
    seen.counted(first, Counted(0, 10, 10, 1), (), 0.0)
    assert seen.look([first], [], 0.0) == []
    forged = stage(30, 30, since=0, taken=12)
    assert seen.base_of(forged) == 10
    seen.counted(forged, Counted(10, 30, 20, 1), ("shfe.rb2505",), 5.0)
    (problem,) = seen.look([forged], [], 5.0)
    assert problem.kind == SKIPPED
    assert problem.text == ("validator partition 8: 18 messages were passed over (shfe.rb2505); sequences 11 to 30")
    assert seen.base_of(forged) == 30
    assert seen.look([forged], [], 104.0) != []
    assert seen.look([forged], [], 105.0) == []


def test_a_log_that_lost_its_beginning_says_nothing_about_its_reader() -> None:
    seen = Reconciler()
    late = stage(50, 50, since=0, taken=50)
    assert seen.base_of(late) == 0
    seen.counted(late, Counted(0, 50, 20, 31), (), 0.0)
    assert seen.look([late], [], 0.0) == []
    assert seen.base_of(late) == 50


def test_a_checkpoint_that_does_not_count_is_not_judged_and_a_new_life_begins_anew() -> None:
    seen = Reconciler()
    assert seen.base_of(stage(5, 5)) is None
    assert seen.base_of(stage(40, 40, since=0, taken=40)) == 0
    seen.counted(stage(40, 40, since=0, taken=40), Counted(0, 40, 40, 1), (), 0.0)
    assert seen.base_of(stage(3, 3, since=0, taken=3)) == 0


def test_ticks_that_are_refused_as_a_whole_are_told_when_they_grow() -> None:
    seen = Reconciler(hold_s=60)
    assert seen.look([stage(1, 1, untaken={"sim:7": 40})], [], 0.0) == []  # of old: told by whoever looked then
    assert seen.look([stage(2, 2, untaken={"sim:7": 75})], [], 2.0)[0].kind == UNTAKEN
    assert "35 ticks were not taken; source sim:7" in seen.look([stage(2, 2, untaken={"sim:7": 75})], [], 9.0)[0].text
    assert seen.look([stage(2, 2, untaken={"sim:7": 75})], [], 62.0) == []


def test_published_rows_that_the_table_lacks_are_named_until_they_are_there() -> None:
    seen = Reconciler(hold_s=1_000)
    assert seen.stored_base(1, 60) == 0
    missing = {"shfe.rb2505": 2, "dce.m2505": 9}
    seen.compared("MARKET_TICKS", Compared(0, 50, missing), 0.0)
    (problem,) = seen.look([], [], 1.0)
    assert problem.kind == MISSING
    assert problem.text == (
        "storage MARKET_TICKS: 11 published rows are not in the table (dce.m2505, shfe.rb2505); sequences 1 to 50"
    )
    assert seen.stored_base(1, 60) == 0  # the same range is looked at again
    seen.compared("MARKET_TICKS", Compared(0, 60, {}), 2.0)
    assert seen.look([], [], 3.0) == []
    assert seen.stored_base(1, 60) == 60
    assert seen.stored_base(100, 200) == 99  # the stream has forgotten what was before


def test_a_store_that_is_filled_again_is_counted_again_from_where_the_stream_begins() -> None:
    seen = Reconciler()
    seen.compared("MARKET_TICKS", Compared(0, 60, {}), 0.0)
    assert seen.stored_base(1, 60) == 60
    assert seen.stored_base(1, 20) == 0
    seen.compared("MARKET_TICKS", Compared(0, 20, {}), 10.0)
    assert seen.stored_base(1, 90) == 20


def test_a_count_that_does_not_fit_is_known_before_it_is_told() -> None:
    seen = Reconciler()
    of = stage(40, 40, since=0, taken=38)
    assert seen.base_of(of) == 0
    assert not seen.too_many(of, 38)
    assert seen.too_many(of, 40)
