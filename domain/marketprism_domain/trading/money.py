"""Money: an amount and the currency that it is in."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.errors import InvalidValue


class Money(NamedTuple):
    """An amount of a currency, `Money(Decimal("15.00"), "USDT")`. Amounts of two currencies have no sum."""

    amount: Decimal
    currency: str

    def plus(self, other: Money) -> Money:
        """Both together. Raises InvalidValue where the currencies differ."""
        if other.currency != self.currency:
            raise InvalidValue("currency", self.currency, other.currency)
        return Money(self.amount + other.amount, self.currency)
