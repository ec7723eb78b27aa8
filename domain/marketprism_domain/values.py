"""Value objects: immutable, validated when made, equal by value.

Numbers are exact decimals. `Price`, `Quantity` and `Turnover` are `Decimal` with a checked constructor; an
operation on them gives a plain `Decimal`, because price times quantity is neither. The hot path carries
plain `Decimal` in `Tick` and `Bar`; the constructors here stand where text or a double enters the system.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation, getcontext
from typing import NamedTuple, Self

from marketprism_domain.errors import InvalidValue

NANOS_PER_SECOND = 1_000_000_000
NANOS_PER_MINUTE = 60 * NANOS_PER_SECOND
MAX_INTEGER_DIGITS = 20
MAX_FRACTION_DIGITS = 18
# CTP writes DBL_MAX (some fronts FLT_MAX) for "no value": anything this large is no number of a market.
HUGE = Decimal("1e20")

# Token grammars of contracts.md: venues are lower-case words, symbols keep the venue's own case.
_VENUE = re.compile(r"[a-z][a-z0-9_]{0,31}")
RESERVED_VENUES = frozenset({"tick", "bar", "gap", "quality", "event", "raw", "packed", "instrument"})

Bounds = Mapping[str, tuple[float, float]]  # (lowest, highest) of a field


def exact(text: str, field: str) -> Decimal:
    """Exact decimal of a venue's text.

    Raises:
        InvalidValue: not a finite number, or more than 20 integer or 18 fraction digits.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise InvalidValue(field, "a decimal number", text) from None
    return check_decimal(value, field)


def check_bounds(settings: object, bounds: Bounds) -> None:
    """Check the numbers of a settings class: each field that `bounds` names lies between its (lowest, highest).

    Raises:
        InvalidValue: names the first field that does not; NaN lies nowhere.
    """
    for name, (lowest, highest) in bounds.items():
        value = getattr(settings, name)
        if not lowest <= value <= highest:
            raise InvalidValue(name, f"{lowest:.12g} to {highest:.12g}", value)


def check_decimal(value: Decimal, field: str) -> Decimal:
    """`value` itself if it is finite and fits 20 integer and 18 fraction digits, else InvalidValue."""
    if not value.is_finite():
        raise InvalidValue(field, "a finite number", str(value))
    if not fits(value):
        raise InvalidValue(field, "at most 20 integer and 18 fraction digits", str(value))
    return value


def fits(value: Decimal) -> bool:
    """Whether it is finite and has no more than 20 integer and 18 fraction digits as it is written: what tables hold.

    Asked of its digits, since the text of `1e-999999999` is one of a gigabyte. A 0 fits however it is written.
    """
    if not value.is_finite() or not value:
        return value.is_finite()
    return value.adjusted() < MAX_INTEGER_DIGITS and int(value.as_tuple().exponent) >= -MAX_FRACTION_DIGITS


def all_fit(values: Sequence[Decimal]) -> bool:
    """Whether each of the values `fits`: one question for them all, where there are many.

    The sum of their amounts is as large as the largest and as fine as the finest, if it is exact. One that was rounded
    has all the digits that there are for a sum, and goes on having them.
    """
    try:
        whole, _, fraction = str(sum(map(abs, values))).partition(".")
    except ArithmeticError:  # NaN that signals, or out of any range
        return False
    if (
        len(whole) < MAX_INTEGER_DIGITS
        and len(fraction) <= MAX_FRACTION_DIGITS
        and len(whole) + len(fraction) < getcontext().prec
        and (whole + fraction).isdecimal()
    ):
        return True
    return all(map(fits, values))


def without_excess(value: Decimal) -> Decimal:
    """The same number without zeros behind its 18th digit behind the point; itself where it has none."""
    if not value.is_finite() or not value or not -MAX_FRACTION_DIGITS <= value.adjusted() < MAX_INTEGER_DIGITS:
        return value
    _, digits, exponent = value.as_tuple()
    if int(exponent) >= -MAX_FRACTION_DIGITS:
        return value
    return value.normalize(Context(prec=len(digits)))


def _checked(value: str | int | Decimal, field: str) -> Decimal:
    return check_decimal(value, field) if isinstance(value, Decimal) else exact(str(value), field)


class Price(Decimal):
    """A price in the quote currency; may be negative (spreads, oil in 2020), never NaN or infinite."""

    __slots__ = ()

    def __new__(cls, value: str | int | Decimal) -> Self:
        _checked(value, "price")
        return super().__new__(cls, value)


