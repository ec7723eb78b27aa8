"""Initial margin and what an order takes of the balance.

Sources: Binance FAQ b3c689c1 (initial margin = notional / leverage) and 87fa7ee3 (cost of an order), OKX help "Isolated
margin" (contracts x face value x entry / leverage).
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.contracts import ContractTerms

_SHORT_CUSHION = Decimal("1.0015")


class CostRule(StrEnum):
    """By which rule an order's cost is counted; the year is the one in which it is known to be in force."""

    OPEN_LOSS_2024 = "open_loss_2024"
    ASSUMED_PRICE_2026 = "assumed_price_2026"
    MARGIN_ONLY = "margin_only"


class OrderCost(NamedTuple):
    """What an order takes of the balance: its initial margin, and the loss that it begins with."""

    initial_margin: Decimal
    open_loss: Decimal
    price: Decimal

    @property
    def total(self) -> Decimal:
        """Both together, without fees."""
        return self.initial_margin + self.open_loss


def initial_margin(terms: ContractTerms, quantity: Decimal, price: Decimal, leverage: Decimal) -> Decimal:
    """Value at a price divided by the leverage, which is above 0."""
    return terms.value(quantity, price) / leverage


def order_cost(
    rule: CostRule,
    terms: ContractTerms,
    sign: int,
    quantity: Decimal,
    price: Decimal,
    leverage: Decimal,
    *,
    mark: Decimal | None = None,
    last: Decimal | None = None,
) -> OrderCost:
    """What an order takes of the balance, without fees.

    `open_loss_2024`: initial margin at the order's price, and quantity x |min(0, sign x (mark - price))|.
    `assumed_price_2026`: a long at its price, a short at max(last x 1.0015, mark, price); the loss is counted against
    that. Without a mark nothing is lost at the beginning, without a last price the mark stands for it.
    """
    assumed = price
    if rule is CostRule.ASSUMED_PRICE_2026 and sign < 0:
        seen = last if last is not None else mark
        assumed = max(price, mark or price, seen * _SHORT_CUSHION if seen is not None else price)
    loss = ZERO
    if rule is not CostRule.MARGIN_ONLY and mark is not None and mark > 0:
        loss = -min(ZERO, terms.pnl(sign, quantity, assumed, mark))
    return OrderCost(initial_margin(terms, quantity, assumed, leverage), loss, assumed)


def funding_payment(terms: ContractTerms, sign: int, quantity: Decimal, mark: Decimal, rate: Decimal) -> Decimal:
    """What who holds a position at the settlement gets (above 0) or pays: -sign x value at the mark x rate."""
    return -sign * terms.value(quantity, mark) * rate


def is_charged(opened_ns: int, settled_ns: int, cutoff_s: Decimal = ZERO) -> bool:
    """Whether a position opened at an instant (nanoseconds UTC) takes part in a settlement: one opened until then does,
    at Binance also one opened up to 15 s later (FAQ "Funding rates": `cutoff_s`)."""
    return opened_ns <= settled_ns + int(cutoff_s * 1_000_000_000)
