"""Binance's names and ours, both ways.

Spot `BTCUSDT` is BTC-USDT; a USD-M perpetual of the same name BTC-USDT-PERP; `BTCUSDT_250328` BTC-USDT-250328; COIN-M
`BTCUSD_PERP` BTC-USD-PERP. Where base and quote meet is in the instrument list; without one, by the quote currencies
that Binance has, and a name that these do not tell stays as it is: BTCXYZ, or BTCXYZ-PERP of a perpetual.
"""

from __future__ import annotations

import re

from marketprism_adapters.venues.kit.instrument_names import checked_name
from marketprism_adapters.venues.kit.pairs import Quotes, quotes
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

_QUOTES = quotes(
    "USDT USDC FDUSD USDP USD1 RLUSD BFUSD EURI BVND IDRT BKRW UAH NGN EUR GBP AUD TRY BRL RUB ZAR PLN "
    "RON ARS JPY MXN CZK COP BTC ETH BNB",
    "USD TUSD BUSD U IDR BIDR KZT PAX DAI VAI XRP TRX DOT SOL DOGE AEUR USDE USDS XUSD AUSD",
)
_OF_COINM = Quotes(frozenset({"USD"}), frozenset())


_DELIVERY = re.compile(r"PERP|\d{6}")


class Names:
    """Names of one market: `spot`, `usdm` or `coinm`."""

    def __init__(self, market: str) -> None:
        self._market = market
        self._ours: dict[str, str] = {}
        self._theirs: dict[str, str] = {}

    def learn(self, instrument: InstrumentRecord) -> None:
        """The pair as the instrument list has it."""
        self._ours[instrument.native] = instrument.symbol
        self._theirs[instrument.symbol] = instrument.native

    def symbol(self, native: str) -> str:
        """Our name of `BTCUSDT`. Raises ParseRefused: it is no name."""
        found = self._ours.get(native)
        if found is None:
            found = self._ours[native] = self.compose(*self._split(checked_name(native, "s")))
            self._theirs[found] = native
        return found

    def native(self, symbol: str) -> str:
        """Binance's name of `BTC-USDT-PERP`."""
        found = self._theirs.get(symbol)
        if found is not None:
            return found
        parts = symbol.split("-")
        delivery = parts.pop() if self._market != "spot" and len(parts) > 1 and _DELIVERY.fullmatch(parts[-1]) else ""
        pair = "".join(parts)
        if delivery == "PERP":
            return f"{pair}_PERP" if self._market == "coinm" else pair
        return f"{pair}_{delivery}" if delivery else pair

    def compose(self, base: str, quote: str, delivery: str) -> str:
        """Our name of its parts; `delivery` is empty, PERP or YYMMDD."""
        pair = f"{base}-{quote}" if quote else base
        return f"{pair}-{delivery}" if delivery else pair

    def _split(self, native: str) -> tuple[str, str, str]:
        pair, _, delivery = native.partition("_")
        if not delivery and self._market == "usdm":
            delivery = "PERP"
        found = (_OF_COINM if self._market == "coinm" else _QUOTES).split(pair)
        return (*found, delivery) if found is not None else (pair, "", delivery)
