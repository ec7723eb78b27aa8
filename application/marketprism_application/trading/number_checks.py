"""Numbers of a request: that they are numbers of a market, within their bounds; and as texts of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from marketprism_application.contracts.orders import (
    MOST_POSITIONS,
    MOST_PRICES,
    MOST_TIERS,
    Amount,
    GivenPosition,
    TierShown,
)
from marketprism_application.errors import OrderError
from marketprism_domain.trading.margin_tiers import MarginTier, TierUnit
from marketprism_domain.values import fits

_POSITIVE = frozenset(
    [
        "price",
        "quantity",
        "budget",
        "risk",
        "mark",
        "last",
        "settlement",
        "underlying",
        "strike",
        "stop",
        "take",
        "entry",
        "multiplier",
        "tick",
        "step",
        "cap",
        "reward_risk",
    ]
)
_NOT_NEGATIVE = frozenset(
    [
        "wallet",
        "extra_margin",
        "min_quantity",
        "max_quantity",
        "min_notional",
        "today",
        "margin",
        "by_volume",
        "deduction",
    ]
)
# Lowest and highest, both inclusive.
_BOUNDS: dict[str, tuple[Decimal, Decimal]] = {
    "leverage": (Decimal(1), Decimal(1000)),
    "max_leverage": (Decimal(1), Decimal(1000)),
    **{name: (Decimal(-1) / 2, Decimal(1) / 2) for name in ("maker", "taker", "funding_rate")},
    **{name: (Decimal(0), Decimal("0.999999")) for name in ("stop_share", "entry_share", "rate", "margin_rate")},
    "take_share": (Decimal(0), Decimal(1000)),
    "percent_price": (Decimal(0), Decimal(1000)),
}
_MOST = {"positions": MOST_POSITIONS, "prices": MOST_PRICES, "tiers": MOST_TIERS}
_DIGITS, _SIGNIFICANT = 8, 11
_LONGEST_AT = 4_102_444_800_000_000_000  # the year 2100


def check_numbers(record: object, path: str = "") -> None:
    """Look at every number of a request, also inside its parts.

    Raises:
        OrderError: names the first that is none, or out of its bounds, and lists that are too long.
    """
    for name in getattr(record, "__struct_fields__", ()):
        value = getattr(record, name)
        if value is None or isinstance(value, str | bool):
            continue
        field = f"{path}{name}"
        if isinstance(value, Decimal):
            _check(name, field, value)
        elif isinstance(value, int):
            if not 0 <= value <= _LONGEST_AT:
                raise OrderError(field, "nanoseconds UTC of an instant before 2100", value)
        elif isinstance(value, tuple):
            if len(value) > _MOST.get(name, MOST_PRICES):
                raise OrderError(field, f"at most {_MOST.get(name, MOST_PRICES)}", len(value))
            for number, each in enumerate(value):
                if isinstance(each, Decimal):
                    _check("price", f"{field}[{number}]", each)
                else:
                    check_numbers(each, f"{field}[{number}].")
        elif isinstance(value, Mapping):
            _check_mapping(field, value)
        elif isinstance(value, msgspec.Struct):
            check_numbers(value, f"{field}.")


def _check_mapping(field: str, value: Mapping[str, object]) -> None:
    if len(value) > MOST_POSITIONS:
        raise OrderError(field, f"at most {MOST_POSITIONS}", len(value))
    for name, each in value.items():
        where = f"{field}.{name[:64]}"
        if isinstance(each, Decimal):
            _check("rate", where, each)
        elif isinstance(each, tuple):
            if len(each) > MOST_TIERS:
                raise OrderError(where, f"at most {MOST_TIERS}", len(each))
            for number, part in enumerate(each):
                check_numbers(part, f"{where}[{number}].")
        else:
            check_numbers(each, f"{where}.")


def _check(name: str, field: str, value: Decimal) -> None:
    if not fits(value):
        raise OrderError(field, "a finite number of at most 20 integer and 18 fraction digits", _short(value))
    if name in _POSITIVE and value <= 0:
        raise OrderError(field, "more than 0", value)
    if name in _NOT_NEGATIVE and value < 0:
        raise OrderError(field, "0 or more", value)
    bounds = _BOUNDS.get(name)
    if bounds is not None and not bounds[0] <= value <= bounds[1]:
        raise OrderError(field, f"{bounds[0]} to {bounds[1]}", _short(value))


def _short(value: Decimal) -> str:
    """A number's text, also of one whose plain text would be long."""
    return str(value) if value.is_finite() and len(value.as_tuple().digits) <= 60 else str(value)[:60]


def check_position(position: GivenPosition, path: str) -> None:
    """Whether the parts of a position agree. Raises OrderError."""
    if position.quantity <= 0:
        raise OrderError(f"{path}.quantity", "more than 0", position.quantity)
    if position.today > position.quantity:
        raise OrderError(f"{path}.today", f"at most {position.quantity}", position.today)


def shown(value: Decimal) -> str:
    """A number as text: twelve significant digits, eight behind the point at least, without zeros at the end."""
    places = max(_DIGITS, _SIGNIFICANT - value.adjusted())
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -places:
        value = value.quantize(Decimal(1).scaleb(-places))
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def shown_or_none(value: Decimal | None) -> str | None:
    """The same of what may not be known."""
    return None if value is None else shown(value)


def money(value: Decimal, currency: str) -> Amount:
    """An amount of an answer."""
    return Amount(shown(value), currency)


def shown_tier(tier: MarginTier, unit: TierUnit) -> TierShown:
    """A tier of an answer."""
    return TierShown(
        tier.number,
        unit.value,
        shown(tier.floor),
        shown_or_none(tier.cap),
        shown(tier.rate),
        shown(tier.deduction),
        shown_or_none(tier.max_leverage),
    )
