"""Steps of books and trades as they are published, as columns of a run."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from marketprism_application.backtesting.book_columns import REPLACES, UNKNOWN, UPDATES, BookColumns
from marketprism_application.backtesting.columns import Ints, TradeColumns
from marketprism_application.backtesting.errors import NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.marks import MarkColumns
from marketprism_application.backtesting.tables import Steps, on_grid, steps_of
from marketprism_application.integrity.exact_numbers import ExactNumbers, exact_numbers
from marketprism_application.ports.imports import DECIMAL
from marketprism_domain.marketdata.orderbook import INVALID, SNAPSHOT, OrderBook
from marketprism_domain.marketdata.trade import Trade
from marketprism_domain.sessions.calendar import Schedule


class BookAndTape(NamedTuple):
    """A book and the trades beside it, on one grid."""

    books: BookColumns
    trades: TradeColumns
    steps: Steps


def book_and_tape(
    instrument: Instrument, books: Sequence[OrderBook], trades: Sequence[Trade], schedule: Schedule
) -> BookAndTape:
    """Steps of a book and trades as they were published, both in order of the venue's time; trades that were not made
    in the book are left out.

    Raises:
        NoDataError: there is none of one of them. OffGridError: a number lies between two steps.
    """
    books, trades = sorted(books, key=_by_time), sorted((each for each in trades if not each.off_book), key=_by_time)
    if not books or not trades:
        missing = "books" if trades else "trades"
        raise NoDataError(f"{missing} of {instrument.symbol}: expected some, was none")
    levels = [level for book in books for level in (*book.bids, *book.asks)]
    prices, sizes = _numbers([level.price for level in levels]), _numbers([level.quantity for level in levels])
    paid, traded = _numbers([trade.price for trade in trades]), _numbers([trade.quantity for trade in trades])
    steps = steps_of(instrument, [prices, paid], [sizes, traded])
    columns = BookColumns(
        *_times(books, schedule),
        _ints([{SNAPSHOT: REPLACES, INVALID: UNKNOWN}.get(book.form, UPDATES) for book in books]),
        *_places(books),
        on_grid(prices, steps.unit, "price"),
        on_grid(sizes, steps.step, "quantity"),
    )
    ts, _, seq, day = _times(trades, schedule)
    tape = TradeColumns(
        ts,
        seq,
        day,
        on_grid(paid, steps.unit, "price"),
        on_grid(traded, steps.step, "quantity"),
        _ints([-1 if trade.side == "sell" else 1 for trade in trades]),
    )
    return BookAndTape(columns, tape, steps)


def marks_of(
    instrument: Instrument, marks: Sequence[tuple[int, Decimal]], schedule: Schedule, unit: Decimal
) -> MarkColumns | None:
    """Marks with their times as columns, cut down to units; None without one, or with nothing to be liquidated by."""
    if not marks or instrument.margin is None:
        return None
    ordered = sorted(marks)
    return MarkColumns(
        _ints([ts for ts, _ in ordered]),
        _ints([int(schedule.trading_day_of(ts)) for ts, _ in ordered]),
        _ints([int(price / unit) for _, price in ordered]),
    )


def _by_time(record: OrderBook | Trade) -> tuple[int, int]:
    return record.ts_event, record.seq


def _times(records: Sequence[OrderBook] | Sequence[Trade], schedule: Schedule) -> tuple[Ints, Ints, Ints, Ints]:
    """The venue's time, that of receipt, numbers and trading days."""
    return (
        _ints([each.ts_event for each in records]),
        _ints([each.ts_recv for each in records]),
        _ints([each.seq for each in records]),
        _ints([int(schedule.trading_day_of(each.ts_event)) for each in records]),
    )


def _places(books: Sequence[OrderBook]) -> tuple[Ints, Ints]:
    """Where the bids of each step begin among all levels, and where its asks do."""
    bids = np.cumsum([0, *(len(book.bids) + len(book.asks) for book in books)])
    return bids.astype(np.int64), (bids[:-1] + np.array([len(book.bids) for book in books])).astype(np.int64)


def _numbers(values: Sequence[Decimal]) -> ExactNumbers:
    return exact_numbers(pa.array(values, DECIMAL))


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


__all__ = ["BookAndTape", "book_and_tape"]
