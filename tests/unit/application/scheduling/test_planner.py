"""Which runs there are: overlaps, retries, what was missed, what waits for others, clocks that jump."""

from __future__ import annotations

from typing import Any

import pytest

from marketprism_application.scheduling.job_track import JobTrack
from marketprism_application.scheduling.run_changes import Changes
from marketprism_domain.scheduling.jobs import CatchUp, CatchUpRule, Overlap, RetryRule
from marketprism_domain.scheduling.runs import RunStatus
from tests.unit.application.scheduling.planned import MINUTE, SECOND, Planned, job_of


def test_a_job_is_run_at_each_of_its_times() -> None:
    made = Planned(job_of(), now=30 * SECOND)
    made.until(60 * SECOND)
    assert made.begun == ["a.60000000000.1"]
    made.end(made.begun[0])
    made.until(120 * SECOND)
    made.end(made.begun[1])
    assert made.told() == [(60, "succeeded"), (120, "succeeded")]
    assert made.planner.running == made.planner.waiting == 0


@pytest.mark.parametrize(
    ("overlap", "told", "begun"),
    [
        (Overlap.SKIP, [(120, "skipped"), (180, "skipped"), (60, "succeeded")], ["60"]),
        (Overlap.QUEUE_ONE, [(180, "skipped"), (60, "succeeded")], ["60", "120"]),
        (Overlap.QUEUE_ALL, [(60, "succeeded")], ["60", "120"]),
        (Overlap.ALLOW, [(60, "succeeded")], ["60", "120", "180"]),
    ],
)
def test_what_overlaps_is_dealt_with_as_the_job_says(
    overlap: Overlap, told: list[tuple[int, str]], begun: list[str]
) -> None:
    made = Planned(job_of(overlap=overlap, timeout_s=3_600), now=SECOND)
    made.until(180 * SECOND)
    made.end("a.60000000000.1")
    assert made.told() == told
    assert [key.split(".")[1][:-9] for key in made.begun] == begun


def test_a_run_that_is_due_may_end_the_one_before() -> None:
    made = Planned(job_of(overlap=Overlap.CANCEL_RUNNING, timeout_s=3_600), now=SECOND)
    made.until(120 * SECOND)
    (given_up,) = made.given_up
    assert (given_up.key, given_up.is_timeout) == ("a.60000000000.1", False)
    assert made.begun == ["a.60000000000.1"], "the next one begins when that one is known to have ended"
    made.end("a.60000000000.1", RunStatus.CANCELLED, reason="cancelled")
    assert made.begun == ["a.60000000000.1", "a.120000000000.1"]
    assert made.told() == [(60, "cancelled")]


def test_a_run_that_fails_is_tried_again_after_its_pauses_and_given_up() -> None:
    made = Planned(job_of("a", "every 1d", retry=RetryRule(3, 10, 3, 60)), now=86_400 * SECOND - 1)
    start = 86_400 * SECOND
    made.until(start)
    made.end(f"a.{start}.1", RunStatus.FAILED, reason="no")
    made.until(start + 9 * SECOND)
    assert len(made.begun) == 1
    made.until(start + 10 * SECOND)
    assert made.begun[-1] == f"a.{start}.2"
    made.end(made.begun[-1], RunStatus.TIMED_OUT)
    made.until(start + 40 * SECOND)
    made.end(f"a.{start}.3", RunStatus.FAILED, reason="no, really")
    (record,) = made.records
    assert (record.status, record.attempts, record.reason) == (RunStatus.FAILED, 3, "no, really")
    assert made.planner.track("a").state.failures == 1  # type: ignore[union-attr]


def test_what_a_service_refuses_is_not_tried_again() -> None:
    made = Planned(job_of(retry=RetryRule(5)), now=SECOND)
    made.until(60 * SECOND)
    made.end("a.60000000000.1", RunStatus.FAILED, reason="body: expected …", is_final=True)
    assert made.told() == [(60, "failed")]


