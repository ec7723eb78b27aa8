"""Terms of a contract: what a lot or a coin of it is worth at a price.

Linear contracts: quantity x multiplier x price, in the quote currency. Inverse ones, whose multiplier is money (100 USD
a contract): quantity x multiplier / price, in the coin (Binance FAQ ceccfcfb "COIN-M Futures", OKX help "Profit and
loss", Deribit "Inverse perpetual").
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.trading.arithmetic import ONE


class ContractTerms(NamedTuple):
    """Units of one lot or contract, 1 where quantities are coins; `settle` is the currency of margin and profit."""

    multiplier: Decimal = ONE
    inverse: bool = False
    settle: str = ""

    def size(self, quantity: Decimal) -> Decimal:
        """Units of the goods of a linear contract, money of an inverse one."""
        return quantity * self.multiplier

    def value(self, quantity: Decimal, price: Decimal) -> Decimal:
        """What a quantity is worth at a price (not 0 for an inverse contract), in the currency of settlement."""
        size = quantity * self.multiplier
        return size / price if self.inverse else size * price

    def pnl(self, sign: int, quantity: Decimal, entry: Decimal, price: Decimal) -> Decimal:
        """Profit of a position (`sign` 1 long, -1 short) entered at one price, at another; prices above 0 for an
        inverse one."""
        size = quantity * self.multiplier
        if self.inverse:
            return sign * size * (1 / entry - 1 / price)
        return sign * size * (price - entry)