class Quantity(Decimal):
    """An amount in the instrument's own unit (lots for CTP), never negative."""

    __slots__ = ()

    def __new__(cls, value: str | int | Decimal) -> Self:
        if _checked(value, "quantity") < 0:
            raise InvalidValue("quantity", "zero or more", value)
        return super().__new__(cls, value)


class Turnover(Decimal):
    """Money traded, in the quote currency, never negative."""

    __slots__ = ()

    def __new__(cls, value: str | int | Decimal) -> Self:
        if _checked(value, "turnover") < 0:
            raise InvalidValue("turnover", "zero or more", value)
        return super().__new__(cls, value)


class Venue(str):
    """Where an instrument trades: `shfe`, `binance`; lower case, never a reserved subject token."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        if not _VENUE.fullmatch(value):
            raise InvalidValue("venue", "a lower-case word of at most 32 characters", value)
        if value in RESERVED_VENUES:
            raise InvalidValue("venue", f"none of {', '.join(sorted(RESERVED_VENUES))}", value)
        return super().__new__(cls, value)


class Symbol(str):
    """The instrument's name at its venue, case kept: `rb2505`, `SR505C6000`, `BTC-USDT-PERP`."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        if not value or len(value) > 64 or not value.isprintable() or value.strip() != value:
            raise InvalidValue("symbol", "1 to 64 printable characters without outer space", value)
        return super().__new__(cls, value)


@dataclass(frozen=True, slots=True, order=True)
class InstrumentId:
    """One instrument at one venue; written `venue.symbol`."""

    venue: Venue
    symbol: Symbol

    @classmethod
    def of(cls, venue: str, symbol: str) -> InstrumentId:
        """Validated id from two strings."""
        return cls(Venue(venue), Symbol(symbol))

    def __str__(self) -> str:
        return f"{self.venue}.{self.symbol}"


class BookLevel(NamedTuple):
    """One price level of a book."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Half-open time range [ts_from, ts_to) in nanoseconds UTC."""

    ts_from: int
    ts_to: int

    def __post_init__(self) -> None:
        if self.ts_to < self.ts_from:
            raise InvalidValue("time window", "an end at or after its start", (self.ts_from, self.ts_to))

    def contains(self, ts: int) -> bool:
        """Whether the instant lies inside."""
        return self.ts_from <= ts < self.ts_to

    def overlaps(self, other: TimeWindow) -> bool:
        """Whether the two ranges share an instant."""
        return self.ts_from < other.ts_to and other.ts_from < self.ts_to


class TradingDay(str):
    """Exchange date a session settles to, `YYYYMMDD`; not the calendar date of a night tick."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        if (
            len(value) != 8
            or not (value.isascii() and value.isdecimal())
            or not ("01" <= value[4:6] <= "12" and "01" <= value[6:] <= "31")
        ):
            raise InvalidValue("trading_day", "YYYYMMDD", value)
        return super().__new__(cls, value)


_INTERVAL = re.compile(r"([1-9][0-9]*)([smhdw])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True, slots=True)
class Interval:
    """Length of a time bar: `1s`, `1m` … `4h`, `1d` (trading day), `1w` (trading week)."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Interval:
        """`Interval.parse("15m")`.

        Raises:
            InvalidValue: not a number and one of s, m, h, d, w.
        """
        match = _INTERVAL.fullmatch(text)
        if not match:
            raise InvalidValue("interval", "a number and one of s m h d w, like 1m or 4h", text)
        count, unit = int(match[1]), match[2]
        if unit in "dw" and count != 1:
            raise InvalidValue("interval", "1d or 1w (no multiples of days or weeks)", text)
        return cls(count, unit)

    @property
    def seconds(self) -> int:
        """Nominal length in seconds (a day bar lasts as long as its trading day)."""
        return self.count * _UNIT_SECONDS[self.unit]

    @property
    def nanos(self) -> int:
        """Nominal length in nanoseconds."""
        return self.seconds * NANOS_PER_SECOND

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True, slots=True)
class OHLCV:
    """Open, high, low, close and volume; refuses a high below or a low above the others.

    Raises:
        InvalidValue: names the one.
    """

    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity

    def __post_init__(self) -> None:
        if self.high < max(self.open, self.close, self.low):
            raise InvalidValue("high", "at or above open, close and low", str(self.high))
        if self.low > min(self.open, self.close):
            raise InvalidValue("low", "at or below open and close", str(self.low))


@dataclass(frozen=True, slots=True, order=True)
class QualityScore:
    """0 (useless) to 100 (flawless)."""

    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 100:
            raise InvalidValue("quality score", "0 to 100", self.value)
