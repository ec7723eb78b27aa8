"""Values up to their bounds, and the errors beyond them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.values import (
    OHLCV,
    InstrumentId,
    Interval,
    Price,
    QualityScore,
    Quantity,
    Symbol,
    TimeWindow,
    Turnover,
    without_excess,
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1.5000000000000000000000", "1.5"),
        ("1.500000000000000000", "1.500000000000000000"),
        ("1.50", "1.50"),
        ("0.0000000000000000001", "1E-19"),
        ("0.0000000000000000010", "1E-18"),
        ("0E-30", "0E-30"),
        ("100000000000000000000.0000000000000000000", "100000000000000000000.0000000000000000000"),
        ("99999999999999999999.0000000000000000000", "99999999999999999999"),
    ],
)
def test_zeros_behind_the_eighteenth_digit_go(text: str, kept: str) -> None:
    assert str(without_excess(Decimal(text))) == kept


@pytest.mark.parametrize(("kind", "name"), [(Quantity, "quantity"), (Turnover, "turnover")])
def test_an_amount_is_zero_or_more_and_its_error_names_it(kind: type[Quantity], name: str) -> None:
    assert kind("0") == 0
    with pytest.raises(InvalidValue, match=f"^{name}: expected zero or more"):
        kind("-0.1")
    with pytest.raises(InvalidValue, match=f"^{name}: "):
        kind("NaN")
    assert Price("-37.63") == Decimal("-37.63")
    with pytest.raises(InvalidValue, match=r"^price: "):
        Price("NaN")


def test_a_symbol_has_one_to_64_printable_characters() -> None:
    assert [Symbol(text) for text in ("a", "a" * 64)] == ["a", "a" * 64]
    for text in ("", "a" * 65, " a", "a ", "a\n"):
        with pytest.raises(InvalidValue, match=r"^symbol: expected 1 to 64 printable"):
            Symbol(text)


def test_the_length_of_an_interval() -> None:
    lengths = {text: Interval.parse(text).seconds for text in ("1s", "90s", "1m", "4h", "1d", "1w")}
    assert lengths == {"1s": 1, "90s": 90, "1m": 60, "4h": 14_400, "1d": 86_400, "1w": 604_800}
    assert Interval.parse("4h").nanos == 14_400 * 10**9
    for text in ("2d", "2w", "0m", "m", "1x", ""):
        with pytest.raises(InvalidValue, match=r"^interval"):
            Interval.parse(text)


def test_prices_of_a_bar_and_scores_reach_to_their_bounds() -> None:
    flat = Price(5)
    assert OHLCV(flat, flat, flat, flat, Quantity(0)).high == 5
    for high, low, name in ((4, 4, "high"), (6, 5.5, "low")):
        with pytest.raises(InvalidValue, match=f"^{name}: expected at or"):
            OHLCV(flat, Price(str(high)), Price(str(low)), flat, Quantity(0))
    assert [QualityScore(value).value for value in (0, 100)] == [0, 100]
    for value in (-1, 101):
        with pytest.raises(InvalidValue, match="0 to 100"):
            QualityScore(value)


def test_rows_that_are_looked_at_are_of_an_instrument_an_interval_and_a_time() -> None:
    found = Dataset("bar", "shfe", "rb2505", "1m", 10, 20)
    assert (found.span, Dataset("tick", "shfe", "rb2505", "", 10, 11).interval) == (TimeWindow(10, 20), "")
    assert str(InstrumentId.of("shfe", "rb2505")) == "shfe.rb2505"
    for wrong, name in (
        (("bar", "SHFE", "rb2505", "1m", 10, 20), "venue"),
        (("bar", "shfe", "", "1m", 10, 20), "symbol"),
        (("bar", "shfe", "rb2505", "1x", 10, 20), "interval"),
        (("bar", "shfe", "rb2505", "1m", 10, 10), "range"),
    ):
        with pytest.raises(InvalidValue, match=f"^{name}"):
            Dataset(*wrong)
