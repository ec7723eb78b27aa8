"""Every fill of a result proved again by the rows: that its row is there, and allows its price and its quantity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from marketprism_application.backtesting.book_verification import doubts_of_book
from marketprism_application.backtesting.columns import BarColumns, InstrumentData, Selection, TickColumns, TradeColumns
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_domain.trading.arithmetic import ZERO, exact_arithmetic
from marketprism_domain.trading.volume_sides import volume_sides


class Unproved(NamedTuple):
    """A fill that the rows do not allow, and why."""

    fill: int
    text: str


class Verified(NamedTuple):
    """What a verification found: fills, those without proof, and the profit counted again from the fills alone."""

    fills: int
    unproved: list[Unproved]
    gross: Decimal


def verify_fills(
    fills: Sequence[Fill],
    selection: Selection,
    settings: RunSettings,
    active: dict[int, int],
    ts_end: int | None = None,
) -> Verified:
    """Prove fills by rows; `active` is when each order could be filled first, nanoseconds. What is held at the end is
    valued as it was known at `ts_end`, where the run ended; None: when all of these rows were."""
    with exact_arithmetic():
        by_key = {data.instrument.key: data for data in selection.instruments}
        found: list[Unproved] = []
        cash: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        held: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        for fill in fills:
            key = fill.venue, fill.symbol
            data = by_key.get(key)
            if data is None:
                found.append(Unproved(fill.number, f"no rows of {fill.symbol}"))
                continue
            found += [Unproved(fill.number, text) for text in _doubts(fill, data, settings, active)]
            sign = 1 if fill.side == "buy" else -1
            held[key] += sign * fill.quantity
            cash[key] -= sign * fill.quantity * fill.price * data.instrument.terms.multiplier
        for key, data in by_key.items():
            by_book = [fill for fill in fills if (fill.venue, fill.symbol) == key and fill.evidence.series == "book"]
            if by_book:
                doubts = doubts_of_book(by_book, data, settings)
                found += [Unproved(number, text) for number, text in sorted(doubts.items())]
        gross = ZERO
        for key, left in held.items():
            data = by_key[key]
            gross += cash[key] + left * _last(data, settings, ts_end) * data.instrument.terms.multiplier
        return Verified(len(fills), found, gross)


def _doubts(fill: Fill, data: InstrumentData, settings: RunSettings, active: dict[int, int]) -> Iterator[str]:
    since = active.get(fill.order)
    if since is not None and fill.ts < since:
        yield f"filled {(since - fill.ts) / 1e9:.3f} s before its order was active"
    if fill.tag == "liquidation":
        return
    if fill.tag == "expiry":
        yield from _of_expiry(fill, data, settings)
        return
    columns = dict(data.series()).get(fill.evidence.series)
    if columns is None:
        yield f"no series {fill.evidence.series}"
    elif isinstance(columns, BarColumns):
        yield from _of_bar(fill, data, columns, settings)
    elif isinstance(columns, TickColumns):
        yield from _of_tick(fill, data, columns, settings)
    elif isinstance(columns, TradeColumns):
        yield from _of_trade(fill, data, columns)


def _of_bar(fill: Fill, data: InstrumentData, columns: BarColumns, settings: RunSettings) -> Iterator[str]:
    row = int(np.searchsorted(columns.ts_open, fill.evidence.ts))
    if row == len(columns) or int(columns.ts_open[row]) != fill.evidence.ts:
        yield "no bar opens at its time"
        return
    low, high = int(columns.low[row]) * data.unit, int(columns.high[row]) * data.unit
    if settings.slippage.rule == "none" and not low <= fill.price <= high:
        yield f"price {fill.price} outside its bar, {low} to {high}"
    if settings.participation is not None and fill.tag not in ("forced", "roll"):
        sides = volume_sides(fill.venue, str(int(columns.day[row])))
        most = int(columns.volume[row] // sides * settings.participation) * data.step
        if fill.quantity > most:
            yield f"quantity {fill.quantity} of at most {most}"


def _of_tick(fill: Fill, data: InstrumentData, columns: TickColumns, settings: RunSettings) -> Iterator[str]:
    row = int(np.searchsorted(columns.ts, fill.evidence.ts))
    while row < len(columns) and int(columns.seq[row]) != fill.evidence.seq:
        if int(columns.ts[row]) != fill.evidence.ts:
            row = len(columns)
            break
        row += 1
    if row >= len(columns):
        yield "no tick of its time and number"
        return
    buys = fill.side == "buy"
    price, size = (columns.ask[row], columns.ask_size[row]) if buys else (columns.bid[row], columns.bid_size[row])
    if fill.taker and int(columns.phase[row]) == 1:  # the auction's match
        if int(columns.last[row]) * data.unit != fill.price:
            yield f"price {fill.price} is not the match, {int(columns.last[row]) * data.unit}"
    elif fill.taker and settings.slippage.rule == "none" and not settings.impact:
        if int(price) * data.unit != fill.price:
            yield f"price {fill.price} is not the other side's, {int(price) * data.unit}"
        if settings.limit_size and fill.quantity > int(size) * data.step:
            yield f"quantity {fill.quantity} of {int(size) * data.step} shown"


def _of_trade(fill: Fill, data: InstrumentData, columns: TradeColumns) -> Iterator[str]:
    rows = np.flatnonzero((columns.ts == fill.evidence.ts) & (columns.seq == fill.evidence.seq))
    if not len(rows):
        yield "no trade of its time and number"
        return
    price = int(columns.price[rows[0]]) * data.unit
    sign = 1 if fill.side == "buy" else -1
    if not fill.taker and price * sign > fill.price * sign:
        yield f"price {fill.price} is better than the trade's, {price}"


def _of_expiry(fill: Fill, data: InstrumentData, settings: RunSettings) -> Iterator[str]:
    """A contract ends at its delivery price, or at the last price that there was until then."""
    known = [data.instrument.delivery, data.settlements.get(fill.trading_day), *data.settled_before.values()]
    columns = next(iter(data.bars.values())) if settings.fill is FillMode.BAR else data.ticks or data.trades
    if columns is not None:
        prices = columns.close if isinstance(columns, BarColumns) else getattr(columns, "last", None)
        prices = columns.price if isinstance(columns, TradeColumns) else prices
        rows = int(np.searchsorted(columns.time, fill.ts_known, side="right"))
        there = prices[:rows][prices[:rows] > 0] if prices is not None else []
        known += [int(there[-1]) * data.unit] if len(there) else []
    if fill.price not in known:
        yield f"price {fill.price} is neither the delivery's nor the last one"


def _last(data: InstrumentData, settings: RunSettings, ts_end: int | None) -> Decimal:
    """The settlement of the last day where it was over, else the last price, of what was known at the end."""
    if settings.fill is FillMode.BAR:
        bars = next(iter(data.bars.values()))
        known = np.arange(len(bars)), bars.ts_close + settings.delay_of_bars, bars.day, bars.close
    elif data.ticks is not None:
        known = np.flatnonzero(data.ticks.last > 0), data.ticks.ts, data.ticks.day, data.ticks.last
    else:
        assert data.trades is not None  # noqa: S101 (a run has rows)
        known = np.arange(len(data.trades)), data.trades.ts, data.trades.day, data.trades.price
    rows, times, days, prices = known
    if ts_end is not None:
        rows = rows[times[rows] <= ts_end]
    row = int(rows[-1])
    settled = data.settlements.get(str(int(days[row]))) if row + 1 == len(days) else None
    return int(prices[row]) * data.unit if settled is None else settled
