"""From a recording's text to exact values."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Generic, TypeVar

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import (
    HUGE,
    MAX_FRACTION_DIGITS,
    MAX_INTEGER_DIGITS,
    NANOS_PER_SECOND,
    BookLevel,
    fits,
    without_excess,
)

_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_MAX_CACHED = 100_000
Given = TypeVar("Given")
_HUGE = float(HUGE)
_NO_VALUE = 3.4e38  # FLT_MAX and DBL_MAX, however many of their digits are written
_WIDEST = 40  # digits before or behind the point that are worth writing out
_FITTING = f"at most {MAX_INTEGER_DIGITS} integer and {MAX_FRACTION_DIGITS} fraction digits"
_NO_AMOUNT = frozenset((Decimal(2**31 - 1), Decimal(-(2**31))))  # INT_MAX and INT_MIN: an amount that is not there


class BadField(ValueError):
    """A cell that is not what its column holds."""

    def __init__(self, column: str, expected: str, was: str) -> None:
        super().__init__(f"column {column}: expected {expected}, was {was[:80]!r}")
        self.column, self.expected, self.was = column, expected, was

    def at(self, column: str) -> BadField:
        """The same of a column that has another name."""
        return BadField(column, self.expected, self.was)


class _Remembered(ABC, Generic[Given]):
    """Decimals of what a field may hold; what tends to repeat is made once."""

    def __init__(self) -> None:
        self._values: dict[Given, Decimal | None] = {}
        self._prices: dict[Given, Decimal | None] = {}

    @staticmethod
    @abstractmethod
    def fresh(given: Given, column: str, /) -> Decimal | None:
        """Decimal of a field that rarely repeats (cumulative volume and turnover)."""

    def value(self, given: Given, column: str) -> Decimal | None:
        """Decimal of a field that tends to repeat."""
        try:
            return self._values[given]
        except KeyError:
            value = self.fresh(given, column)
        if len(self._values) > _MAX_CACHED:
            self._values = {}
        self._values[given] = value
        return value

    def count(self, given: Given, column: str) -> Decimal | None:
        """As `value`, for what there is none or some of. Raises BadField: it is below 0."""
        value = self.value(given, column)
        if value is not None and value < 0:
            raise BadField(column, "0 or more", str(given))
        return value

    def fresh_count(self, given: Given, column: str) -> Decimal | None:
        """As `count`, of a field that rarely repeats."""
        value = self.fresh(given, column)
        if value is not None and value < 0:
            raise BadField(column, "0 or more", str(given))
        return value

    def price(self, given: Given, column: str) -> Decimal | None:
        """As `value`, for a price that is not there when it is 0. Raises BadField: it is below 0."""
        try:
            return self._prices[given]
        except KeyError:
            price = self.value(given, column) or None
        if price is not None and price < 0:
            raise BadField(column, "a price of 0 or more", str(given))
        if len(self._prices) > _MAX_CACHED:
            self._prices = {}
        self._prices[given] = price
        return price


class Numbers(_Remembered[str]):
    """Exact decimals of number texts; prices repeat all day, so they are made once.

    `N/A`, the empty text, DBL_MAX and FLT_MAX (the counters' "no value") are None. Trailing zeros go: a CTP double
    becomes its shortest decimal, `12485.00` becomes 12485. A number that no table can take is a `BadField`.
    """

    @staticmethod
    def fresh(text: str, column: str, /) -> Decimal | None:
        """Decimal of a cell that rarely repeats (cumulative volume and turnover)."""
        if text in ("", "N/A"):
            return None
        if not _NUMBER.fullmatch(text):
            raise BadField(column, "a number", text)
        if "e" not in text and "E" not in text:
            if "." in text:
                text = text.rstrip("0").rstrip(".")
            value = Decimal(text or "0") or Decimal(0)
            return value if len(text) <= _SHORT else _fitting(value, column)
        return _fitting(Decimal(text), column)


class RawNumbers(_Remembered[object]):
    """Exact decimals of the doubles and integers that the API gives: the shortest decimal that is the same double."""

    @staticmethod
    def fresh(number: object, column: str, /) -> Decimal | None:
        """Decimal of a field that rarely repeats; None for what is no number, and for DBL_MAX and FLT_MAX."""
        if isinstance(number, float):
            if not -_HUGE < number < _HUGE:
                if -_NO_VALUE < number < _NO_VALUE:
                    raise BadField(column, _FITTING, repr(number))
                return None
            text = repr(number).removesuffix(".0")
            if len(text) > _SHORT or "e" in text:
                return _fitting(Decimal(text), column)
            return Decimal(text) or Decimal(0)
        if isinstance(number, int):
            return _fitting(Decimal(number), column)
        return Numbers.fresh(str(number), column)


class Clocks:
    """Nanoseconds of the day of `HH:MM:SS`, remembered."""

    def __init__(self) -> None:
        self._cache: dict[str, int] = {}

    def nanos(self, text: str) -> int | None:
        """Nanoseconds since midnight; None when it is no time of day (some fronts send 99:99:99)."""
        found = self._cache.get(text)
        if found is not None:
            return found
        parts = text.split(":")
        if not _TIME.fullmatch(text):
            return None
        hours, minutes, seconds = (int(part) for part in parts)
        if hours > 23 or minutes > 59 or seconds > 59:
            return None
        self._cache[text] = found = (hours * 3600 + minutes * 60 + seconds) * NANOS_PER_SECOND
        return found


_SHORT = 18  # characters of a number that fits in any case
_MAXIMA = ((1, 7, 9, 7, 6, 9, 3), (3, 4, 0, 2, 8, 2, 3))  # of double and float
_OF_DBL_MAX = 308
_TIME = re.compile(r"\d\d:\d\d:\d\d", re.ASCII)


def _fitting(value: Decimal, column: str) -> Decimal | None:
    """The same number without an exponent and trailing zeros; None for the counters' "no value"."""
    if value.adjusted() >= MAX_INTEGER_DIGITS and (value.adjusted() == _OF_DBL_MAX or _is_maximum(value)):
        return None
    if not value:
        return Decimal(0)
    if not -_WIDEST < value.adjusted() < MAX_INTEGER_DIGITS:
        raise BadField(column, _FITTING, str(value))
    plain = without_excess(value)
    if not fits(plain):
        raise BadField(column, _FITTING, str(value))
    text = format(plain, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _is_maximum(value: Decimal) -> bool:
    """Whether it is FLT_MAX, or DBL_MAX of which a narrow column cut digits."""
    return value.copy_abs().normalize().as_tuple().digits[:7] in _MAXIMA


def amount(value: Decimal | None) -> Decimal | None:
    """Lots as they are meant: INT_MAX and INT_MIN are an amount that is not there."""
    return None if value in _NO_AMOUNT else value


def levels(pairs: list[tuple[Decimal | None, Decimal | None]]) -> tuple[BookLevel, ...]:
    """Book side of (price, quantity) pairs; a level without price or quantity is no level."""
    return tuple(BookLevel(price, quantity) for price, quantity in pairs if price and quantity)


__all__ = ["BadField", "Clocks", "Numbers", "RawNumbers", "Tick", "amount", "levels"]
