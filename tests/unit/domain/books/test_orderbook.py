"""A book side against a plain dictionary, and what a book knows of itself."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_domain.books.levels import BookSide, OrderBook
from marketprism_domain.errors import InvalidValue

PRICES = st.integers(1, 60).map(lambda n: f"{n / 4:.2f}")
LEVELS = st.lists(st.tuples(PRICES, st.sampled_from(["0", "0.000", "1.5", "2", "17.25"])), max_size=60)


@given(start=LEVELS, steps=st.lists(LEVELS, max_size=8), bids=st.booleans())
def test_a_side_is_a_sorted_dictionary(
    start: list[tuple[str, str]], steps: list[list[tuple[str, str]]], bids: bool
) -> None:
    side = BookSide(1.0 if bids else -1.0)
    side.load(start)
    model = {Decimal(price): quantity for price, quantity in start}
    model = {price: quantity for price, quantity in model.items() if float(quantity)}
    for step in steps:
        side.apply(step)
        for price, quantity in step:
            if float(quantity):
                model[Decimal(price)] = quantity
            else:
                model.pop(Decimal(price), None)
    expected = sorted(model.items(), reverse=bids)
    assert [(Decimal(level[0]), level[1]) for level in side.top()] == expected
    assert [(Decimal(level[0]), level[1]) for level in side.top(3)] == expected[:3]
    assert (side.best() is None) == (not expected)
    assert len(side) == len(expected)
    for bound in (0.25, 5.0, 7.6, 20.0):
        within = [level for level in expected if (level[0] >= bound if bids else level[0] <= bound)]
        assert [Decimal(level[0]) for level in side.top(None, bound)] == [price for price, _ in within]
        assert [Decimal(level[0]) for level in side.top(2, bound)] == [price for price, _ in within[:2]]
        assert side.known(bound, 1_000) == len(within)
        assert min(side.known(bound, 3), 3) == min(len(within), 3)
    worst = side.worst()
    assert (Decimal(worst[0]) if worst is not None else None) == (expected[-1][0] if expected else None)
    assert (side.best_price() is None) == (not expected)
    assert all((level := side.get(str(price))) is not None and level[1] == quantity for price, quantity in expected)


def test_levels_that_are_gone_for_good_leave_nothing_behind() -> None:
    side = BookSide(1.0)
    side.load([(str(price), "1") for price in range(1, 5_001)])
    side.apply([(str(price), "0") for price in range(1, 4_001)])
    assert len(side) == 1_000
    assert len(side.keys) == 1_000
    side.apply([(str(price), "0") for price in range(4_991, 5_001)])  # the best ones
    assert side.best() == ("4990", "1")
    assert len(side.keys) == len(side) == 990


def test_removing_a_level_that_is_not_there_is_normal() -> None:
    side = BookSide(1.0)
    side.apply([("10.5", "0.00000000")])
    assert side.top() == []


@pytest.mark.parametrize(
    "level", [("NaN", "1"), ("1e400", "1"), ("abc", "1"), ("10", "x"), ("-inf", "1"), ("9e18", "1")]
)
def test_what_is_no_number_of_a_market_is_refused(level: tuple[str, str]) -> None:
    with pytest.raises(InvalidValue):
        BookSide(1.0).apply([level])


def test_a_book_that_was_cut_off_knows_how_far_it_is_known() -> None:
    book = OrderBook()
    book.load([("10", "1"), ("9", "1")], [("11", "1"), ("12", "1"), ("13", "1")], 7, cut_at=2)
    assert (book.bid_floor, book.ask_ceiling) == ("9", "13")
    book.apply([("8", "5")], [("14", "5"), ("12.5", "2")], 8)
    bids, asks = book.top(10)
    assert [level[0] for level in bids] == ["10", "9"]  # 8 changed, but what lies between 9 and 8 nobody knows
    assert [level[0] for level in asks] == ["11", "12", "12.5", "13"]
    assert book.knows(2)
    assert not book.knows(3)
    book.apply([("10", "0")], [], 9)
    assert not book.knows(2)


def test_a_book_with_fewer_levels_than_asked_for_is_whole() -> None:
    book = OrderBook()
    book.load([("10", "1")], [("11", "1")], 7, cut_at=100)
    assert (book.bid_floor, book.ask_ceiling) == (None, None)


def test_a_crossed_book_says_so() -> None:
    book = OrderBook()
    book.load([("10", "1")], [("11", "1")], 1, cut_at=None)
    assert not book.crossed
    book.apply([("11", "1")], [], 2)
    assert book.crossed
