"""Each venue's procedure: what begins a book, what goes on with it, what breaks it, what comes after."""

from __future__ import annotations

import pytest

from marketprism_domain.books.chain import BookChange, ChainRule, IdRange, LinkedIds, PreviousId, Step, checksum
from marketprism_domain.books.levels import OrderBook
from marketprism_domain.books.sync import BookSnapshot, BookSync


def change(first: int, last: int, prev: int | None = None, bids: object = (("10", "1"),), **more: object) -> BookChange:
    return BookChange("v", "S", last * 10, last * 10, last, first, prev, bids, (), **more)  # type: ignore[arg-type]


def snapshot(last_id: int) -> BookSnapshot:
    return BookSnapshot(last_id, last_id * 10, last_id * 10, [("10", "5"), ("9", "5")], [("12", "5")])


@pytest.mark.parametrize(
    ("rule", "first", "expected"),
    [
        (IdRange(), change(5, 8), Step.OLD),  # u <= lastUpdateId
        (IdRange(), change(9, 10), Step.OLD),
        (IdRange(), change(9, 12), Step.NEXT),  # holds lastUpdateId + 1
        (IdRange(), change(11, 12), Step.NEXT),
        (IdRange(), change(12, 13), Step.GAP),  # the snapshot is too old
        (PreviousId(), change(5, 9, 4), Step.OLD),  # u < lastUpdateId
        (PreviousId(), change(9, 10, 8), Step.NEXT),  # U <= lastUpdateId <= u
        (PreviousId(), change(15, 20, 10), Step.NEXT),  # pu == lastUpdateId: streams go on like this as well
        (PreviousId(), change(12, 20, 11), Step.GAP),
        (LinkedIds(), change(12, 12, 10), Step.NEXT),
        (LinkedIds(), change(12, 12, 9), Step.NEXT),  # by request: the change that holds the snapshot's id
        (LinkedIds(), change(9, 9, 8), Step.OLD),
        (LinkedIds(), change(14, 14, 12), Step.GAP),
    ],
)
def test_what_may_follow_a_snapshot_at_10(rule: ChainRule, first: BookChange, expected: Step) -> None:
    assert rule.begins(first, 10) is expected


@pytest.mark.parametrize(
    ("rule", "after", "expected"),
    [
        (IdRange(), change(11, 15), Step.NEXT),
        (IdRange(), change(8, 10), Step.OLD),
        (IdRange(), change(12, 15), Step.GAP),
        (PreviousId(), change(500, 600, 10), Step.NEXT),
        (PreviousId(), change(12, 15, 11), Step.GAP),
        (PreviousId(), change(5, 9, 4), Step.OLD),
        (LinkedIds(), change(11, 11, 10), Step.NEXT),
        (LinkedIds(), change(3, 3, 10), Step.NEXT),  # OKX may start its ids again lower: only the link counts
        (LinkedIds(), change(11, 11, 9), Step.GAP),
        (LinkedIds(), change(10, 10, 10, ()), Step.ALIVE),  # a heartbeat
        (LinkedIds(), change(10, 10, 9), Step.OLD),
    ],
)
def test_what_may_follow_a_change_that_ended_at_10(rule: ChainRule, after: BookChange, expected: Step) -> None:
    assert rule.follows(after, 10) is expected


def test_what_came_before_the_snapshot_is_joined_to_it() -> None:
    sync = BookSync(IdRange())
    for each in (change(8, 9), change(10, 11, bids=[("10", "7")]), change(12, 12, bids=[("9", "0")])):
        assert sync.on_change(each) == []
    steps = sync.on_snapshot(snapshot(10))
    assert steps is not None
    assert [step.form for step in steps] == ["snapshot"]
    assert (sync.valid, sync.book.last_id) == (True, 12)
    assert sync.book.bids.top() == [("10", "7")]


@pytest.mark.parametrize("rule", [PreviousId(), LinkedIds()])
def test_the_first_step_behind_a_snapshot_names_its_id_also_where_that_lies_within_it(rule: ChainRule) -> None:
    sync = BookSync(rule)
    assert sync.on_snapshot(snapshot(10)) is not None
    (first,) = sync.on_change(change(9, 12, 8))
    (second,) = sync.on_change(change(13, 15, 12))
    assert [(step.change.prev_id, step.change.last_id) for step in (first, second) if step.change] == [
        (10, 12),
        (12, 15),
    ]


