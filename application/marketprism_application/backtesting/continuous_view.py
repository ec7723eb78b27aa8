"""The contracts of a product in one line: a view for signals, whose prices never enter money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Final

import numpy as np

from marketprism_application.backtesting.clock import FAR_AWAY
from marketprism_application.backtesting.columns import BarColumns, Flags, InstrumentData, Ints, Lead, Roll, Selection
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_domain.bars.contract_rolls import ADJUSTMENTS
from marketprism_domain.bars.contract_rolls import Roll as ProductRoll
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.trading.arithmetic import ONE, ZERO

PREFIX: Final = "continuous:"
_FINER = Decimal("0.0001")  # of a price unit: how exact a view is whose prices are moved by a ratio
_PRICES = ("open", "high", "low", "close")


def is_view(symbol: str) -> bool:
    """Whether a symbol asks for the contracts of a product in one line, `continuous:rb`."""
    return symbol.startswith(PREFIX)


def leads_of(rolls: Sequence[ProductRoll], schedule: Schedule, adjust: str) -> tuple[Lead, ...]:
    """Which contract leads since when, and what its prices are moved by so that they meet those before.

    They are moved forward, from the first contract on: a view that is moved backward knows the future.

    Raises:
        BacktestError: an adjustment that is none.
    """
    if adjust not in ADJUSTMENTS:
        near = did_you_mean(adjust, ADJUSTMENTS)
        raise BacktestError(f"adjust: expected one of {', '.join(ADJUSTMENTS)}, was {adjust!r}{near}")
    found: list[Lead] = []
    factor, shift = ONE, ZERO
    for roll in rolls:
        if found and roll.previous_close is not None and roll.close is not None:
            if adjust == "difference":
                shift += roll.previous_close - roll.close
            elif adjust == "ratio" and roll.close:
                factor *= roll.previous_close / roll.close
        ts = schedule.sessions(roll.trading_day)[0].ts_open
        found.append(Lead(roll.symbol, ts, factor, shift))
    return tuple(found)


def with_view(
    product: str, contracts: Sequence[InstrumentData], leads: Sequence[Lead], others: Sequence[InstrumentData] = ()
) -> Selection:
    """Contracts, which the strategy does not see, the view of them behind them all, and the rolls between them.

    `others` are instruments that the strategy does see, contracts of the product among them.

    Raises:
        BacktestError: a contract that leads has no rows.
    """
    by_symbol = {data.instrument.symbol: data for data in contracts}
    for lead in leads:
        if lead.symbol not in by_symbol:
            raise BacktestError(f"{PREFIX}{product}: expected rows of {lead.symbol}, which leads, was none")
    rolls = tuple(
        Roll(after.ts, by_symbol[after.symbol].instrument.venue, before.symbol, after.symbol)
        for before, after in pairwise(leads)
    )
    asked = {data.instrument.key for data in others}
    behind = [replace(data, silent=True) for data in contracts if data.instrument.key not in asked]
    ordered = sorted([*behind, *others], key=lambda data: data.instrument.key)
    return Selection((*ordered, _view(product, by_symbol, leads)), rolls)


def _view(product: str, contracts: dict[str, InstrumentData], leads: Sequence[Lead]) -> InstrumentData:
    """Bars of the leading contracts one after another, at moved prices."""
    first = contracts[leads[0].symbol]
    unit = _unit(min(data.unit for data in contracts.values()), leads)
    step = min(data.step for data in contracts.values())
    bars = {}
    for interval in first.bars:
        parts = []
        for number, lead in enumerate(leads):
            end = leads[number + 1].ts if number + 1 < len(leads) else None
            data = contracts[lead.symbol]
            if interval in data.bars:
                parts.append(_part(data, interval, lead, end, unit, step))
        bars[interval] = _joined(interval, parts)
    instrument = replace(first.instrument, symbol=PREFIX + product, tick=unit, limits={}, sides={})
    return InstrumentData(instrument, unit, step, bars, leads=tuple(leads))


def _unit(unit: Decimal, leads: Sequence[Lead]) -> Decimal:
    if any(lead.factor != 1 for lead in leads):
        return unit * _FINER
    off = [lead.shift for lead in leads if lead.shift % unit]
    return min([unit, *(Decimal(1).scaleb(int(each.normalize().as_tuple().exponent)) for each in off)])


def _part(
    data: InstrumentData, interval: str, lead: Lead, end: int | None, unit: Decimal, step: Decimal
) -> tuple[Ints | Flags, ...]:
    """Columns of a contract's bars while it leads."""
    columns = data.bars[interval]
    start, stop = np.searchsorted(columns.ts_open, (lead.ts, FAR_AWAY if end is None else end))
    scale, shift = data.unit / unit * lead.factor, lead.shift / unit
    prices = [
        np.rint(getattr(columns, name)[start:stop] * float(scale)).astype(np.int64) + int(shift) for name in _PRICES
    ]
    volume = columns.volume[start:stop] * int(data.step / step)
    return (
        columns.ts_open[start:stop],
        columns.ts_close[start:stop],
        columns.day[start:stop],
        *prices,
        volume,
        columns.gap[start:stop],
    )


def _joined(interval: str, parts: Sequence[tuple[Ints | Flags, ...]]) -> BarColumns:
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)]
    ts_open, ts_close, day, first, high, low, last, volume = (each.astype(np.int64) for each in columns[:8])
    return BarColumns(interval, ts_open, ts_close, day, first, high, low, last, volume, columns[8].astype(np.bool_))


__all__ = ["PREFIX", "is_view", "leads_of", "with_view"]
