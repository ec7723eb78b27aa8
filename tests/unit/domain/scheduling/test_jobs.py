"""Definitions of jobs: what each field refuses, and circles."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.jobs import (
    CatchUp,
    CatchUpRule,
    Dependency,
    Job,
    Needs,
    Overlap,
    RetryRule,
    check_graph,
    is_name,
)
from marketprism_domain.scheduling.triggers import AfterTrigger, ManualTrigger, parse_trigger
from marketprism_domain.values import NANOS_PER_SECOND


def job(name: str = "a", trigger: str = "every 1m", *after: str, **more: Any) -> Job:
    given = {"command": "storage.tidy", "after": tuple(map(Dependency.parse, after)), **more}
    return Job(name, parse_trigger(trigger), **given)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"name": "Archive"}, "job: expected a lower-case name"),
        ({"name": "a" * 49}, "job: expected a lower-case name"),
        ({"command": "tidy"}, "command: expected service.command in lower case, like storage.archive, was 'tidy'"),
        ({"command": "storage.tidy.all"}, "command: expected service.command"),
        ({"timeout_s": 0}, "timeout_s: expected 1 to 86400, was 0"),
        ({"jitter_s": -1}, "jitter_s: expected 0 to 3600, was -1"),
        ({"trigger": "after"}, "after: expected at least one job"),
    ],
)
def test_a_job_that_cannot_be_is_refused_by_its_field(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidValue, match=problem):
        job(**given)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: RetryRule(attempts=0), "attempts: expected 1 to 100, was 0"),
        (lambda: RetryRule(pause_s=-1), r"pause_s: expected 0\.1 to 86400, was -1"),
        (lambda: RetryRule(factor=float("nan")), "factor: expected 1 to 10, was nan"),
        (lambda: CatchUpRule(most=0), "most: expected 1 to 10000, was 0"),
        (lambda: Dependency.parse("b:maybe"), "after: expected a job and one of success, failure, any"),
        (lambda: Job("a", ManualTrigger(), "s.c", after=(Dependency("b"),)), "after: expected no job"),
        (lambda: Job("a", AfterTrigger(), "s.c", after=(Dependency("b"), Dependency("b", Needs.ANY))), "each job once"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(make: Any, problem: str) -> None:
    with pytest.raises(InvalidValue, match=problem):
        make()


def test_jobs_that_wait_for_each_other_in_a_circle_are_refused_with_the_way_round() -> None:
    with pytest.raises(InvalidValue, match="no circle of jobs that wait for each other, was 'a → c → b → a'"):
        check_graph([job("a", "after", "c"), job("b", "after", "a"), job("c", "after", "b")])
    with pytest.raises(InvalidValue, match="was 'a → a'"):
        check_graph([job("a", "every 1m", "a")])
    with pytest.raises(InvalidValue, match=r"after: expected a job that is defined \(a waits for it\), was 'gone'"):
        check_graph([job("a", "after", "gone")])


def test_jobs_may_wait_for_each_other_in_a_row_of_any_length_and_meet_again() -> None:
    row = [job("j0"), *(job(f"j{n}", "after", f"j{n - 1}") for n in range(1, 3_000))]
    check_graph(row)
    check_graph([job("a"), job("b", "after", "a"), job("c", "after", "a"), job("d", "after", "b", "c")])


def test_a_pause_grows_up_to_its_longest_and_half_of_it_is_always_kept() -> None:
    rule = RetryRule(attempts=5, pause_s=10, factor=3, longest_s=60)
    assert [rule.pause_ns(n, 1.0) // NANOS_PER_SECOND for n in (1, 2, 3, 4)] == [10, 30, 60, 60]
    assert [rule.pause_ns(n, 0.0) // NANOS_PER_SECOND for n in (1, 2)] == [5, 15]


def test_what_a_job_is_without_being_told() -> None:
    plain = job("a")
    assert (plain.overlap, plain.catch_up, plain.retry) == (Overlap.SKIP, CatchUpRule(), RetryRule())
    assert (plain.timeout_s, plain.begin_s, plain.jitter_s, plain.late_s) == (300, 300, 0, 60)
    assert (plain.enabled, plain.note, plain.body, plain.after) == (True, "", {}, ())
    assert (CatchUpRule().policy, CatchUpRule().window_s, CatchUpRule().most) == (CatchUp.LAST, 86_400, 100)
    assert (RetryRule().attempts, RetryRule().pause_s, RetryRule().factor, RetryRule().longest_s) == (1, 30, 2, 1_800)
    assert [*Overlap] == ["skip", "queue_one", "queue_all", "allow", "cancel_running"]
    assert [*CatchUp, *Needs] == ["none", "last", "all", "success", "failure", "any"]


@pytest.mark.parametrize(
    ("make", "bounds"),
    [
        (RetryRule, RetryRule.BOUNDS),
        (CatchUpRule, CatchUpRule.BOUNDS),
        (partial(Job, "a", ManualTrigger(), "storage.archive"), Job.BOUNDS),
    ],
)
def test_each_rule_reaches_to_its_bounds(make: Any, bounds: Any) -> None:
    expected = {
        "attempts": (1, 100),
        "pause_s": (0.1, 86_400),
        "factor": (1, 10),
        "longest_s": (0.1, 86_400),
        "window_s": (0, 31_622_400),
        "most": (1, 10_000),
        "timeout_s": (1, 86_400),
        "begin_s": (1, 86_400),
        "jitter_s": (0, 3_600),
        "late_s": (1, 86_400),
    }
    for name, (lowest, highest) in bounds.items():
        assert (lowest, highest) == expected[name]
        for value in (lowest, highest):
            assert getattr(make(**{name: value}), name) == value
        for value in (lowest - 1, highest + 1):
            with pytest.raises(InvalidValue, match=name):
                make(**{name: value})


def test_names_and_commands_are_parts_of_one_another() -> None:
    archive = job("a")
    assert (archive.service, archive.operation) == ("storage", "tidy")
    assert [is_name(text) for text in ("a-1", "a" * 48, "a" * 49, "A", "1a", "")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert len(job("a", note="x" * 2_000).note) == 2_000
    with pytest.raises(InvalidValue, match="note"):
        job("a", note="x" * 2_001)


@pytest.mark.parametrize("text", ["archive", "archive:failure", "archive:any"])
def test_a_dependency_reads_as_it_was_written(text: str) -> None:
    assert str(Dependency.parse(text)) == text
    assert str(Dependency.parse("archive:success")) == "archive"
    with pytest.raises(InvalidValue, match="like archive:failure"):
        Dependency.parse("archive:later")
    with pytest.raises(InvalidValue, match="like archive:failure"):
        Dependency.parse("archive:")
