"""Books number by number: checksums, bounds of levels, counts, and until when everything is known."""

from __future__ import annotations

import zlib

import pytest

from marketprism_domain.books.chain import BookChange, IdRange, LinkedIds, PreviousId, Step, checksum
from marketprism_domain.books.levels import BookSide, OrderBook
from marketprism_domain.books.sync import ANSWER_NS, BookSnapshot, BookSync
from marketprism_domain.errors import InvalidValue
from tests.unit.domain.books.test_book_sync import change, snapshot

S = 10**9


def loaded(bids: object, asks: object, **more: object) -> OrderBook:
    book = OrderBook()
    book.load(bids, asks, 1, **{"cut_at": None, **more})  # type: ignore[arg-type]
    return book


def test_a_checksum_is_of_the_best_25_levels_of_both_sides_in_turn() -> None:
    bids = [(str(100 - n), f"{n + 1}") for n in range(30)]
    asks = [(str(101 + n), f"{n + 2}") for n in range(27)]
    text = ":".join(f"{b[0]}:{b[1]}:{a[0]}:{a[1]}" for b, a in zip(bids[:25], asks[:25], strict=True))
    value = zlib.crc32(text.encode())
    assert checksum(loaded(bids, asks)) == (value - 2**32 if value >= 2**31 else value)
    one_sided = zlib.crc32(b"100:1:99:2")
    assert checksum(loaded(bids[:2], [])) % 2**32 == one_sided
    values = {checksum(loaded([(str(price), "1")], [])) for price in range(1, 40)}
    assert min(values) < 0 < max(values)
    assert all(-(2**31) <= each < 2**31 for each in values)


@pytest.mark.parametrize(
    ("after", "step"),
    [
        (change(0, 0), Step.NEXT),
        (change(5, 5), Step.GAP),
        (change(10, 10, 10, bids=()), Step.ALIVE),
        (change(11, 11, 11, bids=()), Step.GAP),
        (change(10, 10, 10), Step.NEXT),
        (change(10, 10, 8), Step.OLD),
        (change(12, 12, 10), Step.NEXT),
        (change(13, 13, 12), Step.GAP),
    ],
)
def test_linked_ids_are_followed_link_by_link(after: BookChange, step: Step) -> None:
    assert LinkedIds().follows(after, 10) is step


def test_behind_a_snapshot_by_request_the_change_that_holds_its_id_follows() -> None:
    rule = LinkedIds()
    steps = [rule.begins(change(0, last, prev), 10) for prev, last in ((9, 11), (10, 11), (8, 10), (9, 10), (11, 12))]
    assert steps == [Step.NEXT, Step.NEXT, Step.OLD, Step.OLD, Step.GAP]
    assert rule.begins(change(5, 5), 10) is Step.GAP


@pytest.mark.parametrize("price", ["1e18", "-1e18", "inf", "nan"])
def test_a_price_without_room_in_the_tables_is_refused(price: str) -> None:
    for sign in (1.0, -1.0):
        side = BookSide(sign)
        with pytest.raises(InvalidValue):
            side.load([(price, "1")])
        other = BookSide(sign)
        with pytest.raises(InvalidValue):
            other.apply([(price, "1")])
        with pytest.raises(InvalidValue):
            other.apply([(price, "0")])


def test_quantities_reach_to_their_bound() -> None:
    side = BookSide(1.0)
    side.load([("1", "9e19"), ("2", "0"), ("3", "1")])
    assert side.top() == [("3", "1"), ("1", "9e19")]
    for quantity in ("1e20", "-1", "nan"):
        with pytest.raises(InvalidValue):
            BookSide(1.0).load([("1", quantity)])
        with pytest.raises(InvalidValue):
            side.apply([("5", quantity)])
    side.apply([("9e17", "1")])
    assert side.best_price() == 9e17


