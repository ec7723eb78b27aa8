"""Fills by books proved again: the book as it stood behind the step that allowed each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marketprism_application.backtesting.book_columns import BookColumns
from marketprism_application.backtesting.book_feed import steps_of_book
from marketprism_application.backtesting.book_fills import apply_step
from marketprism_application.backtesting.book_ladder import Ladders
from marketprism_application.backtesting.columns import NO_PRICE, InstrumentData
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.settings import RunSettings


def doubts_of_book(fills: Sequence[Fill], data: InstrumentData, settings: RunSettings) -> dict[int, str]:
    """What the steps of a book do not allow of the fills that name them, by the number of each fill."""
    books = data.books
    if books is None:
        return {fill.number: "no series book" for fill in fills}
    found: dict[int, str] = {}
    by_row: dict[int, list[Fill]] = {}
    for fill in fills:
        row = _row_of(books, fill)
        if row is None:
            found[fill.number] = "no step of the book of its time and number"
        else:
            by_row.setdefault(row, []).append(fill)
    book = Ladders(max(1, int(np.gcd.reduce(books.prices))))
    last = max(by_row, default=-1)
    for row, (_, step) in enumerate(steps_of_book(books, received=False)):
        if row > last:
            break
        apply_step(book, step)
        for fill in by_row.get(row, ()):
            if text := _doubt(fill, book, data, settings):
                found[fill.number] = text
    return found


def _row_of(books: BookColumns, fill: Fill) -> int | None:
    row = int(np.searchsorted(books.ts, fill.evidence.ts))
    while row < len(books) and int(books.ts[row]) == fill.evidence.ts:
        if int(books.seq[row]) == fill.evidence.seq:
            return row
        row += 1
    return None


def _doubt(fill: Fill, book: Ladders, data: InstrumentData, settings: RunSettings) -> str:
    sign = 1 if fill.side == "buy" else -1
    other, price = book.other(sign), int(fill.price / data.unit)
    if other.best == NO_PRICE:
        return "nobody stood on the other side"
    if not fill.taker:
        crosses = other.best * sign <= price * sign
        return "" if crosses else f"price {fill.price} was not reached, the best is {other.best * data.unit}"
    if settings.slippage.rule != "none":
        return ""
    shown = other.size(price) * data.step
    if settings.limit_size and fill.quantity > shown:
        return f"quantity {fill.quantity} of {shown} shown at {fill.price}"
    return "" if shown else f"nothing was shown at {fill.price}"


__all__ = ["doubts_of_book"]