def test_a_run_that_hangs_is_given_up_once_and_then_tried_again() -> None:
    made = Planned(job_of(timeout_s=30, retry=RetryRule(2, 1), overlap=Overlap.ALLOW), now=SECOND)
    made.until(110 * SECOND)
    (given_up,) = made.given_up
    assert (given_up.key, given_up.is_timeout) == ("a.60000000000.1", True)
    made.end("a.60000000000.1", RunStatus.TIMED_OUT, reason="took longer than 30 s")
    made.until(112 * SECOND)
    assert made.begun == ["a.60000000000.1", "a.60000000000.2"]
    made.end("a.60000000000.1", RunStatus.SUCCEEDED)
    assert made.told() == [], "what a late one says is of no account"


@pytest.mark.parametrize(
    ("policy", "made_up", "missed"),
    [
        (CatchUp.NONE, [], (1, 9)),
        (CatchUp.LAST, [9], (1, 8)),
        (CatchUp.ALL, [1, 2, 3, 4, 5, 6, 7, 8, 9], None),
    ],
)
def test_after_an_outage_of_ten_minutes_the_policy_says_what_is_made_up_for(
    policy: CatchUp, made_up: list[int], missed: tuple[int, int] | None
) -> None:
    made = Planned(job_of(catch_up=CatchUpRule(policy), late_s=30), now=SECOND)
    made.jump(10 * MINUTE)
    for _ in range(12):
        if made.planner.running:
            made.end(made.begun[-1])
    assert [key.split(".")[1] for key in made.begun] == [str(n * MINUTE) for n in [10, *made_up]]
    found = [each for each in made.records if each.status is RunStatus.MISSED]
    if missed is None:
        assert found == []
    else:
        (record,) = found
        assert (record.due // MINUTE, record.last_due // MINUTE, record.runs) == (*missed, missed[1] - missed[0] + 1)
        assert record.reason == "nobody ran it within 30 s"


def test_what_is_older_than_the_window_or_more_than_the_most_is_missed() -> None:
    rule = CatchUpRule(CatchUp.ALL, window_s=300, most=2)
    made = Planned(job_of(catch_up=rule, late_s=30), now=SECOND)
    made.jump(10 * MINUTE)
    while made.planner.running:
        made.end(made.begun[-1])
    assert [int(key.split(".")[1]) // MINUTE for key in made.begun] == [10, 8, 9]
    (record,) = [each for each in made.records if each.status is RunStatus.MISSED]
    assert (record.due // MINUTE, record.last_due // MINUTE, record.runs) == (1, 7, 7)


def test_a_clock_that_is_set_back_runs_nothing_twice_and_one_set_forward_misses_by_the_policy() -> None:
    made = Planned(job_of(catch_up=CatchUpRule(CatchUp.LAST), late_s=30), now=SECOND)
    made.until(2 * MINUTE)
    made.end(made.begun[-1])
    made.now = 2 * MINUTE - 3_600 * SECOND  # an hour back
    for look in range(made.now, 3 * MINUTE, 7 * SECOND):
        made.until(look)
        while made.planner.running:
            made.end(made.begun[-1])
    assert sorted(made.given.values()) == [1] * len(made.given)
    due = [int(key.split(".")[1]) // MINUTE for key in made.begun]
    assert due == sorted(set(due))
    made.jump(made.now + 3_600 * SECOND)
    assert made.records[-1].status is RunStatus.MISSED or made.planner.running == 1
    assert any(each.status is RunStatus.MISSED and each.runs > 50 for each in made.records)


def test_a_job_after_others_is_run_once_they_all_have_run_anew() -> None:
    made = Planned(
        job_of("archive", "every 1h"),
        job_of("backup", "every 1h", timeout_s=900),
        job_of("drop", "after", "archive", "backup"),
        now=SECOND,
    )
    hour = 3_600 * SECOND
    made.until(hour)
    made.end(f"archive.{hour}.1")
    assert made.told("drop") == []
    made.end(f"backup.{hour}.1")
    assert made.begun[-1] == f"drop.{hour}.1"
    made.end(made.begun[-1])
    made.until(2 * hour)
    made.end(f"archive.{2 * hour}.1")
    made.end(f"backup.{2 * hour}.1", RunStatus.FAILED, reason="disk full")
    assert made.told("drop") == [(3_600, "succeeded"), (7_200, "skipped")]
    assert made.records[-1].reason == "backup has failed, and success was waited for"


def test_a_job_may_wait_for_a_failure() -> None:
    made = Planned(job_of("check", "every 1h"), job_of("repair", "after", "check:failure"), now=SECOND)
    made.until(3_600 * SECOND)
    made.end(made.begun[-1])
    assert made.told("repair") == [(3_600, "skipped")]
    made.until(7_200 * SECOND)
    made.end(made.begun[-1], RunStatus.FAILED)
    assert made.begun[-1] == f"repair.{7_200 * SECOND}.1"


def test_a_job_with_a_time_of_its_own_waits_for_others_as_long_as_it_may_take() -> None:
    made = Planned(job_of("verify", "every 1h"), job_of("drop", "every 1h", "verify", timeout_s=600), now=SECOND)
    hour = 3_600 * SECOND
    made.until(hour + 60 * SECOND)
    assert made.begun == [f"verify.{hour}.1"]
    made.end(f"verify.{hour}.1")
    made.until(hour + 61 * SECOND)
    assert made.begun[-1] == f"drop.{hour}.1"
    made.end(f"drop.{hour}.1")
    made.until(2 * hour + 601 * SECOND)
    assert made.told("drop") == [(3_600, "succeeded"), (7_200, "skipped")]
    assert made.records[-1].reason == "verify did not run within 600 s"


def test_a_job_that_is_paused_misses_what_is_due_and_says_so_when_it_goes_on() -> None:
    job = job_of()
    made = Planned(job, now=SECOND)
    made.define(job, paused=True)
    made.until(5 * MINUTE + 1)
    assert (made.begun, made.records) == ([], [])
    made.define(job)
    (record,) = made.records
    assert (record.status, record.runs, record.reason) == (RunStatus.MISSED, 5, "paused")
    made.until(6 * MINUTE)
    assert made.begun == [f"a.{6 * MINUTE}.1"]


def test_a_job_that_gets_another_trigger_is_due_by_it_from_now_on() -> None:
    made = Planned(job_of("a", "every 1d"), now=SECOND)
    made.until(3_600 * SECOND)
    made.define(job_of("a", "every 1m"))
    made.until(3_660 * SECOND)
    assert made.begun == [f"a.{3_660 * SECOND}.1"]
    assert made.records == []


def test_a_job_is_run_when_somebody_asks_and_cancelled_when_somebody_asks() -> None:
    made = Planned(job_of("a", "manual"), now=SECOND)
    made.take(made.planner.run_now("a", 5 * SECOND, 5 * SECOND, "ann", 77))
    made.until(5 * SECOND)
    assert made.begun == [f"a.{5 * SECOND}.77.1"]
    made.take(made.planner.cancel("a", 5 * SECOND, 6 * SECOND, "cancelled by ann"))
    assert made.given_up[-1].reason == "cancelled by ann"
    made.end(f"a.{5 * SECOND}.77.1", RunStatus.CANCELLED, reason="cancelled by ann")
    (record,) = made.records
    assert (record.status, record.actor, record.reason) == (RunStatus.CANCELLED, "ann", "cancelled by ann")


def test_of_many_that_ask_at_once_each_has_a_run_of_its_own() -> None:
    made = Planned(job_of("a", "manual"), now=SECOND)
    for asked in range(1, 31):
        made.take(made.planner.run_now("a", 5 * SECOND, 5 * SECOND, "ann", asked))
    made.until(5 * SECOND)
    made.end(made.begun[0])
    assert len({str(each.run) for each in made.records}) == 30
    assert sorted(each.status.value for each in made.records) == ["skipped"] * 29 + ["succeeded"]


def test_times_of_a_span_are_made_up_for_one_by_one() -> None:
    made = Planned(job_of("a", "every 1h"), now=86_400 * SECOND + 1)
    made.take(made.planner.backfill("a", 3_600 * SECOND, 4 * 3_600 * SECOND, made.now, "ann", 3))
    made.until(made.now)
    assert made.planner.running == 1
    while made.planner.running:
        made.end(made.begun[-1])
    assert made.told() == [(n * 3_600, "succeeded") for n in (1, 2, 3, 4)]
    assert {each.origin.value for each in made.records} == {"backfill"}


def test_runs_of_one_time_are_spread_by_their_jitter_in_the_same_way_for_every_leader() -> None:
    jobs = [job_of(f"j{n}", jitter_s=20) for n in range(20)]
    made = Planned(*jobs, now=59 * SECOND)
    made.until(60 * SECOND)
    assert len(made.begun) < 10
    made.lead()
    made.until(80 * SECOND)
    assert sorted(made.given) == sorted(f"j{n}.60000000000.1" for n in range(20))


def test_no_more_run_at_once_than_may_and_the_rest_has_its_turn() -> None:
    made = Planned(*(job_of(f"j{n}", timeout_s=3_600) for n in range(10)), now=SECOND, most_running=3)
    made.until(60 * SECOND)
    assert (made.planner.running, made.planner.waiting) == (3, 7)
    while made.planner.running:
        made.end(next(key for key in made.begun if key not in {f"{e.job}.{e.due}.1" for e in made.records}))
    assert len(made.records) == 10
    assert {each.status for each in made.records} == {RunStatus.SUCCEEDED}


def test_a_job_that_floods_keeps_what_it_can_and_tells_of_the_rest() -> None:
    made = Planned(job_of("a", "every 1s", overlap=Overlap.QUEUE_ALL, timeout_s=86_400), now=SECOND)
    made.until(1_100 * SECOND)
    assert made.planner.running == 1
    assert made.planner.waiting == 999
    assert {each.status for each in made.records} == {RunStatus.SKIPPED}
    assert len(made.records) == 99


def test_a_job_that_is_removed_ends_and_can_be_defined_again() -> None:
    made = Planned(job_of(), now=SECOND)
    made.until(60 * SECOND)
    made.take(made.planner.remove("a", made.now))
    assert made.given_up[-1].reason == "the job was removed"
    made.end("a.60000000000.1", RunStatus.CANCELLED)
    made.planner.clear_out()
    assert made.planner.names() == []
    made.jump(10 * MINUTE + SECOND)
    made.define(job_of())
    made.until(11 * MINUTE)
    assert made.begun[-1] == f"a.{11 * MINUTE}.1"
    assert [each.status for each in made.records] == [RunStatus.CANCELLED]


def test_ten_thousand_jobs_are_looked_at_when_they_are_due_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = [0]
    inside = JobTrack.on_clock

    def counted(track: JobTrack, *given: Any) -> Changes:
        looked[0] += 1
        return inside(track, *given)

    monkeypatch.setattr(JobTrack, "on_clock", counted)
    made = Planned(
        *(job_of(f"j{n}", f"every 1h +{n % 3_600}s") for n in range(10_000)), now=SECOND, most_running=20_000
    )
    made.until(2 * SECOND)
    looked[0] = 0
    made.until(62 * SECOND)
    assert len(made.begun) > 150, "three jobs a second are due"
    assert looked[0] < 2 * len(made.begun)


def test_more_runs_at_once_let_in_who_waits_and_fewer_end_nobody() -> None:
    made = Planned(*(job_of(f"j{n}", timeout_s=3_600) for n in range(6)), now=SECOND, most_running=2)
    made.until(MINUTE)
    assert (len(made.begun), made.planner.waiting) == (2, 4)
    made.planner.allow(4, made.now)
    made.until(MINUTE + SECOND)
    assert (len(made.begun), made.planner.running) == (4, 4)
    made.planner.allow(1, made.now)
    made.until(MINUTE + 2 * SECOND)
    assert (len(made.begun), made.planner.running) == (4, 4)
    made.end(made.begun[0])
    assert (len(made.begun), made.planner.running) == (4, 3)