def test_levels_within_a_bound_of_either_side() -> None:
    book = loaded([("10", "1"), ("9", "1"), ("8", "1")], [("11", "1"), ("12", "1"), ("13", "1")])
    assert [level[0] for level in book.bids.top(None, 9.0)] == ["10", "9"]
    assert [level[0] for level in book.asks.top(None, 12.0)] == ["11", "12"]
    assert [level[0] for level in book.asks.top(1)] == ["11"]
    assert (book.bids.known(9.0, 9), book.asks.known(12.0, 9), book.bids.known(None, 1)) == (2, 2, 3)
    book.asks.apply([("12", "0")])
    assert (len(book.asks), book.asks.known(13.0, 9), book.asks.known(13.0, 2)) == (2, 2, 2)
    assert [level[0] for level in book.asks.top(2)] == ["11", "13"]
    assert book.asks.get("12") is None
    assert book.asks.worst() == ("13", "1")


def test_a_book_that_was_cut_off_knows_so_many_levels() -> None:
    book = loaded([("10", "1"), ("9", "1")], [("11", "1"), ("12", "1")], cut_at=2)
    assert [book.knows(levels) for levels in (1, 2, 3)] == [True, True, False]
    book.apply([("10", "0")], [], 2)
    assert [book.knows(levels) for levels in (1, 2)] == [True, False]
    book.apply([("10", "1")], [("11", "0")], 3)
    assert [book.knows(levels) for levels in (1, 2)] == [True, False]
    assert loaded([("10", "1")], []).knows(99)


# -- one book in the procedure of its venue


def test_changes_are_counted_by_what_they_are() -> None:
    sync = BookSync(IdRange())
    assert not sync.joinable
    sync.on_change(change(11, 11))
    assert sync.joinable
    sync.on_snapshot(snapshot(10))
    sync.on_change(change(12, 12))
    sync.on_change(change(9, 11))
    assert (sync.updates, sync.old, sync.gaps, sync.resyncs, sync.ts_event, sync.ts_recv) == (1, 1, 0, 0, 120, 110)
    assert [sync.breaks(change(13, 13)), sync.breaks(change(14, 14)), sync.breaks(change(14, 14, snapshot=True))] == [
        False,
        True,
        False,
    ]
    assert sync.book.last_id == 12
    sync.on_change(change(20, 20))
    assert (sync.valid, sync.lost_at, sync.gaps, sync.breaks(change(99, 99))) == (False, 120, 1, False)
    sync.on_snapshot(snapshot(19))
    assert (sync.valid, sync.resyncs) == (True, 1)


@pytest.mark.parametrize(
    ("several", "late_ns", "lost"),
    [(False, 0, False), (False, 1, True), (True, ANSWER_NS, False), (True, ANSWER_NS + 1, True)],
)
def test_an_older_id_that_is_newer_by_the_venues_clock_is_a_contradiction(
    several: bool, late_ns: int, lost: bool
) -> None:
    sync = BookSync(IdRange())
    sync.several = several
    sync.on_change(change(11, 11))
    sync.on_snapshot(snapshot(10))
    steps = sync.on_change(change(10, 10)._replace(ts_event=110 + late_ns))
    assert [step.cause for step in steps] == (["sequence"] if lost else [])
    assert (sync.valid, sync.old) == (not lost, int(not lost))


def timeless(last_id: int, ts: int) -> BookSnapshot:
    """A book whose time the venue does not say."""
    return BookSnapshot(last_id, ts, ts, [("10", "5")], [("12", "5")])


def test_until_when_a_book_without_a_time_is_known() -> None:
    nothing_came = BookSync(IdRange())
    nothing_came.on_snapshot(timeless(10, 100 * S))
    assert (nothing_came.known_at, nothing_came.ts_reached) == (85 * S, 100 * S)
    joined = BookSync(IdRange())
    joined.on_change(change(10, 11)._replace(ts_event=99 * S, ts_recv=98 * S))
    joined.on_snapshot(timeless(10, 100 * S))
    assert (joined.known_at, joined.ts_event, joined.ts_reached) == (99 * S, 100 * S, 100 * S)
    ahead = BookSync(IdRange())
    ahead.on_change(change(9, 10)._replace(ts_event=97 * S, ts_recv=94 * S))
    ahead.on_snapshot(timeless(10, 100 * S))
    assert (ahead.known_at, ahead.ts_reached) == (97 * S, 104 * S)
    behind = BookSync(IdRange())
    behind.on_change(change(9, 10)._replace(ts_event=94 * S, ts_recv=97 * S))
    behind.on_snapshot(timeless(10, 100 * S))
    assert behind.ts_reached == 100 * S
    behind.on_change(change(11, 11)._replace(ts_event=101 * S))
    assert (behind.known_at, behind.ts_reached) == (101 * S, 101 * S)


