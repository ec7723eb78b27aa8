"""A wall clock that is set, for a moment or for good."""

from __future__ import annotations

from marketprism_application.scheduling.steady_clock import SteadyClock

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND


def readings(steps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(time that is used, by how much it was moved), seconds, of readings (wall, monotonic) in seconds."""
    clock = SteadyClock()
    found = [clock.read(wall * SECOND, monotonic * SECOND) for wall, monotonic in steps]
    return [(now // SECOND, moved // SECOND) for now, moved in found]


def test_a_clock_that_runs_is_used_as_it_is() -> None:
    assert readings([(1_000, 5), (1_001, 6), (1_003, 7), (1_004, 8)]) == [
        (1_000, 0),
        (1_001, 0),
        (1_003, 0),
        (1_004, 0),
    ]


def test_a_clock_that_is_set_for_a_moment_changes_nothing() -> None:
    steps = [(1_000, 5), (4_601, 6), (4_602, 7), (1_003, 8)]
    assert readings(steps) == [(1_000, 0), (1_001, 0), (1_002, 0), (1_003, 0)]


def test_a_clock_that_stays_where_it_was_set_is_followed_after_half_a_minute() -> None:
    for by in (3_600, -3_600):
        steps = [(10_000, 5), *((10_000 + by + n, 5 + n) for n in range(1, 40))]
        found = readings(steps)
        assert found[29] == (10_029, 0)
        assert found[31] == (10_031 + by, by)
        assert found[32] == (10_032 + by, 0)


def test_a_clock_that_is_set_again_meanwhile_is_waited_for_anew() -> None:
    steps = [(1_000, 0), *((4_600 + n, n) for n in range(1, 20)), *((9_000 + n, n) for n in range(20, 60))]
    found = readings(steps)
    moves = [(n, moved) for n, (_, moved) in enumerate(found) if moved]
    assert moves == [(50, 8_000)]
