"""One window of a walk-forward: every set over the days of training, then the best over the days behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from marketprism_application.backtesting.columns import (
    BarColumns,
    Selection,
    TickColumns,
    TradeColumns,
)
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.marks import MarkColumns
from marketprism_application.backtesting.options import settings_of
from marketprism_application.sweeps.shortlist import shortlist
from marketprism_services.backtest.child_given import Given, RunOne, Trial
from marketprism_services.backtest.child_messages import Found, Frame, Walk
from marketprism_services.backtest.objectives import value_of
from marketprism_services.backtest.row_files import read_rows

C = TypeVar("C", BarColumns, TickColumns, TradeColumns, MarkColumns)


def walk(work: Walk, given: Given, send: Callable[[Frame], None], run_one: RunOne) -> None:
    """Say which set was best over the training, and what it has come to behind it. Raises NoDataError."""
    rows = read_rows(Path(work.rows))
    train, test = rows_of_days(rows, work.train), rows_of_days(rows, work.test)
    best: dict[str, object] | None = None
    highest = -np.inf
    failed = 0
    # A kernel ranks where it can; runs by events decide, and are the same as without it.
    tried = shortlist(given.strategy, work.sets, train, given.calendar, settings_of(work.options), work.objective)
    for place in tried:
        params = work.sets[place]
        try:
            found = run_one(Trial(work.number, params, train))
        except BacktestError:
            failed += 1
            continue
        value = value_of(found, work.objective)
        if found["state"] == "failed":
            failed += 1
        elif best is None or (value is not None and value > highest):  # of equal ones the first
            best, highest = found, value if value is not None else -np.inf
    if best is None:
        raise NoDataError(f"train: expected a set that runs over {work.train[0]} to {work.train[-1]}, none does")
    chosen = best["params"]
    assert isinstance(chosen, dict)  # noqa: S101 (a summary has them)
    behind = run_one(Trial(work.number, chosen, test))
    send(
        Found(
            work.number,
            {
                **behind,
                "train": [work.train[0], work.train[-1]],
                "test": [work.test[0], work.test[-1]],
                "tried": len(work.sets),
                "failed_sets": failed,
                "in_sample": {"net": best["net"], "objective": value_of(best, work.objective)},
            },
        )
    )


def days_of(rows: Selection) -> list[str]:
    """Trading days that have a row, in their order."""
    found: set[int] = set()
    for data in rows.instruments:
        for _, columns in data.series():
            found |= set(np.unique(columns.day).tolist())
    return [str(each) for each in sorted(found)]


def rows_of_days(rows: Selection, days: Iterable[str]) -> Selection:
    """The rows of some trading days that follow one another. A contract that a view needs no more is left out.

    Raises:
        NoDataError: an instrument has none.
    """
    chosen = np.array([int(each) for each in days], dtype=np.int64)
    found = []
    for data in rows.instruments:
        cut = replace(
            data,
            bars={interval: _cut(columns, chosen) for interval, columns in data.bars.items()},
            ticks=None if data.ticks is None else _cut(data.ticks, chosen),
            trades=None if data.trades is None else _cut(data.trades, chosen),
            marks=None if data.marks is None else _cut(data.marks, chosen),
            books=None if data.books is None else data.books.taken(np.isin(data.books.day, chosen)),
        )
        if not cut.series():
            if data.silent:
                continue
            raise NoDataError(f"{data.instrument.symbol}: expected rows from {chosen[0]} to {chosen[-1]}, was none")
        first, last = Selection((cut,)).bounds()
        found.append(
            replace(
                cut,
                holes=tuple(hole for hole in data.holes if hole.ts_to > first and hole.ts_from < last),
                halts=tuple(halt for halt in data.halts if halt.ts_to > first and halt.ts_from < last),
                funding=tuple(row for row in data.funding if first <= row.ts <= last),
            )
        )
    there = {data.instrument.symbol for data in found}
    left = [replace(data, leads=tuple(lead for lead in data.leads if lead.symbol in there)) for data in found]
    return Selection(tuple(left), tuple(roll for roll in rows.rolls if {roll.leaves, roll.enters} <= there))


def _cut(columns: C, days: np.ndarray[tuple[int], np.dtype[np.int64]]) -> C:
    mask = np.isin(columns.day, days)
    names = [each.name for each in fields(columns) if each.name != "interval"]
    return replace(columns, **{name: getattr(columns, name)[mask] for name in names})


__all__ = ["days_of", "rows_of_days", "walk"]
