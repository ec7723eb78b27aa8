"""From a recording's text to exact values."""

from __future__ import annotations

import re
from decimal import Decimal

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import HUGE, NANOS_PER_SECOND, BookLevel

_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][+-]?\d+)?")
_MAX_CACHED = 100_000
_HUGE = float(HUGE)


class BadField(ValueError):
    """A cell that is not what its column holds."""

    def __init__(self, column: str, expected: str, was: str) -> None:
        super().__init__(f"column {column}: expected {expected}, was {was!r}")


class Numbers:
    """Exact decimals of number texts; prices repeat all day, so they are made once.

    `N/A`, the empty text and doubles of 1e20 and more (CTP's "no value" is DBL_MAX) are None. Trailing zeros go:
    a CTP double becomes its shortest decimal, `12485.00` becomes 12485.
    """

    def __init__(self) -> None:
        self._cache: dict[str, Decimal | None] = {"": None, "N/A": None}

    def value(self, text: str, column: str) -> Decimal | None:
        """Decimal of a cell that tends to repeat."""
        try:
            return self._cache[text]
        except KeyError:
            value = self.fresh(text, column)
        if len(self._cache) > _MAX_CACHED:
            self._cache = {"": None, "N/A": None}
        self._cache[text] = value
        return value

    @staticmethod
    def fresh(text: str, column: str) -> Decimal | None:
        """Decimal of a cell that rarely repeats (cumulative volume and turnover)."""
        if text in ("", "N/A"):
            return None
        if not _NUMBER.fullmatch(text):
            raise BadField(column, "a number", text)
        if "e" not in text and "E" not in text:
            if "." in text:
                text = text.rstrip("0").rstrip(".")
            value = Decimal(text or "0")
        else:
            value = Decimal(format(Decimal(text).normalize(), "f"))
        return None if value >= HUGE or value <= -HUGE else value


class RawNumbers:
    """Exact decimals of the doubles and integers that the API gives: the shortest decimal that is the same double."""

    def __init__(self) -> None:
        self._cache: dict[object, Decimal | None] = {}

    def value(self, number: object, column: str) -> Decimal | None:
        """Decimal of a field that tends to repeat."""
        try:
            return self._cache[number]
        except KeyError:
            value = self.fresh(number, column)
        if len(self._cache) > _MAX_CACHED:
            self._cache = {}
        self._cache[number] = value
        return value

    @staticmethod
    def fresh(number: object, column: str) -> Decimal | None:
        """Decimal of a field that rarely repeats; None for what is no number and for 1e20 and more."""
        if isinstance(number, float):
            if not -_HUGE < number < _HUGE:
                return None
            text = repr(number).removesuffix(".0")
            return Decimal(format(Decimal(text), "f") if "e" in text else text)
        if isinstance(number, int):
            return Decimal(number)
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
        if len(parts) != 3 or not all(part.isdigit() and len(part) == 2 for part in parts):
            return None
        hours, minutes, seconds = (int(part) for part in parts)
        if hours > 23 or minutes > 59 or seconds > 59:
            return None
        self._cache[text] = found = (hours * 3600 + minutes * 60 + seconds) * NANOS_PER_SECOND
        return found


def levels(pairs: list[tuple[Decimal | None, Decimal | None]]) -> tuple[BookLevel, ...]:
    """Book side of (price, quantity) pairs; a level without price or quantity is no level."""
    return tuple(BookLevel(price, quantity) for price, quantity in pairs if price and quantity)


def positive(value: Decimal | None) -> Decimal | None:
    """A price of 0 means that there is none (limits behind mismatched fronts, prices before the first trade)."""
    return value or None


__all__ = ["BadField", "Clocks", "Numbers", "Tick", "levels", "positive"]
