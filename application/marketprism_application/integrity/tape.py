"""Checks of a tape of trades: its numbers, prices and amounts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from marketprism_application.integrity.exact_numbers import Flags
from marketprism_application.integrity.expected_grid import runs_of
from marketprism_application.integrity.findings import Index, defect
from marketprism_application.integrity.inputs import TermPeriod
from marketprism_application.integrity.shape import by_period
from marketprism_application.integrity.steps import off_step
from marketprism_application.integrity.trade_rows import TradeRows
from marketprism_application.integrity.witnesses import holes_of
from marketprism_domain.integrity.report import SAMPLE_ROWS, Defect


def repeated_numbers(trades: TradeRows) -> tuple[Index, Index]:
    """Rows that have the number of the row before them: those that differ from it, and those that do not."""
    none = np.zeros(0, dtype=np.intp)
    if trades.number is None or len(trades) < 2:
        return none, none
    same = np.flatnonzero(trades.number[1:] == trades.number[:-1])
    differ = (trades.price.units[same] != trades.price.units[same + 1]) | (
        trades.quantity.units[same] != trades.quantity.units[same + 1]
    )
    differ = np.asarray(differ | (trades.ts[same] != trades.ts[same + 1]), dtype=np.bool_)
    return same[differ] + 1, same[~differ] + 1


def number_holes(trades: TradeRows) -> Iterator[Defect]:
    """Numbers of the venue that are missing between two trades, of aggregated ones those of the trades in them too."""
    if trades.number is None:
        return
    holes = dict(zip(*(each.tolist() for each in holes_of(trades.number, trades.number)), strict=True))
    if trades.first_id is not None and trades.last_id is not None:
        inside = zip(*(each.tolist() for each in holes_of(trades.first_id, trades.last_id)), strict=True)
        holes |= {row: count for row, count in inside if row not in holes}
    for row in sorted(holes):
        yield defect(
            "missing_trades",
            (int(trades.ts[row]), int(trades.ts[row + 1]) + 1),
            holes[row],
            rows=(trades.sample(row), trades.sample(row + 1)),
        )


def impossible(trades: TradeRows, *, may_be_negative: bool) -> Flags:
    """Trades without a price or an amount, or with one that cannot be."""
    wrong = np.asarray(trades.quantity.units <= 0, dtype=np.bool_)
    if not may_be_negative:
        wrong |= np.asarray(trades.price.units <= 0, dtype=np.bool_)
    for column in (trades.price, trades.quantity):
        if column.there is not None:
            wrong |= ~column.there
    return wrong


def off_steps(trades: TradeRows, terms: tuple[TermPeriod, ...]) -> tuple[Flags, Flags]:
    """Trades with a price, and those with an amount, that is no multiple of the step of their date."""
    price, amount = np.zeros(len(trades), dtype=np.bool_), np.zeros(len(trades), dtype=np.bool_)
    for part, period in by_period(trades.ts, terms):
        if period.price_tick:
            price[part] = off_step(trades.price.taken(part), period.price_tick)
        if period.quantity_step:
            amount[part] = off_step(trades.quantity.taken(part), period.quantity_step)
    return price, amount


def of_trades(code: str, trades: TradeRows, wrong: Flags | Index) -> Iterator[Defect]:
    """One defect for each run of wrong trades that follow one another."""
    found = np.flatnonzero(wrong) if wrong.dtype == np.bool_ else wrong
    for first, last in runs_of(np.asarray(found, dtype=np.intp)):
        numbers = range(int(found[first]), int(found[last]) + 1)
        yield defect(
            code,
            (int(trades.ts[numbers[0]]), int(trades.ts[numbers[-1]]) + 1),
            len(numbers),
            rows=tuple(trades.sample(number) for number in numbers[:SAMPLE_ROWS]),
        )
