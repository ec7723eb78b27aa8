"""Bybit's names and ours, both ways: `BTCUSDT` is BTC-USDT in spot and BTC-USDT-PERP in linear contracts.

Linear contracts settled in USDC are `BTCPERP`. One with a date, `BTCUSDT-25DEC26`, is BTC-USDT-261225; `BTC-25DEC26`
names no quote and stays as it is. What is not in the instrument list is split by the quotes it ends with; a name that
these do not tell stays as it is.
"""

from __future__ import annotations

from marketprism_adapters.venues.kit.expiries import DIGITS, WORDED, digits, worded
from marketprism_adapters.venues.kit.instrument_names import checked_name
from marketprism_adapters.venues.kit.pairs import quotes
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

_QUOTES = quotes(
    "USDT USDC USDE USDQ USDR EURQ EURR USD1 XUSD EUR BTC ETH BRL BRZ TRY PLN GBP AED",
    "USD DAI MNT SOL U KZT RLUSD USDS",
)
_USDC = "USDC"


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
        """Our name of `BTCUSDT`. Raises ParseRefused: it is no name."""
        found = self._ours.get(native)
        if found is None:
            found = self._ours[native] = self._split(checked_name(native, "symbol"))
            self._theirs[found] = native
        return found

    def native(self, symbol: str) -> str:
        """Bybit's name of `BTC-USDT-PERP`."""
        found = self._theirs.get(symbol)
        if found is not None:
            return found
        base, _, rest = symbol.partition("-")
        quote, _, delivery = rest.partition("-")
        if self._linear and DIGITS.fullmatch(delivery):
            return f"{base}{quote}-{worded(delivery)}"
        if self._linear and delivery == "PERP":
            return f"{base}PERP" if quote == _USDC else base + quote
        if self._linear and rest == "PERP":
            return base
        return base + rest if _QUOTES.split(base + rest) == (base, rest) else symbol

    def compose(self, base: str, quote: str, native: str, *, perpetual: bool) -> str:
        """Our name of a contract or a pair of the instrument list."""
        pair = f"{base}-{quote}"
        if not self._linear:
            return pair
        if perpetual:
            return f"{pair}-PERP"
        named, _, expiry = native.partition("-")
        return f"{pair}-{digits(expiry)}" if named == base + quote and WORDED.fullmatch(expiry) else native

    def _split(self, native: str) -> str:
        if not self._linear:
            found = _QUOTES.split(native)
            return "-".join(found) if found is not None else native
        pair, _, expiry = native.partition("-")
        if expiry and not WORDED.fullmatch(expiry):
            return native
        if not expiry and native.endswith("PERP"):
            return f"{native.removesuffix('PERP')}-{_USDC}-PERP"
        found = _QUOTES.split(pair)
        if expiry:
            return f"{'-'.join(found)}-{digits(expiry)}" if found is not None else native
        return f"{'-'.join(found) if found is not None else pair}-PERP"