def test_a_book_with_a_time_is_known_until_the_last_change_that_was_joined_to_it() -> None:
    sync = BookSync(IdRange())
    sync.on_change(change(9, 10)._replace(ts_event=500))
    sync.on_snapshot(snapshot(10)._replace(ts_recv=140))
    assert (sync.known_at, sync.ts_reached) == (100, 100)
    joined = BookSync(IdRange())
    joined.on_change(change(10, 11)._replace(ts_event=500, ts_recv=600))
    joined.on_snapshot(snapshot(10)._replace(ts_recv=140))
    assert (joined.known_at, joined.ts_recv) == (500, 600)


def test_only_the_first_change_behind_a_snapshot_may_hold_its_id() -> None:
    sync = BookSync(PreviousId())
    sync.on_change(change(9, 10, 8, bids=[("9.5", "7")]))
    sync.on_change(change(11, 12, 10, bids=[("9.6", "8")]))
    sync.on_snapshot(snapshot(10))
    assert sync.book.bids.top(2) == [("10", "5"), ("9.6", "8")]
    assert sync.book.bids.get("9.5") == ("9.5", "7")
    assert sync.breaks(change(11, 14, 11))
    fresh = BookSync(PreviousId())
    fresh.on_snapshot(snapshot(10))
    assert not fresh.breaks(change(9, 14, 8))
    fresh.on_change(change(9, 14, 8))
    assert fresh.breaks(change(13, 16, 12))
    again = BookSync(PreviousId())
    again.on_change(change(9, 12, 8))
    again.on_change(change(9, 16, 8))
    assert again.on_snapshot(snapshot(10)) is None


def test_a_snapshot_that_cannot_be_read_begins_nothing() -> None:
    sync = BookSync(IdRange())
    sync.on_change(change(11, 11))
    assert sync.on_snapshot(snapshot(10)._replace(bids=[("x", "1")])) is None
    assert not sync.valid
    stream = BookSync(LinkedIds())
    assert stream.on_change(change(10, 10, bids=[("x", "1")], snapshot=True)) == []
    assert not stream.valid


def test_going_on_with_the_book_of_another_connection_leaves_a_hole_where_it_stands_elsewhere() -> None:
    def standing(at: int) -> BookSync:
        sync = BookSync(IdRange())
        sync.on_change(change(at, at))
        sync.on_snapshot(snapshot(at - 1))
        return sync

    here = standing(11)
    assert here.replace(standing(11)) == []
    assert here.lost_at == 0
    assert [step.form for step in here.replace(standing(15))] == ["snapshot"]
    assert (here.book.last_id, here.lost_at, here.ts_event, here.valid) == (15, 110, 150, True)
    assert here.on_change(change(16, 16))[0].form == "update"
    lost = standing(11)
    lost.lose("sequence")
    assert (lost.lost_at, [step.form for step in lost.replace(standing(11))]) == (110, ["snapshot"])
    nobody = standing(11)
    assert nobody.replace(BookSync(IdRange())) == []
    assert not nobody.valid


def test_an_audit_sees_only_levels_that_both_know_on_either_side() -> None:
    sync = BookSync(IdRange())
    sync.on_snapshot(BookSnapshot(10, 1, 1, [("10", "5"), ("9", "5")], [("12", "5"), ("13", "5")]))
    cut = BookSnapshot(10, 1, 1, [("10", "6")], [("12", "6")], cut_at=1)
    found = sync.audit(cut)
    assert found is not None
    assert (found.levels, found.wrong) == (2, ("10.0", "12.0"))
    whole = sync.audit(BookSnapshot(10, 1, 1, [("10", "5"), ("9", "1")], [("12", "5")]))
    assert whole is not None
    assert (whole.levels, whole.wrong) == (3, ("9.0", "13.0"))
    assert [step.form for step in sync.conclude(cut)] == ["snapshot"]
    assert sync.book.bids.top() == [("10", "6")]
    assert sync.conclude(cut._replace(last_id=9)) == []
