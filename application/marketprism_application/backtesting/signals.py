"""Strategies that can say all their targets at once: the rows they are given, and what a run makes of each.

A strategy class offers

    @classmethod
    def signals(cls, table: SignalTable, params: Params) -> Ints

which gives the target behind each bar in whole quantities, KEEP where `on_bar` would not call `ctx.target`. It has to
say what `on_bar` does, bar for bar: a sweep ranks by it, and the event engine confirms the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final, Protocol, cast

import numpy as np

from marketprism_application.backtesting.agenda import changes
from marketprism_application.backtesting.columns import CLOSED, BarColumns, InstrumentData, Ints, Selection
from marketprism_application.backtesting.errors import StrategyFailed
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.settings import NANOS_PER_MINUTE, FillMode, RunSettings
from marketprism_application.backtesting.strategy import Parameters, Strategy
from marketprism_domain.sessions.calendar import MarketCalendar

KEEP: Final = -(1 << 63)  # no new target behind a bar
# What becomes of an order that is sent behind a bar: filled at the next one's opening, over with the day before it,
# without a bar behind it, or never sent as the market does not open again.
FILLED, EXPIRED, LAST, UNSENT = 0, 1, 2, 3
_LONG_AGO = 1 << 62


@dataclass(frozen=True)
class SignalTable:
    """Bars of one instrument as columns; prices are whole units as `bar.close_ticks` is, volumes whole steps."""

    symbol: str
    interval: str
    ts_open: Ints
    ts_close: Ints
    day: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints

    def __len__(self) -> int:
        return len(self.close)

    def nothing(self) -> Ints:
        """A column of KEEP, for targets to be written into."""
        return np.full(len(self.close), KEEP, dtype=np.int64)


class Signalling(Protocol):
    """A strategy class that can say all its targets at once."""

    @classmethod
    def signals(cls, table: SignalTable, params: Parameters) -> Ints:
        """Targets behind each bar."""
        ...


def has_signals(strategy: type[Strategy]) -> bool:
    """Whether a strategy's class offers `signals`."""
    return callable(getattr(strategy, "signals", None))


@dataclass(frozen=True)
class Prepared:
    """What a kernel needs of a run beside the targets: rows, and what becomes of orders behind each of them.

    `since_hole` is how long before an order would be sent the last known gap ended; `first_of_day` has the row at which
    each trading day begins, and one behind the last. `slippage` is in units. `careful`: there is margin, so that
    a run that comes near its money is not one for the kernel.
    """

    table: SignalTable
    market: Market
    fate: Ints
    since_hole: Ints
    first_of_day: Ints
    steps_a_lot: int
    slippage: int
    careful: bool

    @property
    def days(self) -> tuple[str, ...]:
        """Trading days that have rows, in their order."""
        return tuple(str(day) for day in self.table.day[self.first_of_day[:-1]].tolist())


class NotForKernel(Exception):
    """A run that only the event engine can do, and why."""


def prepared(selection: Selection, calendar: MarketCalendar, settings: RunSettings) -> Prepared:
    """What a kernel needs of a run's rows, the same for every set of parameters. Raises NotForKernel."""
    if len(selection.instruments) != 1 or selection.rolls:
        raise NotForKernel("expected one instrument without rolls")
    data = selection.instruments[0]
    market = Market(data, calendar.schedule(*data.instrument.key), 0)
    if len(data.bars) != 1:
        raise NotForKernel("expected bars of one interval")
    _check(market, settings)
    (columns,) = data.bars.values()
    table = _table(market, columns)
    fate, sent_at = _fates(market, columns, selection.bounds())
    slippage = int(settings.slippage.value * market.tick_units) if settings.slippage.rule == "ticks" else 0
    return Prepared(
        table,
        market,
        fate,
        _since_hole(market, sent_at, fate),
        np.r_[np.flatnonzero(np.r_[True, table.day[1:] != table.day[:-1]]), len(table)].astype(np.int64),
        int(1 / market.step),
        slippage + -slippage % market.tick_units,
        market.instrument.margin is not None or market.instrument.leverage is not None,
    )


def _ends(data: InstrumentData) -> bool:
    """Whether there are rows of the contract's last day."""
    last = data.instrument.last_day
    return bool(last) and any(str(each.day[-1]) >= last for each in data.bars.values() if len(each.day))


def _check(market: Market, settings: RunSettings) -> None:
    data, instrument = market.data, market.instrument
    one = Decimal(1) / market.step
    for holds, text in (
        (settings.fill is FillMode.BAR, "fills by bars"),
        (settings.participation is None, "no share of the volume as a limit"),
        (settings.slippage.rule in ("none", "ticks"), "slippage of ticks or none"),
        (settings.latency_ns == 0 and settings.latency.is_none, "no latency"),
        (settings.delay_of_bars == 0, "bars that are there at their end"),
        (settings.gap_policy.rule in ("ignore", "no_entry") or not data.holes, "a policy that only refuses entries"),
        (not instrument.terms.inverse, "a linear contract"),
        (settings.funding == "ignore" or not (data.funding or market.is_perpetual), "no funding"),
        (settings.expiry == "ignore" or not _ends(data), "rows that end before the contract does"),
        (not data.halts, "no halts"),
        (not data.leads and not data.silent, "a contract that can be traded"),
        (not data.settlements and not data.settled_before, "days that are valued at their last price"),
        (one == int(one) and int(one) % market.order_step == 0, "whole quantities that can be ordered"),
    ):
        if not holds:
            raise NotForKernel(f"expected {text}")


