"""Ticks exactly at what they are held against."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.validation import TickValidationService
from marketprism_domain.values import BookLevel
from tests.fakes.ticks import at, book, tick

WHEN = "2025-03-03 09:30:00"
LIMITS = {"limit_up": Decimal(110), "limit_down": Decimal(90)}


def checked(calendar: MarketCalendar, **values: object) -> tuple[tuple[str, ...], int, bool]:
    service = TickValidationService(ValidationRules())
    given = tick(WHEN, 100, 5, **{**LIMITS, **book(99, 101), **values})
    found = service.check(given, None, calendar.schedule("shfe", "rb2505").place(at(WHEN)))
    return found.errors, found.score, found.stale


def test_what_is_at_a_limit_is_within_it(calendar: MarketCalendar) -> None:
    whole = {"high": Decimal(110), "open": Decimal(110), "low": Decimal(90)}
    assert checked(calendar, **whole) == ((), 100, False)
    for name, number, error in (("high", "110.1", "above"), ("open", "110.1", "above"), ("low", "89.9", "below")):
        errors, score, _ = checked(calendar, **{**whole, name: Decimal(number)})
        assert len(errors) == 1
        assert error in errors[0]
        assert score == 80


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_a_level_may_be_empty_and_never_less(calendar: MarketCalendar, side: str) -> None:
    price = Decimal(99 if side == "bids" else 101)
    assert checked(calendar, **{side: (BookLevel(price, Decimal(0)),)})[0] == ()
    errors, score, _ = checked(calendar, **{side: (BookLevel(price, Decimal(-1)),)})
    assert (len(errors), score) == (1, 80)


def test_an_error_of_a_value_has_its_parts() -> None:
    error = InvalidValue("price", "more than 0", "-1")
    assert (error.field, error.expected, error.was, str(error)) == (
        "price",
        "more than 0",
        "-1",
        "price: expected more than 0, was '-1'",
    )
