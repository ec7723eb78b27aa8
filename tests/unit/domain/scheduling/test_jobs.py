"""Definitions of jobs: what each field refuses, and circles."""

from __future__ import annotations

from typing import Any

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.jobs import CatchUpRule, Dependency, Job, Needs, RetryRule, check_graph
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
