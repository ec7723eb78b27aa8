"""Ninety worked numbers, each from its inputs: published by the venues, of recordings, or counted by hand."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest

from marketprism_domain.trading.arithmetic import exact_arithmetic
from tests.unit.domain.trading.numbers_china import CHINA
from tests.unit.domain.trading.numbers_crypto import CRYPTO, Number

NUMBERS = [*CRYPTO, *CHINA]


def test_there_are_ninety_of_them() -> None:
    assert [each.number for each in NUMBERS] == list(range(1, 91))


@pytest.mark.parametrize("each", NUMBERS, ids=[f"{each.number} {each.label}" for each in NUMBERS])
def test_a_worked_number(each: Number) -> None:
    with exact_arithmetic():
        found = each.make()
        places = Decimal(each.places)
        assert [value.quantize(places, ROUND_HALF_UP) for value in found] == [Decimal(text) for text in each.expected]
    assert [value.quantize(places, ROUND_HALF_UP) for value in each.make()] == [Decimal(text) for text in each.expected]
