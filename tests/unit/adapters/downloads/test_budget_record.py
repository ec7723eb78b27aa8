"""A budget that several share: however they take turns, nobody gets more than the venue gives."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from marketprism_adapters.nats.budget_record import Budget, BudgetRecord, Level, filled, put_off, taken, waits_s

S = 10**9
NAME = "rest"


@given(
    st.sampled_from([(60.0, 2_000.0), (8.0, 16.0), (0.8, 1.0), (5.0, 20.0), (24.0, 800.0)]),
    st.lists(st.tuples(st.integers(0, 3_000), st.floats(0.1, 40.0), st.integers(0, 2)), min_size=5, max_size=200),
)
def test_what_is_used_in_any_time_is_at_most_the_burst_and_the_rate_times_that_time(
    limits: tuple[float, float], asks: list[tuple[int, float, int]]
) -> None:
    """Programs ask at any time, with clocks that differ by some tens of milliseconds, and use what they get as late as
    they may. What the first one asks for may be more than there is at once: that is its own time to wait."""
    budget = Budget(*limits)
    record, now, used = BudgetRecord(), 1_000 * S, []
    for pause_ms, weight, program in asks:
        now += pause_ms * 10**6
        size = min(weight, max(budget.most, budget.rate * budget.horizon_s))
        record, wait_s = taken(record, NAME, budget, size, now + program * 20_000_000)
        used.append((now / S + wait_s, size))
    used.sort()
    slack = 0.04 * budget.rate  # of the clocks
    for first in range(len(used)):
        total = 0.0
        for at, size in used[first:]:
            total += size
            elapsed = at - used[first][0]
            # A grant of one is what accrued before it; used within the horizon, it never adds up to more than this.
            assert total <= budget.most + budget.rate * elapsed + max(size for _, size in used) + slack


def test_turns_follow_one_another_without_a_pause_and_nothing_is_lost() -> None:
    """Whoever asks next waits for exactly as long as the bucket takes to fill."""
    budget, record, now = Budget(10.0, 20.0), BudgetRecord(), 5 * S
    waits = []
    for _ in range(6):
        record, wait_s = taken(record, NAME, budget, 5.0, now)
        waits.append(round(wait_s, 6))
    assert budget.most == 10.0
    assert waits == [0.0, 0.0, 0.5, 1.0, 1.5, 2.0]
    record, wait_s = taken(record, NAME, budget, -5.0, now)  # given back
    assert round(wait_s, 6) == 1.5
    assert filled(record, NAME, budget, now + 100 * S).tokens == budget.most


def test_a_clock_that_is_ahead_gives_nothing_twice_and_one_that_is_wrong_stops_nobody() -> None:
    budget = Budget(10.0, 20.0)
    record = BudgetRecord({NAME: Level(0.0, 8 * S)})
    assert filled(record, NAME, budget, 5 * S) == Level(0.0, 8 * S)
    assert filled(record, NAME, budget, 9 * S) == Level(10.0, 9 * S)
    wrong = BudgetRecord({NAME: Level(7.0, 4_000 * S)})
    assert filled(wrong, NAME, budget, 5 * S) == Level(0.0, 5 * S)
    assert filled(taken(wrong, NAME, budget, 0.0, 5 * S)[0], NAME, budget, 6 * S).tokens == 10.0


def test_a_debt_has_a_bottom() -> None:
    """What is live may use more than there is for a long time: workers go on a minute after it ends."""
    budget, record = Budget(10.0, 20.0), BudgetRecord()
    for _ in range(100):
        record, wait_s = taken(record, NAME, budget, 1_000.0, 5 * S)
    assert wait_s == 60.0


def test_all_wait_as_long_as_the_venue_said_and_no_longer() -> None:
    now = 1_000 * S
    record = put_off(BudgetRecord(), 30.0, now)
    assert waits_s(record, now + 10 * S) == 20.0
    assert put_off(record, 5.0, now + S) == record  # the longer one holds
    assert waits_s(put_off(record, 100.0, now + S), now + S) == 100.0
    assert waits_s(record, now - 500 * S) == 30.0  # by a clock that is far behind
    assert waits_s(record, now + 31 * S) == 0.0
    later = put_off(record, 5.0, now + 40 * S)
    assert waits_s(later, now + 41 * S) == 4.0


def test_random_takers_use_all_of_it() -> None:
    """Three that always want something: what they are granted in a hundred seconds is the rate times that time."""
    budget, record, dice = Budget(24.0, 48.0), BudgetRecord(), random.Random(3)
    free = [0.0, 0.0, 0.0]
    total = 0.0
    while min(free) < 100.0:
        who = min(range(3), key=lambda each: free[each])
        size = dice.uniform(1.0, 12.0)
        record, wait_s = taken(record, NAME, budget, size, int((1_000 + free[who]) * S))
        free[who] += wait_s + 0.001
        total += size
    assert 100 * budget.rate <= total <= budget.most + 102 * budget.rate


def test_a_record_of_nonsense_gives_nothing_for_nothing_and_holds_nobody_up() -> None:
    budget, now = Budget(10.0, 20.0), 1_000 * S
    for tokens in (float("nan"), float("inf"), float("-inf"), 1e300, -1e300):
        record = BudgetRecord({NAME: Level(tokens, now)}, wait_until=10**30, wait_s=tokens)
        after, wait_s = taken(record, NAME, budget, 5.0, now)
        assert 0.0 <= wait_s <= 60.0
        assert -600.0 <= after.levels[NAME].tokens <= budget.most
        assert 0.0 <= waits_s(record, now) <= 3 * 86_400
