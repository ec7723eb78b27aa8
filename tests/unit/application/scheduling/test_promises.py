"""What a job is promised in cases that are easily forgotten: queues, outages, definitions that change."""

from __future__ import annotations

import pytest

from marketprism_application.scheduling.due_span import MOST_DUE, due_span
from marketprism_domain.scheduling.due_times import DueTimes, PeriodicTimes
from marketprism_domain.scheduling.jobs import CatchUp, CatchUpRule, Overlap
from marketprism_domain.scheduling.runs import RunStatus
from tests.unit.application.scheduling.planned import MINUTE, SECOND, Planned, job_of


class Irregular:
    """Like cron: the next one is all that can be asked."""

    def __init__(self, times: DueTimes) -> None:
        self._times = times

    def following(self, after: int) -> int | None:
        """The next one."""
        return self._times.following(after)


def test_jobs_that_depend_on_one_that_overlaps_itself_follow_its_successes() -> None:
    made = Planned(job_of("up"), job_of("down", "after", "up"), now=SECOND)
    for _ in range(5):
        made.until(made.now + 90 * SECOND)  # a run of 90 s of a job of every minute
        made.end(next(key for key in reversed(made.begun) if key.startswith("up.")))
        for key in [key for key in made.begun if key.startswith("down.")]:
            made.end(key)
    assert [status for _, status in made.told("down")].count("succeeded") >= 4
    assert "skipped" not in {status for _, status in made.told("down")}


def test_runs_at_their_own_times_go_before_a_backfill() -> None:
    made = Planned(job_of("a", "every 1m"), now=10_000 * SECOND)
    made.take(made.planner.backfill("a", 1_000 * SECOND, 9_000 * SECOND, made.now, "ann", 5))
    made.until(made.now)
    for _ in range(20):
        made.until(made.now + 30 * SECOND)
        made.end(made.begun[-1])
    own = [each for each in made.records if each.origin.value == "schedule"]
    assert {each.status for each in own} == {RunStatus.SUCCEEDED}
    assert len(own) >= 9


def test_a_second_backfill_is_named_where_it_finds_no_room() -> None:
    made = Planned(job_of("a", "every 1s"), now=10_000 * SECOND)
    for asked in (1, 2):
        first = 1_000 * asked * SECOND
        made.take(made.planner.backfill("a", first, first + 999 * SECOND, made.now, "ann", asked))
    assert len(made.records) == 1_000
    assert {each.status for each in made.records} == {RunStatus.SKIPPED}


def test_an_attempt_has_its_whole_time_once_it_is_begun() -> None:
    made = Planned(job_of("a", timeout_s=30, begin_s=120), now=SECOND)
    made.is_there = False
    made.until(170 * SECOND)
    assert made.given_up == []
    made.planner.on_claim("a", "a.60000000000.1", made.now)
    made.until(199 * SECOND)
    assert made.given_up == []
    made.until(201 * SECOND)
    assert [each.reason for each in made.given_up] == ["took longer than 30 s"]


def test_what_nobody_begins_is_given_up() -> None:
    made = Planned(job_of("a", timeout_s=30, begin_s=120), now=SECOND)
    made.is_there = False
    made.until(181 * SECOND)
    assert [each.reason for each in made.given_up] == ["nobody began it in 120 s"]


