"""Fees of an order: by the money traded, by the lot, or both, and what price pays them back.

Sources: CTP `ReqQryInstrumentCommissionRate`, whose rates by money and by volume are added; fee schedules of the
venues, which are by money and may be rebates (below 0).
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.sides import Offset


class FeeRate(NamedTuple):
    """Both parts are added: `by_money` is a share of the value traded, `by_volume` money for each lot."""

    by_money: Decimal = ZERO
    by_volume: Decimal = ZERO

    def fee(self, terms: ContractTerms, quantity: Decimal, price: Decimal) -> Decimal:
        """Of a quantity at a price, in the currency of settlement; below 0 where the rate is a rebate."""
        return terms.value(quantity, price) * self.by_money + quantity * self.by_volume


class FeeRule(NamedTuple):
    """Rates of opening, of closing lots of days before, and of closing lots of today."""

    open: FeeRate
    close: FeeRate
    close_today: FeeRate

    def rate(self, offset: Offset) -> FeeRate:
        """The rate of an offset; `auto` counts as opening."""
        if offset is Offset.CLOSE_TODAY:
            return self.close_today
        return self.close if offset in (Offset.CLOSE, Offset.CLOSE_YESTERDAY) else self.open


def break_even(
    terms: ContractTerms, sign: int, quantity: Decimal, entry: Decimal, opening: FeeRate, closing: FeeRate
) -> Decimal | None:
    """The price at which a position's profit pays both its fees; None where no price above 0 does."""
    if terms.inverse:
        share = closing.by_money + sign
        size = quantity * terms.multiplier
        paid = sign * size / entry - opening.fee(terms, quantity, entry) - quantity * closing.by_volume
        price = size * share / paid if paid else ZERO
    else:
        size = quantity * terms.multiplier
        paid = sign * size * entry + opening.fee(terms, quantity, entry) + quantity * closing.by_volume
        share = sign - closing.by_money
        price = paid / (size * share) if share and size else ZERO
    return price if price > 0 else None


def share_of_rates(maker: Decimal, taker: Decimal) -> tuple[FeeRule, FeeRule]:
    """Rules of a venue whose fees are a share of the value whatever the offset: of makers, and of takers."""
    one, other = FeeRate(maker), FeeRate(taker)
    return FeeRule(one, one, one), FeeRule(other, other, other)
