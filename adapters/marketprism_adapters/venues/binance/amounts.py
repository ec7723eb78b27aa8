"""Names and contract sizes of one Binance market."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from marketprism_adapters.venues.binance.symbols import Names
from marketprism_adapters.venues.kit.numbers import optional, times
from marketprism_application.contracts.venue_messages import TextLevel
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

# COIN-M contracts are worth 100 USD for bitcoin and 10 USD for everything else, until the instrument list says it.
_FUNDING_HOURS = 8
_BITCOIN, _OTHERS = Decimal(100), Decimal(10)


class Amounts:
    """Our symbol and the contract size of each native name; None where a quantity is an amount already."""

    def __init__(self, market: str) -> None:
        self.names = Names(market)
        self._coin = market == "coinm"
        self.funding_hours: dict[str, int] | None = None  # by native name, of instruments that do not have 8
        self._known: dict[str, tuple[str, Decimal | None]] = {}
        self._sizes: dict[str, Decimal] = {}

    def learn(self, instruments: Sequence[InstrumentRecord]) -> None:
        """Names and sizes of the instrument list."""
        for each in instruments:
            self.names.learn(each)
            if each.inverse and each.multiplier is not None:
                self._sizes[each.native] = each.multiplier
        self._known.clear()

    def of(self, native: str) -> tuple[str, Decimal | None]:
        """Our symbol and the contract size."""
        found = self._known.get(native)
        if found is None:
            size = self._sizes.get(native, _BITCOIN if native.startswith("BTC") else _OTHERS) if self._coin else None
            found = self._known[native] = (self.names.symbol(native), size)
        return found

    def funding_s(self, native: str) -> int | None:
        """Seconds between two exchanges of funding; None before the venue has told which instruments differ."""
        hours = self.funding_hours
        return None if hours is None else hours.get(native, _FUNDING_HOURS) * 3600

    def scale(self, symbol: str, quantity: str) -> str:
        """A quantity of our symbol as an amount."""
        size = self.of(self.names.native(symbol))[1]
        return quantity if size is None else times(quantity, size)

    @staticmethod
    def scaled(quantity: str, size: Decimal) -> str:
        """A number of contracts as an amount of money: `quantity` times `size`, exact."""
        return times(quantity, size)

    def quantity(self, text: str, field: str, size: Decimal | None) -> str | None:
        """A quantity that may be missing."""
        found = optional(text, field)
        return found if found is None or size is None else times(found, size)

    @staticmethod
    def traded(volume: str, quote_volume: str, size: Decimal | None) -> tuple[str, str]:
        """Volume and turnover: of a COIN-M contract both are its dollars, and `q` is in coins."""
        if size is None:
            return volume, quote_volume
        money = times(volume, size)
        return money, money

    @staticmethod
    def levels(levels: Sequence[Sequence[str]], size: Decimal | None) -> Sequence[TextLevel]:
        """A side of a book as amounts."""
        if size is None:
            return [(level[0], level[1]) for level in levels]
        return [(level[0], times(level[1], size)) for level in levels]
