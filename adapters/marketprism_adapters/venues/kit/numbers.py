"""Numbers as venues write them: checked, never converted where text will do."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import chain
from typing import overload

import msgspec

from marketprism_application.venues.protocol import ParseRefused
from marketprism_domain.sessions.trading_days import utc_day_text
from marketprism_domain.values import MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS, fits, without_excess

NANOS_PER_MS = 1_000_000
_MAX_TEXT = 40
_MOST_DEPTH_DIGITS = 5
_MAX_DIGITS = MAX_INTEGER_DIGITS  # before the point: more is no price and no quantity, and has no room in the tables
_SHORT = MAX_FRACTION_DIGITS + 1  # so many characters have room, wherever the point stands
_FIRST_S, _LAST_S = 946_684_800, 7_258_118_400  # the years 2000 and 2200
_FIRST_MS, _LAST_MS = _FIRST_S * 1_000, _LAST_S * 1_000
# Between the two years the units never overlap: the same time is 1000 times as large in the next unit, and the last
# year is no eightfold of the first.
_UNITS = ((1_000, 1_000_000), (1_000_000, 1_000), (1_000_000_000, 1), (1, 1_000_000_000))  # to a second, nanoseconds
_NEVER_MS = 253_402_300_800_000  # the year 10000, in milliseconds
_MAX_ID = (1 << 63) - 1
_ROOM = f"at most {MAX_INTEGER_DIGITS} digits before the point and {MAX_FRACTION_DIGITS} behind it"
UNREADABLE = (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError)


def unreadable(error: Exception, where: str) -> ParseRefused:
    """What to raise for one of `UNREADABLE`; `where` is the frame or the answer."""
    if isinstance(error, msgspec.ValidationError):
        return ParseRefused("field", f"{where}: {error}")
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError | RecursionError):
        return ParseRefused("malformed", f"{where}: {error}")
    return ParseRefused("number", f"{where}: expected numbers, found one that is none: {error!r}")


def number(text: str | None, field: str) -> str:
    """The text of a number that must be there.

    Raises:
        ParseRefused: missing, or no finite number.
    """
    found = optional(text, field)
    if found is None:
        raise ParseRefused("missing", f"{field}: expected a number, there is none")
    return found


def optional(text: str | None, field: str) -> str | None:
    """The text of a number, None when the venue sent nothing."""
    if not text:
        return None
    if text.isascii() and len(text) <= _SHORT and text.replace(".", "", 1).isdecimal():
        return text
    return _uncommon(text, field)


@lru_cache(maxsize=4096)
def _uncommon(text: str, field: str) -> str:
    """A sign, an exponent, or no number at all."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ParseRefused("number", f"{field}: expected a number, was {text[:_MAX_TEXT]!r}") from None
    if not value.is_finite() or "_" in text:
        raise ParseRefused("number", f"{field}: expected a finite number, was {text[:_MAX_TEXT]!r}")
    if not _has_room(value):
        raise ParseRefused("number", f"{field}: expected {_ROOM}, was {text[:_MAX_TEXT]!r}")
    simple = text.isascii() and text.replace(".", "", 1).isdecimal() and len(text.partition(".")[2]) <= _SHORT - 1
    return text if simple else plain(value)


def _has_room(value: Decimal) -> bool:
    """Whether the tables hold it exactly; zeros behind what they hold are none of its digits."""
    return fits(value) or fits(without_excess(value))


def plain(value: Decimal) -> str:
    """Text without an exponent, of a number that has room; what it has of zeros beyond that is left out."""
    return format(without_excess(value), "f") if value else "0"


@overload
def from_number(value: Decimal) -> str: ...


@overload
def from_number(value: Decimal | None) -> str | None: ...


def from_number(value: Decimal | None) -> str | None:
    """Text of a JSON number without an exponent, None where the venue sent none.

    Raises:
        ParseRefused: not finite, or larger or finer than the tables have room for.
    """
    if value is None:
        return None
    text = str(value)
    if len(text) <= _SHORT and text.replace(".", "", 1).isdecimal():  # of nearly all: no digit needs a look
        return text if value else "0"
    if not value.is_finite():
        raise ParseRefused("number", f"expected a finite number, was {str(value)[:_MAX_TEXT]}")
    if not _has_room(value):
        raise ParseRefused("number", f"expected a number of {_ROOM}, was {str(value)[:_MAX_TEXT]}")
    return plain(value)


