"""A book that is followed live begins as it stands, and loses no step and repeats none."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal

import msgspec
import pytest

from marketprism_application.contracts.book_view import BookView
from marketprism_client._books import joined
from marketprism_domain.marketdata.orderbook import INVALID, SNAPSHOT, UPDATE, OrderBook


def step(seq: int, form: str = UPDATE, venue: str = "binance") -> OrderBook:
    return OrderBook(venue, "BTC-USDT", "s", 1, seq, seq, seq, seq, form, form != INVALID)


async def told(steps: Sequence[OrderBook], stands_at: int | None) -> tuple[list[tuple[str, int]], list[str]]:
    asked: list[str] = []

    async def live() -> AsyncGenerator[OrderBook, None]:
        for each in steps:
            yield each

    async def ask(first: OrderBook) -> OrderBook | None:
        asked.append(first.venue)
        return None if stands_at is None else step(stands_at, SNAPSHOT, first.venue)

    return [(each.form, each.seq) async for each in joined(live(), ask)], asked


@pytest.mark.parametrize(
    ("steps", "stands_at", "wanted"),
    [
        ([step(5), step(6)], 4, [(SNAPSHOT, 4), (UPDATE, 5), (UPDATE, 6)]),
        ([step(5), step(6), step(7)], 6, [(SNAPSHOT, 6), (UPDATE, 7)]),  # it was ahead of what had come
        (
            [step(5), step(9, INVALID), step(3, SNAPSHOT), step(4)],
            8,
            [(SNAPSHOT, 8), (INVALID, 9), (SNAPSHOT, 3), (UPDATE, 4)],
        ),
        ([step(5, SNAPSHOT), step(6)], 99, [(SNAPSHOT, 5), (UPDATE, 6)]),  # begun already: nobody is asked
        ([step(5), step(6)], None, [(UPDATE, 5), (UPDATE, 6)]),  # nobody keeps it
    ],
)
async def test_steps_follow_the_book_as_it_stands(
    steps: Sequence[OrderBook], stands_at: int | None, wanted: list[tuple[str, int]]
) -> None:
    found, asked = await told(steps, stands_at)
    assert found == wanted
    assert len(asked) == (steps[0].form == UPDATE)


async def test_each_venue_has_a_book_of_its_own() -> None:
    found, asked = await told([step(5), step(100, venue="okx"), step(6), step(101, venue="okx")], 5)
    assert asked == ["binance", "okx"]
    assert found == [(SNAPSHOT, 5), (SNAPSHOT, 5), (UPDATE, 100), (UPDATE, 6), (UPDATE, 101)]


def test_a_book_as_a_gateway_shows_it() -> None:
    shown = {
        "venue": "okx",
        "symbol": "BTC-USDT",
        "valid": True,
        "seq": 7,
        "ts_event": 1,
        "ts_recv": 2,
        "bids": [["10.5", "0.25"]],
        "asks": [],
        "bid_floor": "10.5",
        "ask_ceiling": None,
    }
    book = msgspec.convert(shown, BookView).as_book()
    assert (book.form, book.seq, book.bids[0].price, book.bid_floor) == (SNAPSHOT, 7, Decimal("10.5"), Decimal("10.5"))
    assert msgspec.convert({**shown, "valid": False}, BookView).as_book().form == INVALID
