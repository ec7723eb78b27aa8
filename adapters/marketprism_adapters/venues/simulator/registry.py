"""Simulated markets: one row for each market of `venues/registry.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from marketprism_adapters.venues.binance.simulate import BinanceDialect
from marketprism_adapters.venues.binance.simulate_past import BinancePast
from marketprism_adapters.venues.bybit.simulate import BybitDialect
from marketprism_adapters.venues.bybit.simulate_past import BybitPast
from marketprism_adapters.venues.deribit.simulate import DeribitDialect
from marketprism_adapters.venues.deribit.simulate_past import DeribitPast
from marketprism_adapters.venues.kit.dialect import Dialect
from marketprism_adapters.venues.kit.simulated_past import PastDialect
from marketprism_adapters.venues.okx.simulate import OkxDialect
from marketprism_adapters.venues.okx.simulate_past import OkxPast

# By market, its protocol with a pair, or a contract, of each base currency.
DIALECTS: dict[str, Callable[[Sequence[str]], Dialect]] = {
    "binance": partial(BinanceDialect, "spot"),
    "binance-usdm": partial(BinanceDialect, "usdm"),
    "binance-coinm": partial(BinanceDialect, "coinm"),
    "bybit": partial(BybitDialect, "spot"),
    "bybit-linear": partial(BybitDialect, "linear"),
    "okx": partial(OkxDialect, swaps=True),
    "deribit": DeribitDialect,
}
# By market, how it answers about the past.
PASTS: dict[str, Callable[[Sequence[str]], PastDialect]] = {
    "binance": partial(BinancePast, "spot"),
    "binance-usdm": partial(BinancePast, "usdm"),
    "binance-coinm": partial(BinancePast, "coinm"),
    "bybit": partial(BybitPast, "spot"),
    "bybit-linear": partial(BybitPast, "linear"),
    "okx": OkxPast,
    "deribit": DeribitPast,
}