def _are_numbers(parts: Sequence[str]) -> bool:
    """Whether each is digits with at most one point; looked at together, which costs a third of one by one."""
    text = "".join(parts)
    if not (text.isascii() and text.replace(".", "").isdecimal()):
        return False
    try:
        deque(map(float, parts), maxlen=0)  # of digits and points alone: an empty one, or one of two points
    except ValueError:
        return False
    return True


def check_levels(levels: Iterable[Sequence[str]], field: str) -> None:
    """All prices and quantities of a side at once: digits and points only, and no more of them than there is room for.

    Raises:
        ParseRefused: anything else, the first of them named.
    """
    parts = [*chain.from_iterable(levels)]
    if parts and not _are_numbers(parts):
        for level in levels:
            for part in level[:2]:
                if not (part.isascii() and part.replace(".", "", 1).isdecimal()):
                    raise ParseRefused("number", f"{field}: expected a number, was {part[:_MAX_TEXT]!r}")
    check_room(levels, field)


def check_room(levels: Iterable[Sequence[str]], field: str) -> None:
    """Prices and quantities that are nothing but digits and points: no more digits than the tables have room for.

    Raises:
        ParseRefused: the first that has more.
    """
    if max([len(part) for level in levels for part in level], default=0) <= _SHORT:
        return
    for level in levels:
        for part in level[:2]:
            if len(part) > _SHORT and number(part, field) != part:
                raise ParseRefused("number", f"{field}: expected {_ROOM}, was {part[:_MAX_TEXT]!r}")


@lru_cache(maxsize=65_536)
def times(text: str, factor: Decimal) -> str:
    """A number of contracts as an amount: exact, without an exponent."""
    return format(Decimal(text) * factor, "f")


def levels_named(text: str, field: str) -> int:
    """How many levels a side has, as the name of a stream says it.

    Raises:
        ParseRefused: no number, or one that no book has.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DEPTH_DIGITS:
        raise ParseRefused("number", f"{field}: expected a number of levels, was {text[:_MAX_TEXT]!r}")
    return int(text)


def nanos(value: int, field: str) -> int:
    """A venue's time since 1970 as nanoseconds UTC, in whatever unit the venue has written it.

    Venues write milliseconds; some streams can be had in microseconds, and some venues have changed their unit. Which
    one it is follows from the number: see `_UNITS`.

    Raises:
        ParseRefused: of no unit is this a time between 2000 and 2200.
    """
    if _FIRST_MS <= value < _LAST_MS or 0 <= value < _FIRST_S:  # days of 1970: `read_frame` refuses what is so old
        return value * NANOS_PER_MS
    for to_second, scale in _UNITS:
        if _FIRST_S * to_second <= value < _LAST_S * to_second:
            return value * scale
    raise ParseRefused(
        "time", f"{field}: expected a time between 2000 and 2200 in ms, us, ns or s since 1970, was {_short(value)}"
    )


def instant(value: Decimal, field: str) -> int:
    """A time since 1970 with or without a fraction as nanoseconds UTC, in whatever unit it is written.

    Raises:
        ParseRefused: no number, or of no unit a time between 2000 and 2200.
    """
    if not value.is_finite() or not -MAX_FRACTION_DIGITS <= value.adjusted() <= _MAX_DIGITS:
        raise ParseRefused("time", f"{field}: expected a time since 1970, was {str(value)[:_MAX_TEXT]}")
    for to_second, scale in _UNITS:
        if _FIRST_S * to_second <= value < _LAST_S * to_second:
            return int(value * scale)
    raise ParseRefused(
        "time",
        f"{field}: expected a time between 2000 and 2200 in s, ms, us or ns since 1970, was {str(value)[:_MAX_TEXT]}",
    )


def day_text(value: int) -> str:
    """The day of a venue's time in UTC, `yyyymmdd`; empty for 0 and for a year so far off that it means never.

    Raises:
        ParseRefused: no time.
    """
    return "" if not value or _LAST_MS <= value < _NEVER_MS else utc_day_text(nanos(value, "day"))


def identity(value: int, field: str) -> int:
    """An id as a venue counts them.

    Raises:
        ParseRefused: below 0, or more than 64 bits hold.
    """
    if 0 <= value <= _MAX_ID:
        return value
    raise ParseRefused("number", f"{field}: expected an id from 0 to 2^63 - 1, was {_short(value)}")


def _short(value: int) -> str:
    """Of a number that may have thousands of digits."""
    return str(value) if value.bit_length() < 128 else f"one of {value.bit_length()} bits"
