"""Whatever happens to leaders, each due time is run once or told of: any kills, at any point, in any order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_domain.scheduling.jobs import CatchUp, CatchUpRule, Overlap, RetryRule
from marketprism_domain.scheduling.runs import RunStatus
from tests.unit.application.scheduling.planned import MINUTE, SECOND, Planned, job_of

_steps = st.lists(
    st.tuples(
        st.sampled_from(["look", "before", "after", "lead", "end", "fail", "away", "back"]),
        st.integers(1, 150),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(_steps, st.sampled_from(list(CatchUp)), st.sampled_from([Overlap.QUEUE_ALL, Overlap.SKIP]))
def test_each_due_time_is_run_once_or_told_of(
    steps: list[tuple[str, int]], catch_up: CatchUp, overlap: Overlap
) -> None:
    jobs = [
        job_of(
            "a", "every 1m", overlap=overlap, catch_up=CatchUpRule(catch_up), timeout_s=1_200, retry=RetryRule(2, 1)
        ),
        job_of("b", "every 1m +10s", overlap=overlap, catch_up=CatchUpRule(catch_up), timeout_s=1_200),
    ]
    made = Planned(*jobs, now=SECOND)
    ended: set[str] = set()

    def end(status: RunStatus) -> None:
        for key in made.begun:
            if key not in ended:
                ended.add(key)
                made.end(key, status)

    for what, seconds in steps:
        then = made.now + seconds * SECOND
        match what:
            case "look":
                made.until(then)
            case "before" | "after":  # it dies there, and another leads
                made.until(then, dies=what)
                made.now = then
                made.lead()
            case "lead":
                made.lead()
            case "end":
                end(RunStatus.SUCCEEDED)
            case "fail":
                end(RunStatus.FAILED)
            case "away":
                made.now = then + 20 * MINUTE
            case _:
                made.now = max(SECOND, made.now - seconds * SECOND)
    latest = max(made.now, 60 * MINUTE) + 10 * MINUTE
    made.until(latest)
    for _ in range(400):
        end(RunStatus.SUCCEEDED)
        if not made.planner.waiting and not made.planner.running:
            break
        made.until(made.now + 2 * SECOND)
    assert sorted(set(made.begun)) == sorted(made.begun), "no attempt is begun twice"
    for name, offset in (("a", 0), ("b", 10)):
        told: dict[int, int] = {}
        for each in (record for record in made.records if record.job == name):
            times = range(each.due, each.last_due + 1, MINUTE) if each.status is RunStatus.MISSED else [each.due]
            for due in times:
                told[due] = told.get(due, 0) + 1
        assert set(told.values()) <= {1}, "no due time is told of twice"
        state = made.planner.track(name).state  # type: ignore[union-attr]
        due = range(offset * SECOND if offset else MINUTE, state.cursor + 1, MINUTE)
        assert sorted(told) == [each for each in due if each > SECOND], "no due time is left out"