def test_what_is_due_by_the_old_trigger_is_named_when_there_is_a_new_one() -> None:
    made = Planned(job_of("a", "every 1m"), now=SECOND)
    made.now = 600 * SECOND
    made.define(job_of("a", "every 1h"))
    (record,) = made.records
    assert (record.runs, record.due // SECOND, record.last_due // SECOND) == (10, 60, 600)
    assert record.reason == "it was defined anew"


def test_what_was_due_while_a_job_was_paused_is_named_though_it_is_defined_anew_or_removed() -> None:
    for ending in ("define", "remove"):
        made = Planned(job_of("a", "every 1m"), now=SECOND)
        made.define(job_of("a", "every 1m"), paused=True)
        made.now = 600 * SECOND
        if ending == "define":
            made.define(job_of("a", "every 1h"), paused=True)
        else:
            made.take(made.planner.remove("a", made.now))
        (record,) = made.records
        assert (record.runs, record.reason) == (10, "paused")


def test_a_long_pause_is_named_from_its_first_due_time_to_its_last() -> None:
    made = Planned(job_of("a", "every 1s"), now=0)
    made.define(job_of("a", "every 1s"), paused=True)
    made.now = 15_000 * SECOND
    made.define(job_of("a", "every 1s"))
    (record,) = made.records
    assert (record.runs, record.due // SECOND, record.last_due // SECOND) == (15_000, 1, 15_000)


@pytest.mark.parametrize(("policy", "most", "expected"), [(CatchUp.ALL, 5, 5), (CatchUp.LAST, 100, 1)])
def test_as_many_are_made_up_for_as_the_rule_says_however_long_the_outage(
    policy: CatchUp, most: int, expected: int
) -> None:
    rule = CatchUpRule(policy, window_s=90_000, most=most)
    made = Planned(job_of("a", "every 1s", catch_up=rule, late_s=1, overlap=Overlap.QUEUE_ALL), now=0)
    made.jump(80_000 * SECOND)
    track = made.planner.track("a")
    assert track is not None
    assert sum(run.origin.value == "catch_up" for run in track.state.open) == expected


def test_who_waits_longest_has_the_next_place() -> None:
    made = Planned(*(job_of(name, "every 1s", begin_s=3_600) for name in ("a", "b", "z")), now=0, most_running=1)
    for _ in range(30):
        made.until(made.now + SECOND)
        made.end(made.begun[-1])
    counts = {name: sum(key.startswith(f"{name}.") for key in made.begun) for name in ("a", "b", "z")}
    assert min(counts.values()) >= 8, counts


def test_a_new_job_does_not_follow_what_ended_before_there_was_one() -> None:
    made = Planned(job_of("up"), now=SECOND)
    made.until(60 * SECOND)
    made.end("up.60000000000.1", RunStatus.FAILED)
    made.define(job_of("alert", "after", "up:failure"))
    made.until(made.now)
    assert not [key for key in made.begun if key.startswith("alert.")]
    made.until(120 * SECOND)
    made.end("up.120000000000.1", RunStatus.FAILED)
    assert len([key for key in made.begun if key.startswith("alert.")]) == 1


def test_a_job_that_is_removed_and_defined_again_goes_on_where_it_was() -> None:
    made = Planned(job_of("up"), job_of("down", "after", "up"), now=SECOND)
    made.until(60 * SECOND)
    made.end("up.60000000000.1")
    (first,) = [key for key in made.begun if key.startswith("down.")]
    made.end(first)
    made.take(made.planner.remove("down", made.now))
    made.planner.clear_out()
    made.states.pop("down")
    made.define(job_of("down", "after", "up"))
    made.until(made.now)
    assert [key for key in made.begun if key.startswith("down.")] == [first]


def test_a_backfill_waits_for_no_other_job() -> None:
    made = Planned(job_of("up", "every 1h"), job_of("a", "every 1m", "up"), now=10_000 * SECOND)
    made.take(made.planner.backfill("a", 9_000 * SECOND, 9_240 * SECOND, made.now, "ann", 5))
    made.until(made.now)
    while made.planner.running:
        made.end(made.begun[-1])
    assert [status for _, status in made.told("a")] == ["succeeded"] * 5


def test_a_cursor_that_is_far_ahead_is_nonsense() -> None:
    made = Planned(job_of("a"), now=SECOND)
    track = made.planner.track("a")
    assert track is not None
    track.state.cursor = 1 << 62
    made.define(job_of("a"))
    made.until(60 * SECOND)
    assert made.begun == ["a.60000000000.1"]


def test_of_two_runs_of_one_time_that_one_is_cancelled_which_is_meant() -> None:
    made = Planned(job_of("a", "manual", overlap=Overlap.ALLOW), now=SECOND)
    for asked in (1, 2):
        made.take(made.planner.run_now("a", 5 * SECOND, 5 * SECOND, "ann", asked))
    track = made.planner.track("a")
    assert track is not None
    second = track.state.open[1]
    made.until(5 * SECOND)
    made.take(made.planner.cancel("a", second.due, made.now, "no", asked=2))
    assert [each.run.asked for each in made.given_up] == [2]


def test_a_span_is_the_same_however_it_is_looked_at() -> None:
    periodic = PeriodicTimes(SECOND)
    for seconds in (0, 1, 17, MOST_DUE, MOST_DUE + 1, 25_000):
        quick = due_span(periodic, 0, seconds * SECOND)
        slow = due_span(Irregular(periodic), 0, seconds * SECOND)
        assert (quick.first, quick.last) == (slow.first, slow.last)
        assert quick.newest[-MOST_DUE + 1 :] == slow.newest[-MOST_DUE + 1 :]
        assert quick.total == seconds
        assert slow.total <= seconds
    assert due_span(periodic, 0, 90 * MINUTE).total == 5_400
