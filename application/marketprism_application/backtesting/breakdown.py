"""Where a result comes from: positions by side, instrument, session, weekday and hour; and 60 days back from each day.

Times are those of the market: of China for its exchanges, else UTC. A position belongs to the time of its entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from marketprism_application.backtesting.orders import RoundTrip
from marketprism_application.backtesting.statistics import YEAR
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.trading.arithmetic import ZERO

WINDOW = 60
_CHINA = timedelta(hours=8)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOUR_NS = 3_600_000_000_000


class Group(NamedTuple):
    """Positions that share a value of `by`: how many, what they earned after fees, the share that won, mean hours of
    those that are over. A position that is still open counts with its profit at the last price."""

    by: str
    value: str
    positions: int
    profit: Decimal
    fees: Decimal
    win_rate: float
    mean_hours: float | None


class RollingDay(NamedTuple):
    """The last 60 trading days at the end of one: total return, deviation and Sharpe ratio of a year of 252 days."""

    trading_day: str
    total_return: float
    volatility: float
    sharpe: float | None


def breakdown(trips: Sequence[RoundTrip]) -> list[Group]:
    """Groups by each of the five; the profits of each five add up to the profit of all positions."""
    keys: tuple[tuple[str, Callable[[RoundTrip], str]], ...] = (
        ("side", lambda trip: "long" if trip.sign > 0 else "short"),
        ("symbol", lambda trip: trip.symbol),
        ("session", _session),
        ("weekday", lambda trip: _WEEKDAYS[_entry(trip).weekday()]),
        ("hour", lambda trip: f"{_entry(trip).hour:02}"),
    )
    found = []
    for by, key in keys:
        parts: dict[str, list[RoundTrip]] = {}
        for trip in trips:
            parts.setdefault(key(trip), []).append(trip)
        order = _WEEKDAYS.index if by == "weekday" else str
        found += [_group(by, value, parts[value]) for value in sorted(parts, key=order)]
    return found


def _group(by: str, value: str, trips: Sequence[RoundTrip]) -> Group:
    over = [trip for trip in trips if trip.ts_exit]
    hours = [(trip.ts_exit - trip.ts_entry) / _HOUR_NS for trip in over]
    return Group(
        by,
        value,
        len(trips),
        sum((trip.profit - trip.fees for trip in trips), ZERO),
        sum((trip.fees for trip in trips), ZERO),
        sum(trip.profit > trip.fees for trip in trips) / len(trips),
        sum(hours) / len(hours) if hours else None,
    )


def _entry(trip: RoundTrip) -> datetime:
    moment = datetime.fromtimestamp(trip.ts_entry / 1e9, UTC)
    return moment + _CHINA if is_chinese(trip.venue) else moment


def _session(trip: RoundTrip) -> str:
    """Night, morning or afternoon of China; elsewhere a third of the day, by who is awake."""
    hour = _entry(trip).hour
    if is_chinese(trip.venue):
        return "night" if hour >= 18 or hour < 6 else "morning" if hour < 12 else "afternoon"
    return ("Asia", "Europe", "America")[hour // 8]


def rolling(days: Sequence[str], equity: Sequence[float], capital: float) -> list[RollingDay]:
    """Each day that has 60 days of returns behind it, itself among them."""
    levels = np.array([capital, *equity], dtype=np.float64)
    if len(equity) < WINDOW or bool((levels <= 0).any()):
        return []
    returns = levels[1:] / levels[:-1] - 1
    found = []
    for end in range(WINDOW, len(returns) + 1):
        part = returns[end - WINDOW : end]
        deviation = float(part.std(ddof=1))
        found.append(
            RollingDay(
                days[end - 1],
                float(np.prod(1 + part) - 1),
                deviation * math.sqrt(YEAR),
                float(part.mean()) / deviation * math.sqrt(YEAR) if deviation > 0 else None,
            )
        )
    return found


__all__ = ["WINDOW", "Group", "RollingDay", "breakdown", "rolling"]
