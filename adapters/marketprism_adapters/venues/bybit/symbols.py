"""Bybit's names and ours, both ways: `BTCUSDT` is BTC-USDT in spot and BTC-USDT-PERP in linear contracts.

Linear contracts settled in USDC are `BTCPERP`; what is not in the instrument list is split by the quotes it ends with.
"""

from __future__ import annotations

from marketprism_domain.marketdata.instrument_record import InstrumentRecord

_QUOTES = ("USDT", "USDC", "USDE", "EUR", "BTC", "ETH", "USD")


class Names:
    """Names of one category: `spot` or `linear`."""

    def __init__(self, category: str) -> None:
        self._linear = category == "linear"
        self._ours: dict[str, str] = {}
        self._theirs: dict[str, str] = {}

    def learn(self, instrument: InstrumentRecord) -> None:
        """The pair as the instrument list has it."""
        self._ours[instrument.native] = instrument.symbol
        self._theirs[instrument.symbol] = instrument.native

    def symbol(self, native: str) -> str:
        """Our name of `BTCUSDT`."""
        found = self._ours.get(native)
        if found is None:
            found = self._ours[native] = self._split(native)
            self._theirs[found] = native
        return found

    def native(self, symbol: str) -> str:
        """Bybit's name of `BTC-USDT-PERP`."""
        found = self._theirs.get(symbol)
        if found is not None:
            return found
        base, _, rest = symbol.partition("-")
        return f"{base}PERP" if rest == "USDC-PERP" else base + rest.removesuffix("-PERP")

    def _split(self, native: str) -> str:
        suffix = "-PERP" if self._linear else ""
        if self._linear and native.endswith("PERP"):
            return f"{native.removesuffix('PERP')}-USDC-PERP"
        for quote in _QUOTES:
            if native.endswith(quote) and len(native) > len(quote):
                return f"{native.removesuffix(quote)}-{quote}{suffix}"
        return native
