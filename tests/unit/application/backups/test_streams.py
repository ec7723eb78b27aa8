"""What of a stream can be compared that goes on while it is copied."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from marketprism_application.backups.streams import ranges_of


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_ranges_hold_what_stayed_and_nothing_that_went(before: set[int], went: set[int]) -> None:
    stayed = before - went
    ranges = ranges_of(sorted(before), stayed)
    inside = {seq for seq in before if any(first <= seq <= last for first, last in ranges)}
    assert inside == stayed
    assert all(first <= last for first, last in ranges)
    assert all(a[1] < b[0] for a, b in pairwise(ranges))


def test_what_was_never_there_breaks_no_range() -> None:
    assert ranges_of([1, 2, 7, 9], [1, 2, 7, 9]) == ((1, 9),)
    assert ranges_of([1, 2, 7, 9], [1, 7, 9]) == ((1, 1), (7, 9))
    assert ranges_of([], []) == ()