def _table(market: Market, columns: BarColumns) -> SignalTable:
    for day, limits in market.instrument.limits.items():
        on = columns.day == int(day)
        for limit in (limits.upper, limits.lower):
            units = None if limit is None else int(limit / market.unit)
            if units is not None and bool((on & (columns.high == units) & (columns.low == units)).any()):
                raise NotForKernel("expected no bar that stands at its price limit")
    names = ("ts_open", "ts_close", "day", "open", "high", "low", "close", "volume")
    # Copies: a kernel is compiled for arrays that can be written to and lie in one piece, mapped files do neither.
    return SignalTable(
        market.symbol, columns.interval, **{name: np.array(getattr(columns, name), dtype=np.int64) for name in names}
    )


def _fates(market: Market, columns: BarColumns, bounds: tuple[int, int]) -> tuple[Ints, Ints]:
    """What becomes of an order behind each bar, and when it would be sent."""
    closes, openings = [], []
    was = CLOSED
    for change in changes(market.schedule, *bounds):
        if was == CLOSED and change.phase != CLOSED:
            openings.append(change.ts)
        if change.day_end and change.phase == CLOSED:
            closes.append(change.ts)
        was = change.phase
    closed, opened = np.array(closes, dtype=np.int64), np.array(openings, dtype=np.int64)
    known = columns.ts_close
    is_closed = _closed_at(closed, opened, known)
    following = np.searchsorted(opened, known, side="right")
    reopens = following < len(opened)
    sent = known.copy()
    sent[is_closed & reopens] = opened[following[is_closed & reopens]]
    fate = np.full(len(known), FILLED, dtype=np.int64)
    if np.any(sent[:-1] > columns.ts_open[1:]):
        raise NotForKernel("expected bars one after another, each behind the market's opening")
    ends = np.searchsorted(closed, sent, side="left")  # the first close at or behind it
    there = ends[:-1] < len(closed)
    expired = np.zeros(len(known), dtype=np.bool_)
    expired[:-1][there] = closed[ends[:-1][there]] < columns.ts_close[1:][there]
    fate[expired] = EXPIRED
    fate[-1] = UNSENT if is_closed[-1] else LAST
    return fate, sent


def _closed_at(closed: Ints, opened: Ints, ts: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether the market is closed at instants: its last change was a close, or it has not opened yet."""
    closes, opens = np.searchsorted(closed, ts, side="right"), np.searchsorted(opened, ts, side="right")
    last_close = np.where(closes > 0, closed[np.maximum(closes - 1, 0)] if len(closed) else 0, -1)
    last_open = np.where(opens > 0, opened[np.maximum(opens - 1, 0)] if len(opened) else 0, -1)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = last_close >= last_open
    return found


def _since_hole(market: Market, sent: Ints, fate: Ints) -> Ints:
    """How long before an order would be sent the last gap ended that was known then."""
    holes = sorted(market.data.holes, key=lambda hole: hole.ts_noticed)
    if not holes:
        return np.full(len(fate), _LONG_AGO, dtype=np.int64)
    noticed = np.array([hole.ts_noticed for hole in holes], dtype=np.int64)
    ended = np.array([hole.ts_to for hole in holes], dtype=np.int64)
    known = np.searchsorted(noticed, sent, side="right") - 1
    return np.where(known >= 0, sent - ended[np.maximum(known, 0)], _LONG_AGO)


def targets_of(strategy: type[Strategy], table: SignalTable, params: Parameters) -> Ints:
    """The targets that a strategy says. Raises StrategyFailed: it raises, or they are no whole number for each bar."""
    try:
        found = np.asarray(cast("type[Signalling]", strategy).signals(table, params))
    except Exception as error:
        raise StrategyFailed(f"signals of {strategy.__qualname__}: {type(error).__name__}: {error}") from error
    if found.dtype != np.int64 or found.shape != (len(table),):
        raise StrategyFailed(f"signals: expected {len(table)} int64, was {found.shape} {found.dtype}")
    return np.ascontiguousarray(found)


def reach_of(strategy: type[Strategy], params: Parameters, settings: RunSettings) -> int:
    """How long behind a gap entries are refused, nanoseconds; below 0 where none are."""
    policy = settings.gap_policy
    if policy.rule != "no_entry":
        return -_LONG_AGO
    return policy.minutes * NANOS_PER_MINUTE or strategy(params).lookback // timedelta(microseconds=1) * 1_000


__all__ = [
    "EXPIRED",
    "FILLED",
    "KEEP",
    "LAST",
    "UNSENT",
    "NotForKernel",
    "Prepared",
    "SignalTable",
    "has_signals",
    "prepared",
    "reach_of",
    "targets_of",
]
