"""Groups `ohlc`, `vwap`, `open_interest`: whether a row can be, by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marketprism_application.integrity.bar_rows import BarRows
from marketprism_application.integrity.exact_numbers import ExactNumbers, Flags, Floats
from marketprism_application.integrity.inputs import TermPeriod


def broken_ohlc(rows: BarRows, *, may_be_negative: bool) -> Flags:
    """Rows whose low lies above, or whose high lies below another price; without a price, or with one that is not above
    zero where prices are; with an amount below zero."""
    opened, high, low, close = (each.units for each in (rows.open, rows.high, rows.low, rows.close))
    wrong = (low > opened) | (low > close) | (high < opened) | (high < close) | (high < low)
    if not may_be_negative:
        wrong |= (low <= 0) | (opened <= 0) | (close <= 0)
    for amount in (rows.volume, rows.turnover):
        if amount is not None and not (may_be_negative and amount is rows.turnover):
            wrong |= amount.units < 0
    for price in (rows.open, rows.high, rows.low, rows.close, rows.volume):
        if price.there is not None:
            wrong |= ~price.there
    found: Flags = wrong.astype(np.bool_)
    return found


def negative_interest(rows: BarRows) -> Flags:
    """Rows with an open interest below zero."""
    assert rows.open_interest is not None  # noqa: S101 (asked of series that have it)
    return negative(rows.open_interest)


def negative(numbers: ExactNumbers) -> Flags:
    """Which numbers lie below zero."""
    found: Flags = (numbers.units < 0).astype(np.bool_)
    return found


def vwap_outside(rows: BarRows, terms: Sequence[TermPeriod]) -> Flags:
    """Rows whose money, divided by amount and size, is no price between low and high.

    Money is rounded, and at some exchanges made of a rounded average: a step of the price is allowed for, without terms
    a unit of the price, and the last digit of the money.
    """
    assert rows.turnover is not None  # noqa: S101 (asked of series that have it)
    low, high = rows.low.floats(), rows.high.floats()
    volume, money = rows.volume.floats(), rows.turnover.floats()
    size, slack = np.ones(len(rows)), np.full(len(rows), 10.0**-rows.low.scale)
    inverse = np.zeros(len(rows), dtype=np.bool_)
    for part, period in by_period(rows.ts, terms):
        size[part] = float(period.multiplier or 1)
        slack[part] = float(period.price_tick or 10.0**-rows.low.scale)
        inverse[part] = period.inverse
    amount = volume * size
    last_digit = 10.0**-rows.turnover.scale
    outside = _outside(money, amount, low - slack, high + slack, last_digit + 1e-9 * np.abs(money))
    if inverse.any():
        rounded = last_digit * high
        outside = np.where(
            inverse, _outside(amount, money, low - slack, high + slack, rounded + 1e-9 * amount), outside
        )
    traded = (volume > 0) & np.isfinite(money)
    found: Flags = traded & outside.astype(np.bool_)
    return found


def _outside(money: Floats, amount: Floats, low: Floats, high: Floats, rounding: Floats) -> Flags:
    found: Flags = (money < low * amount - rounding) | (money > high * amount + rounding)
    return found


def by_period(
    ts: np.ndarray[tuple[int], np.dtype[np.int64]], terms: Sequence[TermPeriod]
) -> list[tuple[slice, TermPeriod]]:
    """Rows in order of time by the terms of their date; before the first period its terms hold."""
    ordered = sorted(terms, key=lambda period: period.ts_from)
    starts = [0, *(int(np.searchsorted(ts, period.ts_from)) for period in ordered[1:]), len(ts)]
    return [
        (slice(start, end), period)
        for start, end, period in zip(starts, starts[1:], ordered, strict=False)
        if end > start
    ]
