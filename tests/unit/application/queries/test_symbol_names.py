"""Symbols as people write them."""

from __future__ import annotations

import pytest

from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_application.queries.symbol_names import NameIndex, StoredName, is_several

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
INDEX = NameIndex(NAMES)


def of(*names: tuple[str, str]) -> NameIndex:
    return NameIndex(StoredName(venue, symbol) for venue, symbol in names)


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
        ("binance-usdm.BTC-USDT-PERP", "binance", "BTC-USDT-PERP"),
        ("BINANCE-USDM:btcusdtperp", "binance", "BTC-USDT-PERP"),
        ("BTC-USDT-PERP.binance-usdm", "binance", "BTC-USDT-PERP"),
    ],
)
def test_a_name_is_found_however_it_is_written(text: str, venue: str, symbol: str) -> None:
    found = INDEX.resolve(text)
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
        INDEX.resolve(text)
    assert said in str(caught.value)


def test_of_two_that_fit_none_is_chosen() -> None:
    with pytest.raises(UnknownSymbolError, match="was 'AP401', which is AP1401, AP2401"):
        of(("czce", "AP1401"), ("czce", "AP2401")).resolve("AP401")
    with pytest.raises(UnknownSymbolError, match="nothing is stored"):
        of().resolve("x")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("rb1510", [("shfe", "rb2510")]),
        ("m1505-C-3000", [("dce", "m2505-C-3000")]),
        ("SR1505C6000.CZCE", [("czce", "SR2505C6000")]),
        ("AP301", [("czce", "AP401")]),
        ("BTC1000", [("okx", "BTC2000")]),
        ("BTC100", [("okx", "BTC2100")]),
        ("BTC2100", [("okx", "BTC100")]),
        ("btc1100.okx", [("okx", "BTC100"), ("czce", "BTC100")]),
    ],
)
def test_a_month_of_another_year_is_another_month(text: str, names: list[tuple[str, str]]) -> None:
    index = of(*names)
    assert index.find(text) is None
    with pytest.raises(UnknownSymbolError, match="expected one that is stored"):
        index.resolve(text)


def test_a_year_in_one_digit_is_the_same_as_in_two() -> None:
    index = of(("czce", "AP401"), ("shfe", "rb2510"), ("shfe", "rb1510"), ("dce", "m2505-C-3000"), ("okx", "AP2401"))
    assert index.resolve("AP2401.CZC").symbol == "AP401"
    assert index.resolve("m505C3000").symbol == "m2505-C-3000"
    with pytest.raises(UnknownSymbolError, match="was 'rb510', which is rb1510, rb2510"):
        index.resolve("rb510")


def test_a_market_of_contracts_does_not_mean_the_pair_of_the_spot_market() -> None:
    with pytest.raises(UnknownSymbolError, match=r"the nearest: BTC-USDT-PERP$"):
        of(("binance", "BTC-USDT"), ("binance", "BTC-USDT-PERP")).resolve("binance-usdm.BTC-USDT")
    assert INDEX.symbols_of("binance-usdm.btc*") == ["BTC-USDT-PERP"]


def test_patterns_and_lists_are_the_stored_symbols_that_fit() -> None:
    assert INDEX.symbols_of("r*") == ["rb2505", "ru1901"]
    assert INDEX.symbols_of("R*,BTC-USDT") == ["rb2505", "ru1901", "BTC-USDT"]
    assert INDEX.symbols_of("r[bu]*") == INDEX.symbols_of("SHF.r[bu]????") == ["rb2505", "ru1901"]
    assert [is_several(text) for text in ("r[bu]*", "rb250[5]", "rb2505", "a,b")] == [True, True, False, True]
    assert INDEX.symbols_of("*", "okx") == ["BTC-USDT"]
    assert INDEX.symbols_of("binance.*") == ["BTC-USDT", "BTC-USDT-PERP"]
    assert NameIndex([*NAMES, StoredName("okx", "ETH-USD")]).symbols_of("eth*,ru1901") == ["ETH-USD", "ru1901"]
    with pytest.raises(UnknownSymbolError, match="expected a pattern that fits"):
        INDEX.symbols_of("zz*")
    with pytest.raises(QueryError, match="expected at most 200, was 201"):
        of(*(("okx", f"s{n}") for n in range(201))).symbols_of("*")
    with pytest.raises(QueryError, match="expected one between commas"):
        INDEX.symbols_of("a,,b")


def test_products_are_found_however_they_are_written() -> None:
    assert [INDEX.product_meant(text) for text in ("RU", "ru.SHFE", "ru", "sr", "zz")] == [
        "ru",
        "ru",
        "ru",
        "SR",
        "zz",
    ]
    INDEX.check_venue("BTC-USDT", "okx")
    with pytest.raises(QueryError, match=r"venue: expected one where BTC-USDT is stored \(binance, okx\), was 'okex'"):
        INDEX.check_venue("BTC-USDT", "okex")
