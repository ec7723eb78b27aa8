"""Symbols as people write them."""

from __future__ import annotations

import pytest

from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_application.queries.symbol_names import (
    StoredName,
    check_venue,
    product_meant,
    resolve,
    symbols_of,
    venue_named,
)

NAMES = [
    StoredName("shfe", "ru1901"),
    StoredName("shfe", "rb2505"),
    StoredName("czce", "AP401"),
    StoredName("czce", "SR505C6000"),
    StoredName("dce", "m2505-C-3000"),
    StoredName("okx", "BTC-USDT"),
    StoredName("binance", "BTC-USDT"),
    StoredName("binance", "BTC-USDT-PERP"),
    StoredName("binance", "ETH-USDT", stored=False),
]


@pytest.mark.parametrize(
    ("text", "venue", "symbol"),
    [
        ("ru1901.SHFE", "shfe", "ru1901"),
        ("RU1901", "", "ru1901"),
        ("shfe.ru1901", "shfe", "ru1901"),
        ("SHFE.ru1901", "shfe", "ru1901"),
        ("SHFE:RU1901", "shfe", "ru1901"),
        ("RU1901.SHF", "shfe", "ru1901"),
        ("RU1901.XSGE", "shfe", "ru1901"),
        ("ru1901@SHFE", "shfe", "ru1901"),
        (" ru1901 ", "", "ru1901"),
        ("BTCUSDT", "", "BTC-USDT"),
        ("btc-usdt", "", "BTC-USDT"),
        ("btc/usdt", "", "BTC-USDT"),
        ("BTC_USDT", "", "BTC-USDT"),
        ("okx.BTC-USDT", "okx", "BTC-USDT"),
        ("btcusdt.BINANCE", "binance", "BTC-USDT"),
        ("BTCUSDT-PERP", "", "BTC-USDT-PERP"),
        ("ETHUSDT", "", "ETH-USDT"),
        ("AP2401", "", "AP401"),
        ("AP2401.CZCE", "czce", "AP401"),
        ("ap401.CZC", "czce", "AP401"),
        ("SR2505C6000", "", "SR505C6000"),
        ("SR505-C-6000", "", "SR505C6000"),
        ("M2505C3000.DCE", "dce", "m2505-C-3000"),
    ],
)
def test_a_name_is_found_however_it_is_written(text: str, venue: str, symbol: str) -> None:
    found = resolve(text, None, NAMES)
    assert (found.venue, found.symbol) == (venue, symbol)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ru1091", "symbol: expected one that is stored, was 'ru1091'; the nearest: ru1901"),
        ("ru1901.DCE", "the nearest: ru1901"),
        ("xyz", "; stored: AP401, BTC-USDT, BTC-USDT-PERP, SR505C6000, m2505-C-3000, rb2505, ru1901"),
    ],
)
def test_a_name_that_is_none_is_answered_with_what_is_near(text: str, said: str) -> None:
    with pytest.raises(UnknownSymbolError) as caught:
        resolve(text, None, NAMES)
    assert said in str(caught.value)


def test_of_two_that_fit_none_is_chosen() -> None:
    with pytest.raises(UnknownSymbolError, match="was 'AP401', which is AP1401, AP2401"):
        resolve("AP401", None, [StoredName("czce", "AP1401"), StoredName("czce", "AP2401")])
    with pytest.raises(UnknownSymbolError, match="nothing is stored"):
        resolve("x", None, [])


def test_patterns_and_lists_are_the_stored_symbols_that_fit() -> None:
    assert symbols_of("r*", None, NAMES) == ["rb2505", "ru1901"]
    assert symbols_of("R*,BTC-USDT", None, NAMES) == ["rb2505", "ru1901", "BTC-USDT"]
    assert symbols_of("*", "okx", NAMES) == ["BTC-USDT"]
    assert symbols_of("binance.*", None, NAMES) == ["BTC-USDT", "BTC-USDT-PERP"]
    assert symbols_of("eth*,ru1901", None, [*NAMES, StoredName("okx", "ETH-USD")]) == ["ETH-USD", "ru1901"]
    with pytest.raises(UnknownSymbolError, match="expected a pattern that fits"):
        symbols_of("zz*", None, NAMES)
    with pytest.raises(QueryError, match="expected at most 200, was 201"):
        symbols_of("*", None, [StoredName("okx", f"s{n}") for n in range(201)])
    with pytest.raises(QueryError, match="expected one between commas"):
        symbols_of("a,,b", None, NAMES)


def test_venues_and_products_are_found_however_they_are_written() -> None:
    assert [venue_named(text) for text in ("SHFE", "CZC", "OKX", "okx", "X' OR")] == [
        "shfe",
        "czce",
        "okx",
        "okx",
        "X' OR",
    ]
    assert [product_meant(text, NAMES) for text in ("RU", "ru.SHFE", "ru", "sr", "zz")] == [
        "ru",
        "ru",
        "ru",
        "SR",
        "zz",
    ]
    check_venue("BTC-USDT", "okx", NAMES)
    with pytest.raises(QueryError, match=r"venue: expected one where BTC-USDT is stored \(binance, okx\), was 'okex'"):
        check_venue("BTC-USDT", "okex", NAMES)
