"""Proof that a run sees no future: decisions up to an instant are the same whatever comes after it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from marketprism_application.backtesting.columns import (
    NO_PRICE,
    BarColumns,
    InstrumentData,
    Ints,
    Selection,
    TickColumns,
    TradeColumns,
)
from marketprism_application.backtesting.result import DecisionRow
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.trading.halts import NO_END


class Trial(NamedTuple):
    """One instant, one test (`truncation` or `noise`), and the first decision that differs (empty: none does)."""

    ts: int
    test: str
    decisions: int
    difference: str


def prove_causality(
    selection: Selection, calendar: MarketCalendar, spec: RunSpec, *, points: int = 20, seed: int = 0
) -> list[Trial]:
    """Both tests at random instants: the run to T is the beginning of the whole run, and noise behind T changes no
    decision before it."""
    whole = run_backtest(selection, calendar, spec).decisions
    first, last = selection.bounds()
    chosen = random.Random(seed)
    found = []
    for _ in range(points):
        ts = chosen.randrange(first + (last - first) // 10, last)
        before = [each for each in whole if each.ts < ts]
        for name, rows in (("truncation", selection), ("noise", _with_noise(selection, ts, spec, chosen.random()))):
            again = run_backtest(rows, calendar, spec, until=ts).decisions
            found.append(Trial(ts, name, len(before), _difference(before, again)))
    return found


def _difference(wanted: Sequence[DecisionRow], found: Sequence[DecisionRow]) -> str:
    for number, (one, other) in enumerate(zip(wanted, found, strict=False)):
        if one[:4] != other[:4]:
            return f"decision {number + 1}: expected {_text(one)}, was {_text(other)}"
    if len(wanted) != len(found):
        return f"expected {len(wanted)} decisions, was {len(found)}"
    return ""


def _text(row: DecisionRow) -> str:
    return f"{row.text} at {datetime.fromtimestamp(row.ts / 1e9, UTC).isoformat()}"


def _with_noise(selection: Selection, ts: int, spec: RunSpec, seed: float) -> Selection:
    """The same rows up to an instant, and numbers that mean nothing from it on."""
    generator = np.random.default_rng(int(seed * 2**32))
    delay = spec.settings.delay_of_bars
    return replace(selection, instruments=tuple(_noisy(data, ts, delay, generator) for data in selection.instruments))


def _noisy(data: InstrumentData, ts: int, delay: int, generator: np.random.Generator) -> InstrumentData:
    return replace(
        data,
        bars={name: _noisy_bars(each, ts - delay, generator) for name, each in data.bars.items()},
        ticks=None if data.ticks is None else _noisy_ticks(data.ticks, ts, generator),
        trades=None if data.trades is None else _noisy_trades(data.trades, ts, generator),
        # Halts that begin later are not there, and one that goes on has no end.
        halts=tuple(
            each._replace(ts_to=each.ts_to if each.ts_to < ts else NO_END) for each in data.halts if each.ts_from < ts
        ),
    )


def _noisy_bars(columns: BarColumns, ts: int, generator: np.random.Generator) -> BarColumns:
    behind = columns.ts_close >= ts
    prices = [_noise(each, behind, generator) for each in (columns.open, columns.high, columns.low, columns.close)]
    high, low = np.maximum.reduce(prices), np.minimum.reduce(prices)
    return replace(
        columns,
        open=prices[0],
        high=np.where(behind, high, columns.high),
        low=np.where(behind, low, columns.low),
        close=prices[3],
        volume=np.where(behind, generator.integers(1, 10_000, len(columns)), columns.volume),
    )


def _noisy_ticks(columns: TickColumns, ts: int, generator: np.random.Generator) -> TickColumns:
    behind = columns.ts >= ts
    last = _noise(columns.last, behind, generator)
    return replace(
        columns,
        last=last,
        bid=np.where(behind & (columns.bid != NO_PRICE), last - 1, columns.bid),
        ask=np.where(behind & (columns.ask != NO_PRICE), last + 1, columns.ask),
    )


def _noisy_trades(columns: TradeColumns, ts: int, generator: np.random.Generator) -> TradeColumns:
    return replace(columns, price=_noise(columns.price, columns.ts >= ts, generator))


def _noise(column: Ints, behind: np.ndarray[tuple[int], np.dtype[np.bool_]], generator: np.random.Generator) -> Ints:
    middle = int(np.median(column[column != NO_PRICE])) if len(column) else 0
    noise = generator.integers(max(1, middle // 2), max(2, middle * 2), len(column))
    return np.where(behind & (column != NO_PRICE), noise, column)


__all__ = ["Trial", "prove_causality"]
