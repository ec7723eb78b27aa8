"""What is published of books that are lost, left, about to run out, and begun again."""

from __future__ import annotations

from typing import Any

import pytest

from marketprism_application.venues.books import BookSettings, VenueBooks
from marketprism_domain.books.chain import BookChange, ChainRule, IdRange, LinkedIds
from marketprism_domain.books.sync import BookSnapshot

S = "BTC-USDT"
SECOND = 1_000_000_000


def change(first: int, last: int, bids: Any = (("90", "1"),), asks: Any = (), at: int = 0, **more: Any) -> BookChange:
    ts = at or last * SECOND
    return BookChange("v", S, ts, ts, last, first, more.pop("prev", None), bids, asks, **more)


def snapshot(last_id: int, levels: int = 3, at: int = 0, cut_at: int | None = None) -> BookSnapshot:
    ts = at or last_id * SECOND
    bids = [(str(100 - step), "1") for step in range(levels)]
    asks = [(str(101 + step), "1") for step in range(levels)]
    return BookSnapshot(last_id, ts, ts, bids, asks, cut_at)


def made(rule: ChainRule | None = None, **given: Any) -> VenueBooks:
    return VenueBooks("v", "src", rule or IdRange(), None, BookSettings(**{"refresh_at": 2, **given}))


def begun(cut_at: int | None = None) -> VenueBooks:
    books = made()
    books.on_change(change(10, 10))
    assert books.on_snapshot(S, snapshot(10, cut_at=cut_at))
    return books


def told(books: VenueBooks) -> list[tuple[str, bool]]:
    found = [(getattr(each, "form", "top"), each.valid) for each in books.messages]  # type: ignore[attr-defined]
    books.messages = []
    return found


def test_a_book_that_was_to_be_refreshed_begins_anew_when_it_is_lost() -> None:
    books = begun(cut_at=3)
    books.on_change(change(11, 11, bids=[("100", "0"), ("99", "0")]))
    assert books.needed == {S: "refresh"}
    books.on_change(change(20, 21))
    assert books.needed == {S: "sequence"}
    books.lose(S, "disconnected", unheard=True)
    assert books.needed == {S: "sequence"}


def test_a_market_that_leaves_what_is_known_of_its_book_makes_it_invalid() -> None:
    books = begun(cut_at=3)
    told(books)
    books.on_change(change(11, 11, bids=[(str(price), "0") for price in (100, 99, 98)]))
    assert told(books) == [("update", True), ("invalid", False)]
    assert books.needed == {S: "depth"}
    shown = books.show(S, None)
    assert shown is not None
    assert (shown.valid, shown.bids) == (False, [])


def test_what_was_kept_of_a_stream_that_ended_joins_no_snapshot() -> None:
    books = made()
    books.on_change(change(10, 10))
    books.lose_all("disconnected")
    sync = books.find(S)
    assert sync is not None
    assert not sync.joinable  # so that nobody asks for a snapshot before the stream is there again
    books.on_change(change(30, 30))
    assert sync.joinable
    assert not books.on_snapshot(S, snapshot(12)), "what lies between is missing"
    assert books.on_snapshot(S, snapshot(29))


def test_an_instrument_that_is_left_is_told_and_what_is_on_its_way_begins_no_book() -> None:
    books = begun()
    told(books)
    books.leave([S])
    assert told(books) == [("invalid", False)]
    assert not books.wants(S)
    assert books.on_snapshot(S, snapshot(11))
    books.lose(S, "stale")
    books.refreshed(S, snapshot(11))
    assert (books.find(S), books.needed, told(books)) == (None, {}, [])
    books.welcome([S])  # it is wanted again: what lies between is a hole
    books.on_change(change(50, 50))
    books.on_snapshot(S, snapshot(50))
    (gap,) = books.gaps
    assert (gap.ts_from, gap.ts_to, gap.kind) == (10 * SECOND, 50 * SECOND, "orderbook")


def test_a_hole_is_named_though_our_clock_is_behind_the_venues() -> None:
    books = begun()
    books.on_change(change(20, 21))
    assert books.on_snapshot(S, snapshot(21, at=7 * SECOND))  # a snapshot without a time has ours
    (gap,) = books.gaps
    assert (gap.ts_from, gap.ts_to) == (10 * SECOND, 10 * SECOND + 1)


def test_a_hole_begins_where_the_book_was_known_last_however_many_snapshots_are_refused() -> None:
    books = begun()
    books.on_change(change(20, 21))
    crossed = snapshot(21)._replace(bids=[("200", "1")])
    books.on_snapshot(S, crossed)
    assert books.gaps == []
    books.on_change(change(61, 61))
    assert books.on_snapshot(S, snapshot(61))
    (gap,) = books.gaps
    assert (gap.ts_from, gap.ts_to) == (10 * SECOND, 61 * SECOND)


def test_the_same_book_again_is_no_hole() -> None:
    books = made()
    books.on_change(change(10, 10))
    books.resume_after(S, 10 * SECOND, 10)
    books.on_snapshot(S, snapshot(10))
    assert books.gaps == []


