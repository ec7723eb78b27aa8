"""Main (dominant) contracts: which contract of a product leads on which trading day, and when it changed.

The rule: the contract with the most open interest at a day's end (volume decides between equals) leads from the next
trading day on; a change goes to a contract that is delivered later, never back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import month_of


class ContractDay(NamedTuple):
    """What a contract's trading day came to."""

    symbol: str
    trading_day: str
    close: Decimal
    volume: Decimal
    open_interest: Decimal | None


class Roll(NamedTuple):
    """`symbol` leads from `trading_day` on. The closes are those of the day before: of the contract that led until then
    (None for the first), and of this one."""

    trading_day: str
    symbol: str
    previous: str
    previous_close: Decimal | None
    close: Decimal | None


def delivery_of(symbol: str, trading_day: str) -> int:
    """Delivery month of a future as YYYYMM. Zhengzhou writes a year's last digit only: the next such year is meant.

    Raises:
        InvalidValue: not a future's symbol.
    """
    digits = month_of(symbol)
    if digits is None:
        raise InvalidValue("symbol", "a future's, like rb2505 or AP505", symbol)
    year = int(trading_day[:4])
    if len(digits) == 4:
        return (year // 100 * 100 + int(digits[:2])) * 100 + int(digits[2:])
    wanted = year // 10 * 10 + int(digits[0])
    if wanted < year:
        wanted += 10
    return wanted * 100 + int(digits[1:])


def rolls(days: Iterable[ContractDay]) -> list[Roll]:
    """Who led when, oldest first; the first entry is the leader of the first day that is known."""
    by_day: dict[str, dict[str, ContractDay]] = {}
    for day in days:
        by_day.setdefault(day.trading_day, {})[day.symbol] = day
    found: list[Roll] = []
    order = sorted(by_day)
    for position, text in enumerate(order):
        today = by_day[text]
        leader = _largest(today)
        if leader is None:
            continue
        if not found:
            found.append(Roll(text, leader, "", None, None))
            continue
        current = found[-1].symbol
        if leader == current or delivery_of(leader, text) <= delivery_of(current, found[-1].trading_day):
            continue
        if position + 1 < len(order):
            old, new = today.get(current), today[leader]
            found.append(Roll(order[position + 1], leader, current, old.close if old else None, new.close))
    return found


def _largest(today: Mapping[str, ContractDay]) -> str | None:
    known = [day for day in today.values() if day.open_interest is not None]
    best = max(known, key=lambda day: (day.open_interest, day.volume, day.symbol), default=None)
    return best.symbol if best is not None else None


class Adjustment(NamedTuple):
    """What a segment's prices are multiplied by and raised by."""

    factor: Decimal
    shift: Decimal


ADJUSTMENTS = ("none", "difference", "ratio")


def adjustments(found: list[Roll], adjust: str) -> list[Adjustment]:
    """One per roll, so that prices before a change meet those after it: the last segment stays as it is.

    Raises:
        InvalidValue: `adjust` is not one of none, difference, ratio.
    """
    if adjust not in ADJUSTMENTS:
        raise InvalidValue("adjust", f"one of {', '.join(ADJUSTMENTS)}", adjust)
    factor, shift = Decimal(1), Decimal(0)
    made: list[Adjustment] = []
    for roll in reversed(found):
        made.append(Adjustment(factor, shift))
        if roll.previous_close is None or roll.close is None:
            continue
        if adjust == "difference":
            shift += roll.close - roll.previous_close
        elif adjust == "ratio" and roll.previous_close:
            factor *= roll.close / roll.previous_close
    return made[::-1]