def test_a_snapshot_older_than_what_was_kept_is_asked_for_again() -> None:
    sync = BookSync(IdRange())
    sync.on_change(change(20, 21))
    assert sync.on_snapshot(snapshot(10)) is None
    assert not sync.valid
    assert sync.on_snapshot(snapshot(20)) is not None
    assert (sync.valid, sync.book.last_id) == (True, 21)


def test_a_hole_makes_the_book_invalid_at_once_and_the_change_behind_it_is_not_lost() -> None:
    sync = BookSync(IdRange())
    sync.on_change(change(11, 11))
    sync.on_snapshot(snapshot(10))
    steps = sync.on_change(change(13, 14, bids=[("10", "3")]))
    assert [(step.form, step.cause) for step in steps] == [("invalid", "sequence")]
    assert not sync.valid
    assert sync.on_change(change(15, 15)) == []
    assert sync.on_snapshot(snapshot(13)) is not None  # 14 holds what follows 13
    assert (sync.valid, sync.book.last_id, sync.gaps) == (True, 15, 1)


def test_a_crossed_book_is_not_published() -> None:
    sync = BookSync(LinkedIds())
    sync.on_change(BookChange("v", "S", 1, 1, 10, 10, None, [("10", "1")], [("11", "1")], True))
    steps = sync.on_change(change(11, 11, 10, [("11.5", "1")]))
    assert [(step.form, step.cause) for step in steps] == [("invalid", "crossed")]


def test_a_wrong_checksum_breaks_the_book_and_a_missing_one_does_not() -> None:
    sync = BookSync(LinkedIds())
    sync.on_change(BookChange("v", "S", 1, 1, 10, 10, None, [("10", "1", "0", "2")], [("11", "1", "0", "1")], True))
    assert sync.on_change(change(11, 11, 10, checksum=0))[0].form == "update"
    right = OrderBook()
    right.load([("10", "3")], [("11", "1")], 12, cut_at=None)
    assert sync.on_change(change(12, 12, 11, [("10", "3")], checksum=checksum(right)))[0].form == "update"
    assert sync.on_change(change(13, 13, 12, checksum=12345))[0].cause == "checksum"
    assert (sync.proven, sync.disproven) == (1, 1)


def test_a_snapshot_of_the_stream_that_jumps_ahead_leaves_a_hole() -> None:
    sync = BookSync(LinkedIds())
    sync.on_change(BookChange("v", "S", 100, 1, 10, 10, None, [("10", "1")], [("11", "1")], True))
    sync.on_change(BookChange("v", "S", 900, 2, 50, 50, None, [("10", "1")], [("11", "1")], True))
    assert (sync.lost_at, sync.ts_event) == (100, 900)


def test_an_audit_compares_at_one_id_and_only_what_both_know() -> None:
    sync = BookSync(IdRange())
    sync.on_change(change(11, 11))
    sync.on_snapshot(snapshot(10))
    sync.expect()
    sync.on_change(change(12, 12, bids=[("9.5", "2")]))
    fresh = BookSnapshot(11, 1, 1, [("10", "1"), ("9", "5")], [("12", "5")])
    found = sync.audit(fresh)
    assert found is not None
    assert (found.at_id, found.wrong) == (12, ())
    wrong = sync.audit(fresh._replace(bids=[("10", "999"), ("9", "5")]))
    assert wrong is not None
    assert wrong.wrong == ("10.0",)
    assert sync.audit(fresh._replace(last_id=40)) is None  # the stream has not come to it yet
    cut = sync.audit(BookSnapshot(11, 1, 1, [("10", "1")], [("12", "5")], cut_at=1))
    assert cut is not None
    assert cut.wrong == ()


def test_memory_of_what_is_kept_has_a_limit() -> None:
    sync = BookSync(IdRange())
    for number in range(6_000):
        sync.on_change(change(number, number))
    assert sync.dropped == 1_000
