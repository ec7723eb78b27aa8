"""Names of venues and ours, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_adapters.venues.binance.symbols import _QUOTES as binance_quotes
from marketprism_adapters.venues.binance.symbols import Names
from marketprism_adapters.venues.bybit import symbols as bybit
from marketprism_adapters.venues.bybit.symbols import _QUOTES as bybit_quotes
from marketprism_adapters.venues.deribit import symbols as deribit
from marketprism_adapters.venues.kit.pairs import COINS
from marketprism_adapters.venues.okx import symbols as okx

COIN = st.from_regex(r"[A-Z][A-Z0-9]{1,5}", fullmatch=True)
DAY = st.dates().map(lambda day: day.strftime("%y%m%d"))
STRIKE = st.integers(1, 400_000).map(str)


@pytest.mark.parametrize(
    ("market", "native", "ours"),
    [
        ("spot", "BTCUSDT", "BTC-USDT"),
        ("spot", "ETHBTC", "ETH-BTC"),
        ("spot", "RUNEEUR", "RUNE-EUR"),
        ("spot", "1000SATSFDUSD", "1000SATS-FDUSD"),
        ("usdm", "BTCUSDT", "BTC-USDT-PERP"),
        ("usdm", "BTCUSDT_250328", "BTC-USDT-250328"),
        ("usdm", "币安人生USDT", "币安人生-USDT-PERP"),
        ("usdm", "XYZABC", "XYZABC-PERP"),
        ("spot", "USDTUSD", "USDT-USD"),
        ("spot", "USDCTUSD", "USDC-TUSD"),
        ("spot", "BTCU", "BTC-U"),
        ("spot", "XRPRLUSD", "XRP-RLUSD"),
        ("spot", "BTCIDR", "BTC-IDR"),
        ("spot", "BTCBIDR", "BTC-BIDR"),
        ("spot", "EUREURI", "EUR-EURI"),
        ("spot", "USDTKZT", "USDT-KZT"),
        ("spot", "BFUSDUSDT", "BFUSD-USDT"),
        ("spot", "PERPUSDT", "PERP-USDT"),
        ("spot", "币安人生USDT", "币安人生-USDT"),
        # names that do not tell where they meet
        ("spot", "XYZTUSD", "XYZTUSD"),
        ("spot", "XYZNEWUSD", "XYZNEWUSD"),
        ("spot", "XYZU", "XYZU"),
        ("spot", "ABCDEF", "ABCDEF"),
        ("coinm", "BTCUSD_PERP", "BTC-USD-PERP"),
        ("coinm", "ETHUSD_210924", "ETH-USD-210924"),
    ],
)
def test_binance(market: str, native: str, ours: str) -> None:
    names = Names(market)
    assert names.symbol(native) == ours
    assert names.native(ours) == native
    assert Names(market).native(ours) == native  # also without having seen it


@pytest.mark.parametrize(
    ("category", "native", "ours"),
    [
        ("spot", "BTCUSDT", "BTC-USDT"),
        ("spot", "BTCXUSD", "BTC-XUSD"),
        ("spot", "BTCBRL", "BTC-BRL"),
        ("spot", "USDTUSD", "USDT-USD"),
        ("spot", "XYZNEWUSD", "XYZNEWUSD"),
        ("spot", "ABCDEF", "ABCDEF"),
        ("linear", "BTCUSDT", "BTC-USDT-PERP"),
        ("linear", "1000BONKPERP", "1000BONK-USDC-PERP"),
        ("linear", "BTCUSDT-25DEC26", "BTC-USDT-261225"),
        ("linear", "ETHUSDT-26MAR27", "ETH-USDT-270326"),
        ("linear", "BTC-25DEC26", "BTC-25DEC26"),
        ("linear", "BTC-25DEC26-100000-C-USDT", "BTC-25DEC26-100000-C-USDT"),
        ("linear", "XYZABC", "XYZABC-PERP"),
        ("linear", "币安人生USDT", "币安人生-USDT-PERP"),
    ],
)
def test_bybit(category: str, native: str, ours: str) -> None:
    names = bybit.Names(category)
    assert names.symbol(native) == ours
    assert names.native(ours) == native
    assert bybit.Names(category).native(ours) == native  # also without having seen it


@given(COIN, st.sampled_from(["USDT", "USDC", "USD", "TUSD", "BTC", "EUR", "XYZ"]))
def test_a_name_without_a_list_is_never_the_pair_of_another_name(base: str, quote: str) -> None:
    for split in (binance_quotes.split, bybit_quotes.split):
        found = split(base + quote)
        assert found is None or "".join(found) == base + quote
        if base in COINS and quote in ("USDT", "USDC"):
            assert found in ((base, quote), None)


@pytest.mark.parametrize(
    ("native", "ours"),
    [
        ("BTC-USDT", "BTC-USDT"),
        ("BTC-USDT-SWAP", "BTC-USDT-PERP"),
        ("BTC-USD-250328", "BTC-USD-250328"),
        ("BTC-USD-241227-100000-C", "BTC-27DEC24-100000-C"),
        ("BTC-USD_UM-250905-100000-P", "BTC-USD_UM-5SEP25-100000-P"),
    ],
)
def test_okx(native: str, ours: str) -> None:
    assert okx.symbol_of(native) == ours
    assert okx.native_of(ours) == native


@given(COIN, COIN, DAY, STRIKE, st.sampled_from("CP"))
def test_okx_comes_back(base: str, quote: str, day: str, strike: str, right: str) -> None:
    for native in (
        f"{base}-{quote}",
        f"{base}-{quote}-SWAP",
        f"{base}-{quote}-{day}",
        f"{base}-{quote}-{day}-{strike}-{right}",
    ):
        assert okx.native_of(okx.symbol_of(native)) == native


@pytest.mark.parametrize(
    ("native", "ours"),
    [
        ("BTC-PERPETUAL", "BTC-USD-PERP"),
        ("BTC_USDC-PERPETUAL", "BTC-USDC-PERP"),
        ("BTC-28MAR25", "BTC-USD-250328"),
        ("BTC_USDC-5SEP25", "BTC-USDC-250905"),
        ("BTC_USDC", "BTC-USDC"),
        ("BTC-27DEC24-100000-C", "BTC-27DEC24-100000-C"),
        ("MATIC_USDC-9MAR24-1d02-C", "MATIC-USDC-9MAR24-1d02-C"),
        ("BTC-FS-30SEP22_PERP", "BTC-FS-30SEP22_PERP"),
    ],
)
def test_deribit(native: str, ours: str) -> None:
    assert deribit.symbol_of(native) == ours
    assert deribit.native_of(ours) == native
