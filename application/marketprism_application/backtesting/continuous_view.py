"""The contracts of a product in one line: a view for signals, whose prices never enter money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from marketprism_domain.trading.arithmetic import ONE, ZERO

PREFIX: Final = "continuous:"
_FINER = Decimal("0.0001")  # of a price unit: how exact a view is whose prices are moved by a ratio
_PRICES = ("open", "high", "low", "close")


def is_view(symbol: str) -> bool:
    """Whether a symbol asks for the contracts of a product in one line, `continuous:rb`."""
    return symbol.startswith(PREFIX)


def with_view(
    product: str,
    contracts: Sequence[InstrumentData],
    rolls: Sequence[ProductRoll],
    adjust: str,
    others: Sequence[InstrumentData] = (),
) -> Selection:
    """Contracts, which the strategy does not see, the view of them behind them all, and the rolls between them.

    `others` are instruments that the strategy does see, contracts of the product among them. A contract leads from its
    first row of its first day as the leader.

    Raises:
        BacktestError: a contract that leads has no rows, or an adjustment that is none.
    """
    by_symbol = {data.instrument.symbol: data for data in contracts}
    leads = _leads(product, by_symbol, rolls, adjust)
    moves = tuple(
        Roll(after.ts, by_symbol[after.symbol].instrument.venue, before.symbol, after.symbol)
        for before, after in pairwise(leads)
    )
    asked = {data.instrument.key for data in others}
    behind = [replace(data, silent=True) for data in contracts if data.instrument.key not in asked]
    ordered = sorted([*behind, *others], key=lambda data: data.instrument.key)
    return Selection((*ordered, _view(product, by_symbol, leads)), moves)


def _leads(
    product: str, contracts: Mapping[str, InstrumentData], rolls: Sequence[ProductRoll], adjust: str
) -> tuple[Lead, ...]:
    """Which contract leads since when, and what its prices are moved by so that they meet those before: forward, from
    the first contract on, for a view that is moved backward knows the future."""
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
        data = contracts.get(roll.symbol)
        ts = None if data is None else _first_of(data, int(roll.trading_day))
        if ts is None:
            day = roll.trading_day
            raise BacktestError(
                f"continuous:{product}: expected rows of {roll.symbol}, which leads from {day} on, was none"
            )
        found.append(Lead(roll.symbol, ts, factor, shift))
    return tuple(found)


def _first_of(data: InstrumentData, day: int) -> int | None:
    """When the first row of a trading day or of one after it begins, None where there is none."""
    found = []
    for _, columns in data.series():
        row = int(np.searchsorted(columns.day, day))
        if row < len(columns):
            starts = columns.ts_open if isinstance(columns, BarColumns) else columns.time
            found.append(int(starts[row]))
    return min(found, default=None)


def named_rolls(text: str, contracts: Sequence[InstrumentData]) -> list[ProductRoll]:
    """Rolls as a text names them, `rb2405@20231220,rb2410@20240328`: who leads from which trading day on. Whoever of
    the contracts is not named leads until then; the closes of the days before are those of the rows.

    Raises:
        BacktestError: it is none, or more than one contract is not named.
    """
    named = []
    for part in text.split(","):
        symbol, _, day = part.strip().partition("@")
        if not symbol or len(day) != 8 or not day.isdecimal():
            raise BacktestError(f"rolls: expected CONTRACT@YYYYMMDD with commas between, was {part!r}")
        named.append((day, symbol))
    named.sort()
    by_symbol = {data.instrument.symbol: data for data in contracts}
    first = sorted(set(by_symbol) - {symbol for _, symbol in named})
    if len(first) != 1:
        raise BacktestError(f"rolls: expected all contracts but the first to be named, not named: {first or 'none'}")
    found = [ProductRoll(_first_day(by_symbol[first[0]]), first[0], "", None, None)]
    for day, symbol in named:
        closes = [_close_before(by_symbol.get(each), int(day)) for each in (found[-1].symbol, symbol)]
        found.append(ProductRoll(day, symbol, found[-1].symbol, *closes))
    return found


def _first_day(data: InstrumentData) -> str:
    return str(min(int(columns.day[0]) for _, columns in data.series()))


def _close_before(data: InstrumentData | None, day: int) -> Decimal | None:
    """The last price of a contract before a trading day, by its bars; None where they have none."""
    for columns in () if data is None else list(data.bars.values())[:1]:
        row = int(np.searchsorted(columns.day, day)) - 1
        if row >= 0:
            return int(columns.close[row]) * data.unit if data is not None else None
    return None


def _view(product: str, contracts: Mapping[str, InstrumentData], leads: Sequence[Lead]) -> InstrumentData:
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
    instrument = replace(first.instrument, symbol=PREFIX + product, tick=unit, limits={}, sides={}, last_day="")
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


__all__ = ["PREFIX", "is_view", "named_rolls", "with_view"]
