"""A limit never grants more than its burst and what has grown since; and nobody waits longer than needed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_application.access.gcra import Gcra, Rate

RATES = st.builds(Rate, st.floats(0.1, 1_000), st.integers(1, 500).map(float))
STEPS = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 20)), min_size=1, max_size=60)


@given(RATES, STEPS)
@settings(max_examples=100, deadline=None)
def test_never_more_is_granted_than_the_burst_and_the_rate_over_time(
    rate: Rate, steps: list[tuple[float, int]]
) -> None:
    limit, now, grants = Gcra(rate), 0.0, []
    for pause, weight in steps:
        now += pause
        allowance = limit.take(now, weight)
        if allowance.allowed:
            grants.append((now, min(weight, rate.burst)))
        else:
            assert allowance.retry_after_s > 0
        assert 0 <= allowance.remaining <= rate.burst
    for first in range(len(grants)):
        granted = 0.0
        for at, weight in grants[first:]:
            granted += weight
            assert granted <= rate.burst + rate.per_second * (at - grants[first][0]) + 1e-6 * rate.burst


@given(RATES, st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_who_waits_as_long_as_the_answer_says_is_let_in(rate: Rate, weight: int) -> None:
    limit, now = Gcra(rate), 100.0
    while (refused := limit.take(now, weight)).allowed:
        pass
    assert limit.take(now + refused.retry_after_s + 1e-6, weight).allowed


def test_what_is_left_is_said_and_a_rest_brings_the_burst_back() -> None:
    limit = Gcra(Rate(10, 3))
    assert [limit.take(0.0).remaining for _ in range(3)] == [2, 1, 0]
    refused = limit.take(0.0)
    assert (refused.allowed, refused.limit, refused.remaining) == (False, 3, 0)
    assert refused.retry_after_s == pytest.approx(0.1)
    assert limit.take(0.31).remaining == 2


def test_instances_share_a_limit() -> None:
    assert Rate(100, 300).share(1) == Rate(100, 300)
    assert Rate(100, 300).share(5) == Rate(25, 75)
