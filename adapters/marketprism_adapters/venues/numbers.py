"""Numbers as venues write them: checked, never converted where text will do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import chain

import msgspec

from marketprism_application.venue import ParseRefused

NANOS_PER_MS = 1_000_000
_MAX_TEXT = 40
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
    if text.isascii() and text.replace(".", "", 1).isdecimal():
        return text
    return _uncommon(text, field)


@lru_cache(maxsize=4096)
def _uncommon(text: str, field: str) -> str:
    """A sign, an exponent, or no number at all."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ParseRefused("number", f"{field}: expected a number, was {text[:_MAX_TEXT]!r}") from None
    if not value.is_finite() or "_" in text or abs(value) >= Decimal("1e20"):
        raise ParseRefused("number", f"{field}: expected a finite number, was {text[:_MAX_TEXT]!r}")
    return plain(value)


def plain(value: Decimal) -> str:
    """Text without an exponent."""
    return format(value, "f")


def from_number(value: Decimal | None) -> str | None:
    """Text of a JSON number."""
    if value is None:
        return None
    if not value.is_finite():
        raise ParseRefused("number", f"expected a finite number, was {value}")
    return format(value, "f")


def check_levels(levels: Iterable[Sequence[str]], field: str) -> None:
    """All prices and quantities of a side at once: digits and points only.

    Raises:
        ParseRefused: anything else, the first of them named.
    """
    text = "".join(chain.from_iterable(levels))
    if text and not (text.isascii() and text.replace(".", "").isdecimal()):
        for level in levels:
            for part in level[:2]:
                if not (part.isascii() and part.replace(".", "", 1).isdecimal()):
                    raise ParseRefused("number", f"{field}: expected a number, was {part[:_MAX_TEXT]!r}")


@lru_cache(maxsize=65_536)
def times(text: str, factor: Decimal) -> str:
    """A number of contracts as an amount: exact, without an exponent."""
    return format(Decimal(text) * factor, "f")


def ms(value: int) -> int:
    """Milliseconds as nanoseconds."""
    return value * NANOS_PER_MS