@pytest.mark.parametrize("levels", [3, 5])
def test_a_stream_that_keeps_a_window_is_known_to_its_last_level_wherever_it_moves(levels: int) -> None:
    books = made(LinkedIds())
    begin = snapshot(10, levels)
    books.on_change(change(10, 10, begin.bids, begin.asks, snapshot=True, prev=-1, cut_at=3))
    sync = books.find(S)
    assert sync is not None
    assert sync.book.bid_floor == str(100 - levels + 1)
    # All of it moves down: what leaves at the top was traded, what enters below was there before, unseen.
    for step in range(40):
        top, entering = 100 - step, 100 - step - levels
        books.on_change(change(11 + step, 11 + step, [(str(top), "0"), (str(entering), "2")], prev=10 + step))
    assert (sync.valid, books.needed) == (True, {})
    assert sync.book.bid_floor == str(100 - 39 - levels)
    assert len(sync.book.top(None)[0]) == levels
    books.on_change(change(51, 51, [(str(100 - 39 - levels), "0")] * 1, prev=50))
    assert (sync.book.bid_floor is None) == (levels == 3), "fewer than the window holds: the side ends there"


def test_a_gap_begins_where_the_venue_s_clock_was_and_not_where_ours_was() -> None:
    """A snapshot without a time of its own has ours, of the moment in which its answer was read. On a busy machine steps
    that follow it happened before that moment: when the connection breaks then, they are missing from earlier on."""
    books = made()
    books.on_change(change(10, 10, at=100 * SECOND))
    assert books.on_snapshot(S, snapshot(10, at=200 * SECOND))  # asked for at 100, read at 200
    # Steps 11 and 12 happened at 150 and lie unread in a connection that ends now.
    books.lose(S, "disconnected", ts_recv=201 * SECOND, unheard=True)
    books.on_change(change(13, 13, at=210 * SECOND))
    assert books.on_snapshot(S, snapshot(13, at=220 * SECOND))
    (gap,) = books.gaps
    assert gap.ts_from == 100 * SECOND
    assert gap.ts_from <= 150 * SECOND <= gap.ts_to


def test_a_gap_of_a_book_that_goes_on_from_its_snapshot_begins_at_the_last_step() -> None:
    books = made()
    books.on_change(change(10, 10, at=100 * SECOND))
    assert books.on_snapshot(S, snapshot(10, at=200 * SECOND))
    books.on_change(change(11, 11, at=150 * SECOND))
    books.on_change(change(13, 13, at=160 * SECOND))
    books.on_change(change(14, 14, at=170 * SECOND))
    assert books.on_snapshot(S, snapshot(14, at=180 * SECOND))
    (gap,) = books.gaps
    assert gap.ts_from == 150 * SECOND
    assert gap.ts_to >= 170 * SECOND


def test_a_gap_ends_no_sooner_than_the_venue_s_clock_where_ours_is_behind() -> None:
    ahead = 30 * SECOND  # the venue's clock
    books = made()
    books.on_change(change(10, 10, at=100 * SECOND + ahead)._replace(ts_recv=100 * SECOND))
    assert books.on_snapshot(S, snapshot(10, at=101 * SECOND))
    books.on_change(change(11, 11, at=102 * SECOND + ahead)._replace(ts_recv=102 * SECOND))
    books.lose(S, "disconnected", unheard=True)
    books.on_change(change(20, 20, at=110 * SECOND + ahead)._replace(ts_recv=110 * SECOND))
    assert books.on_snapshot(S, snapshot(22, at=111 * SECOND))  # 21 and 22 at 111 of our clock
    (gap,) = books.gaps
    assert gap.ts_from == 102 * SECOND + ahead
    assert gap.ts_to >= 111 * SECOND + ahead


def test_an_id_that_is_far_too_large_is_found_out_by_the_next_step() -> None:
    """The step covers what it says, so that it follows; but what comes next is older by its id and newer by its time."""
    books = begun()
    books.on_change(change(11, 5_000, at=11 * SECOND))
    assert told(books)[-1] != ("invalid", False)
    books.on_change(change(12, 12, at=12 * SECOND))
    assert told(books)[-1] == ("invalid", False)
    assert books.needed == {S: "sequence"}


def test_a_step_that_another_connection_brings_late_is_no_contradiction() -> None:
    books = begun()
    for path in ("a", "b"):
        for last in (11, 12, 13):
            books.on_change(change(last, last, at=last * SECOND), path)
    sync = books.find(S)
    assert sync is not None
    assert sync.valid
    assert sync.old == 3


@pytest.mark.parametrize(
    "level", [("1",), (), ("90", "-1"), ("90", "1e25"), ("9e30", "0"), ("nan", "1"), ("90", "nan")]
)
def test_a_level_that_is_none_makes_the_book_invalid(level: tuple[str, ...]) -> None:
    books = begun()
    books.on_change(change(11, 11, bids=[level]))
    assert told(books)[-1] == ("invalid", False)
    assert books.needed == {S: "malformed"}


def test_the_last_best_levels_before_a_market_goes_quiet_are_published() -> None:
    books = made(top_ms=250, snapshot_s=1e6)
    books.on_change(change(10, 10))
    books.on_snapshot(S, snapshot(10))
    last = 10 * SECOND
    for number, at in ((11, last + SECOND), (12, last + SECOND + 1), (13, last + SECOND + 2)):
        books.on_change(change(number, number, bids=[("100", str(number))], at=at))
    books.messages = []
    books.on_clock(last + SECOND + 2)
    assert told(books) == [], "not more often than every 250 ms"
    books.on_clock(last + 2 * SECOND)
    (top,) = books.messages
    assert (top.seq, top.bids[0]) == (13, ("100", "13"))  # type: ignore[attr-defined]
    books.on_clock(last + 3 * SECOND)
    assert len(books.messages) == 1, "once"
    books.on_change(change(14, 14, bids=[("100", "14")], at=last + SECOND + 3))
    books.lose(S, "disconnected", unheard=True)
    told(books)
    books.on_clock(last + 9 * SECOND)
    assert told(books) == [], "nothing of a book that is not known"
