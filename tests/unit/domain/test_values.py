"""Value objects refuse what they cannot be, and say so."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import (
    OHLCV,
    InstrumentId,
    Interval,
    Price,
    QualityScore,
    Quantity,
    Symbol,
    TimeWindow,
    TradingDay,
    Turnover,
    Venue,
    all_fit,
    check_decimal,
    fits,
    without_excess,
)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "abc", "1e400", "1" * 21, "0." + "1" * 19])
def test_a_price_is_a_finite_number_that_fits(text: str) -> None:
    with pytest.raises(InvalidValue, match="price: expected"):
        Price(text)


@pytest.mark.parametrize("text", ["12485.00", "-37.63", "0", "0.000001", "99999999999999999999"])
def test_a_price_keeps_the_text(text: str) -> None:
    assert str(Price(text)) == text
    assert Price(text) == Decimal(text)


def test_amounts_are_never_negative() -> None:
    assert Quantity(0) == 0
    assert Turnover("0.5") == Decimal("0.5")
    with pytest.raises(InvalidValue, match="quantity: expected zero or more, was -1"):
        Quantity(-1)
    with pytest.raises(InvalidValue, match="turnover: expected zero or more"):
        Turnover("-0.01")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**19), max_value=10**19))
def test_every_decimal_that_fits_is_accepted_unchanged(value: Decimal) -> None:
    assert check_decimal(value, "x") is value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("99999999999999999999.999999999999999999", True),
        ("-12345678901234567890.123456789012345678", True),
        ("0E-400", True),
        ("1E+19", True),
        ("1E+20", False),
        ("-1E+20", False),
        ("1E-18", True),
        ("1E-19", False),
        ("1.0000000000000000000", False),
        ("1e-999999", False),
        ("NaN", False),
        ("sNaN", False),
        ("Infinity", False),
    ],
)
def test_what_fits_is_asked_of_one_as_of_many(text: str, expected: bool) -> None:
    value = Decimal(text)
    assert fits(value) is expected
    for others in ([], [Decimal("12345678901.5"), Decimal(-3)], [Decimal("9E+19")] * 3, [value.copy_negate()]):
        assert all_fit([value, *others]) is expected
        assert all_fit([*others, value]) is expected


WRITTEN = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
    st.integers(-45, 25),
)


@given(st.lists(WRITTEN, max_size=8))
def test_all_fit_when_each_fits(values: list[Decimal]) -> None:
    assert all_fit(values) is all(map(fits, values))


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 30))
def test_zeros_behind_what_fits_are_cut_and_nothing_else(units: int, zeros: int) -> None:
    written = Decimal(f"{units * 10**zeros}E-{18 + zeros}")
    cut = without_excess(written)
    assert cut == written
    assert fits(cut)
    assert fits(written) is (not units or not zeros)


@pytest.mark.parametrize("text", ["1E-19", "1e-999999", "1.0000000000000000001", "1E+20", "NaN"])
def test_what_does_not_fit_is_not_cut_to_fit(text: str) -> None:
    assert not fits(without_excess(Decimal(text)))


@pytest.mark.parametrize("name", ["tick", "bar", "raw", "instrument", "SHFE", "", "a b", "1x", "x" * 33])
def test_a_venue_is_a_lower_case_word_that_no_subject_reserves(name: str) -> None:
    with pytest.raises(InvalidValue, match="venue: expected"):
        Venue(name)


@pytest.mark.parametrize("name", ["", " rb", "rb ", "a\nb", "x" * 65])
def test_a_symbol_is_printable_and_trimmed(name: str) -> None:
    with pytest.raises(InvalidValue, match="symbol: expected"):
        Symbol(name)


def test_symbols_keep_their_case() -> None:
    assert str(InstrumentId.of("czce", "SR505C6000")) == "czce.SR505C6000"


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("1m", 60), ("90m", 5400), ("4h", 14400), ("1d", 86400), ("1w", 604800)]
)
def test_intervals_come_from_text(text: str, seconds: int) -> None:
    assert Interval.parse(text).seconds == seconds
    assert str(Interval.parse(text)) == text


@pytest.mark.parametrize("text", ["", "m", "0m", "1x", "2d", "3w", "1.5m", "-1m", "1M"])
def test_other_intervals_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="interval"):
        Interval.parse(text)


@pytest.mark.parametrize("text", ["2018109", "20181301", "20180100", "2018-10-09", "abcdefgh"])
def test_a_trading_day_is_a_date(text: str) -> None:
    with pytest.raises(InvalidValue, match="trading_day: expected YYYYMMDD"):
        TradingDay(text)


def test_windows_are_half_open() -> None:
    window = TimeWindow(10, 20)
    assert window.contains(10)
    assert not window.contains(20)
    assert not window.overlaps(TimeWindow(20, 30))
    assert window.overlaps(TimeWindow(19, 30))
    with pytest.raises(InvalidValue):
        TimeWindow(2, 1)


def test_ohlcv_keeps_high_above_and_low_below() -> None:
    p, none = Price, Quantity(0)
    OHLCV(p(2), p(3), p(1), p(2), none)
    with pytest.raises(InvalidValue, match="high"):
        OHLCV(p(2), p(1), p(1), p(2), none)
    with pytest.raises(InvalidValue, match="low"):
        OHLCV(p(2), p(3), p("2.5"), p(3), none)


@pytest.mark.parametrize("value", [-1, 101])
def test_a_score_is_between_0_and_100(value: int) -> None:
    with pytest.raises(InvalidValue, match="quality score"):
        QualityScore(value)
