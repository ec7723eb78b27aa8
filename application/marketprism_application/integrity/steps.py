"""Groups `step` and `limits`: prices and amounts held against the terms of their date and the limits of their day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np

from marketprism_application.integrity.bar_rows import PRICES, BarRows, Index
from marketprism_application.integrity.exact_numbers import ExactNumbers, Flags, Ints
from marketprism_application.integrity.expected_grid import Grid
from marketprism_application.integrity.inputs import DayLimits, TermPeriod
from marketprism_application.integrity.shape import by_period


def off_tick(rows: BarRows, terms: Sequence[TermPeriod]) -> Flags:
    """Rows with a price that is no multiple of the price step of their date."""
    wrong = np.zeros(len(rows), dtype=np.bool_)
    for part, period in by_period(rows.ts, terms):
        if period.price_tick:
            for name in PRICES:
                wrong[part] |= off_step(getattr(rows, name).taken(part), period.price_tick)
    return wrong


def off_quantity(rows: BarRows, terms: Sequence[TermPeriod]) -> Flags:
    """Rows with a volume that is no multiple of the quantity step of their date."""
    wrong = np.zeros(len(rows), dtype=np.bool_)
    for part, period in by_period(rows.ts, terms):
        if period.quantity_step:
            wrong[part] |= off_step(rows.volume.taken(part), period.quantity_step)
    return wrong


def off_step(numbers: ExactNumbers, step: Decimal) -> Flags:
    """Which numbers are no multiple of a step; exact."""
    places = max(0, -int(step.normalize().as_tuple().exponent))
    fitted = numbers.scaled(max(numbers.scale, places))
    unit = int(step.scaleb(fitted.scale))
    units = fitted.units
    # Of machine numbers the whole multiple is taken away: a division is several times as fast as a remainder.
    wrong: Flags = ((units % unit) != 0 if units.dtype == object else units - units // unit * unit != 0).astype(
        np.bool_
    )
    return wrong if fitted.there is None else wrong & fitted.there


def outside_limits(rows: BarRows, at: Index, grid: Grid, limits: Mapping[str, DayLimits]) -> Flags:
    """Rows with a price beyond the limits of their trading day; days without limits are not looked at."""
    scale = rows.low.scale
    known = [limits.get(day) for day in grid.days]
    places = max(
        [scale, *(_places(each.low) for each in known if each), *(_places(each.high) for each in known if each)]
    )
    low, high = rows.low.scaled(places).units, rows.high.scaled(places).units
    lowest = _units([each.low if each else None for each in known], places)
    highest = _units([each.high if each else None for each in known], places)
    has = np.array([each is not None for each in known], dtype=np.bool_)
    day = grid.day[at]
    wrong: Flags = has[day] & ((low < lowest[day]) | (high > highest[day]))
    return wrong


def _places(value: Decimal) -> int:
    return max(0, -int(value.normalize().as_tuple().exponent))


def _units(values: Sequence[Decimal | None], scale: int) -> Ints:
    return np.array([0 if value is None else int(value.scaleb(scale)) for value in values], dtype=np.int64)
