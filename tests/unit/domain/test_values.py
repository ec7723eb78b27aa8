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
    check_decimal,
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
