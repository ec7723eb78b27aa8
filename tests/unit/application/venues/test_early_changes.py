"""One book over several connections: late ones fill in, and what nobody brings is not waited for."""

from __future__ import annotations

from typing import Any

import pytest

from marketprism_application.contracts.venue_messages import OrderBookMessage
from marketprism_application.venues.books import BookSettings, VenueBooks
from marketprism_domain.books.chain import BookChange, IdRange
from marketprism_domain.books.sync import BookSnapshot

SECOND = 1_000_000_000


def change(number: int, ts: int = 0) -> BookChange:
    return BookChange("v", "s", ts, ts, number, number, None, [("10", str(number))], [("11", "1")])


@pytest.fixture
def books() -> VenueBooks:
    made = VenueBooks("v", "x", IdRange(), None, BookSettings(snapshot_s=1e6, top_ms=60_000))
    made.on_change(change(1), "a")
    assert made.on_snapshot("s", BookSnapshot(1, 0, 0, [("10", "1")], [("11", "1")]))
    return made


def told(books: VenueBooks) -> list[int]:
    messages: list[Any] = [each for each in books.messages if type(each) is OrderBookMessage and each.form == "update"]
    return [each.seq for each in messages]


def test_what_one_connection_brings_too_early_waits_for_the_other(books: VenueBooks) -> None:
    for number, path in ((2, "a"), (5, "b"), (6, "b"), (3, "a"), (7, "b"), (4, "a"), (5, "a"), (8, "b")):
        books.on_change(change(number), path)
    assert told(books) == [2, 3, 4, 5, 6, 7, 8]
    assert books.of("s").sync.valid
    assert books.of("s").sync.gaps == 0


def test_what_every_connection_has_passed_is_a_gap_at_once(books: VenueBooks) -> None:
    for number, path in ((2, "a"), (3, "b"), (5, "b")):
        books.on_change(change(number), path)
    assert books.of("s").sync.valid  # the other one may have it still
    books.on_change(change(6), "a")
    assert not books.of("s").sync.valid
    assert books.of("s").sync.gaps == 1


def test_a_connection_that_says_nothing_is_not_waited_for_for_ever(books: VenueBooks) -> None:
    books.on_change(change(2), "a")
    books.on_change(change(4, SECOND), "b")
    books.on_change(change(5, 5 * SECOND), "b")
    assert books.of("s").sync.valid
    books.on_change(change(6, 7 * SECOND), "b")
    assert books.of("s").sync.gaps == 1


def test_when_the_other_connection_ends_nobody_is_waited_for(books: VenueBooks) -> None:
    books.on_change(change(2), "a")
    books.on_change(change(4), "b")
    books.on_closed("a")
    assert books.of("s").sync.gaps == 1
    assert books.on_snapshot("s", BookSnapshot(3, 0, 0, [("10", "1")], [("11", "1")]))
    books.on_change(change(5), "b")
    books.on_change(change(7), "b")  # alone, a hole is a hole
    assert books.of("s").sync.gaps == 2


def test_a_book_that_is_lost_for_another_reason_forgets_what_waited(books: VenueBooks) -> None:
    books.on_change(change(2), "a")
    books.on_change(change(4), "b")
    books.lose("s", "disconnected")
    assert not books.of("s").early
    assert books.of("s").sync.gaps == 0
