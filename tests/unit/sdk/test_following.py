"""Whether a watch has told everything: by the numbers of what it told, and of what was read."""

from __future__ import annotations

import pytest

from marketprism_sdk.following import FollowedRevisions
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import ManualClock


def entries(*revisions: int) -> list[KvEntry]:
    return [KvEntry(f"k{revision}", b"", revision) for revision in revisions]


@pytest.mark.parametrize(
    ("read", "told", "whole"),
    [
        ((3, 7), (8, 9), True),
        ((3, 7), (9,), False),  # the copy of the first change behind the reading was lost
        ((), (1, 2), True),
        ((), (2,), True),  # of what was deleted nothing is read
        ((3, 7), (8, 10), False),
        ((3, 7), (7, 8), True),  # it was on its way while everything was read
        ((3, 7), (2,), False),  # a bucket that was made anew
    ],
)
def test_a_change_that_was_not_told_is_missed_by_its_number(
    read: tuple[int, ...], told: tuple[int, ...], *, whole: bool
) -> None:
    followed = FollowedRevisions(ManualClock(), 5.0)
    followed.reading()
    followed.read(entries(*read))
    for revision in told:
        followed.note(revision)
    assert followed.whole == whole


def test_a_reading_does_not_forget_what_was_told_before_it() -> None:
    followed = FollowedRevisions(ManualClock(), 5.0)
    followed.reading()
    followed.read(entries(7))
    followed.note(8)
    followed.reading()
    followed.note(9)
    followed.read(entries(7))  # from a replica that is behind
    followed.note(10)
    assert followed.whole
    followed.note(12)
    assert not followed.whole


async def test_a_watch_that_is_silent_tells_nothing_and_a_reading_that_failed_neither() -> None:
    clock = ManualClock()
    followed = FollowedRevisions(clock, 5.0)
    followed.reading()
    followed.read(entries(7))
    assert not followed.whole  # nothing was heard yet
    followed.note(8)
    assert followed.whole
    await clock.advance(5.1)
    assert not followed.whole
    followed.note(9)
    assert followed.whole
    followed.missed()
    assert not followed.whole
