"""What a code says, and the names that others write."""

from __future__ import annotations

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import (
    base_of,
    class_of,
    has_signed_price,
    is_future,
    legs_of,
    month_of,
    product_of,
)
from marketprism_domain.instruments.vt_symbols import from_vt_symbol, to_vt_symbol
from marketprism_domain.instruments.written_names import WrittenName, fits, is_pattern, readings_of, venue_named


@pytest.mark.parametrize(
    ("symbol", "product", "class_", "signed"),
    [
        ("rb2505", "rb", "future", False),
        ("SR505", "SR", "future", False),
        ("IF2101", "IF", "future", False),
        ("l2602F", "l_f", "future", False),
        ("PP2602F", "PP_f", "future", False),
        ("sc2209TAS", "sc_tas", "future", True),
        ("SPD SR509&SR511", "SR", "combination", True),
        ("IPS SM509&SF509", "SM", "combination", True),
        ("SP a2509&a2511", "a", "combination", True),
        ("SPC y2509&p2509", "y", "combination", True),
        ("rb2505&rb2510", "rb", "combination", True),
        ("STG SR509C6000&SR509P6000", "SR", "combination", True),
        ("m2505-C-3000", "m", "option", False),
        ("m2505-MS-C-3000", "m", "option", False),
        ("SR505C6000", "SR", "option", False),
        ("IO2501-P-4000", "IO", "option", False),
        ("10004567", "10004567", "option", False),
        ("l_f", "l_f", "future", False),
        ("rb", "rb", "future", False),
    ],
)
def test_a_code_names_its_product_and_its_class(symbol: str, product: str, class_: str, signed: bool) -> None:
    assert (product_of(symbol), class_of(symbol), has_signed_price(symbol)) == (product, class_, signed)


def test_single_futures_and_what_they_are_derived_from() -> None:
    assert [is_future(s) for s in ("rb2505", "l2602F", "rb", "m2505-C-3000", "SPD a&b")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    # A series that others keep of a product, and a month that is none.
    assert not any(is_future(s) for s in ("rb888", "IF9999", "rb0000", "rb2513", "rb2500", "SR513"))
    assert (month_of("l2602F"), month_of("SR505"), month_of("SR505C6000")) == ("2602", "505", None)
    assert (base_of("l_f"), base_of("sc_tas"), base_of("rb")) == ("l", "sc", "rb")
    assert legs_of("SPD SR509&SR511") == ("SR509", "SR511")


def test_names_of_vnpy_go_both_ways() -> None:
    for venue, symbol in (
        ("shfe", "rb2505"),
        ("czce", "SPD SR509&SR511"),
        ("binance", "BTC-USDT"),
        ("cffex", "IF2101"),
    ):
        assert from_vt_symbol(to_vt_symbol(venue, symbol)) == (venue, symbol)
    assert to_vt_symbol("shfe", "rb2505") == "rb2505.SHFE"
    assert from_vt_symbol("rb2505.shfe") == ("shfe", "rb2505")
    assert from_vt_symbol("rb2505") == (None, "rb2505")
    assert from_vt_symbol("BTC-25DEC26-1.5") == (None, "BTC-25DEC26-1.5")
    for text in ("rb2505.SHF", "rb2505.XSGE", "rb2505.shfe", "SHFE.rb2505", "SHF.rb2505"):
        assert from_vt_symbol(text) == ("shfe", "rb2505"), text
    assert from_vt_symbol("okx.BTC-USDT") == (None, "okx.BTC-USDT")
    for text in ("", " "):
        with pytest.raises(InvalidValue, match="symbol"):
            from_vt_symbol(text)
    with pytest.raises(InvalidValue, match="vt_symbol"):
        to_vt_symbol("", "rb2505")


def test_a_venue_is_a_word_in_any_case_and_by_any_code() -> None:
    texts = ("SHFE", "CZC", "OKX", "okx", "BINANCE-USDM", "Bybit-Linear", "X' OR", "1OKX", "")
    assert [venue_named(text) for text in texts] == [
        "shfe",
        "czce",
        "okx",
        "okx",
        "binance-usdm",
        "bybit-linear",
        "X' OR",
        "1OKX",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("rb2505", []),
        (" rb2505.SHF ", [("rb2505", "shfe", False), ("SHF", "rb2505", False)]),
        ("SHFE:rb2505", [("rb2505", "shfe", False)]),
        ("rb2505@XSGE", [("rb2505", "shfe", False)]),
        ("binance-usdm.BTC-USDT-PERP", [("BTC-USDT-PERP", "binance", True), ("binance-usdm", "btc", True)]),
        ("BTC-25DEC26-1.5", [("5", "btc", True)]),
    ],
)
def test_a_name_has_a_reading_with_each_venue_that_it_may_name(
    text: str, readings: list[tuple[str, str, bool]]
) -> None:
    whole, *others = readings_of(text)
    assert whole == WrittenName(text.strip())
    assert sorted(others) == sorted(readings)


def test_patterns_fit_with_the_venue_and_without_it() -> None:
    assert [is_pattern(text) for text in ("rb*", "rb250?", "rb25[01]0", "rb2505")] == [True, True, True, False]
    for pattern in ("RB*", "rb25[01]?", "shfe.rb*", "SHF.RB*", "rb*.shfe", "rb*@XSGE", "*.rb2505", "s*e.rb*"):
        assert fits(pattern, "shfe", "rb2505"), pattern
        assert not fits(pattern, "dce", "m2505"), pattern
    assert fits("binance-usdm.*", "binance", "BTC-USDT-PERP")
    assert not fits("binance-usdm.*", "binance", "BTC-USDT")
