"""What an order may be: ticks, steps, least and most quantities, values and prices, and which of them it breaks.

Sources: the venues' own filters, as Binance `PRICE_FILTER LOT_SIZE MIN_NOTIONAL PERCENT_PRICE`, OKX `tickSz lotSz minSz
maxLmtSz`, Bybit `priceFilter lotSizeFilter`, CTP `PriceTick MinLimitOrderVolume MaxLimitOrderVolume`.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from marketprism_domain.trading.arithmetic import ZERO, to_step
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.price_limits import PriceLimits
from marketprism_domain.trading.sides import Side


class OrderRules(NamedTuple):
    """What is None is not restricted. `percent_price` is the widest share of the mark that a price may be off it."""

    tick: Decimal | None = None
    step: Decimal | None = None
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    min_notional: Decimal | None = None
    percent_price: Decimal | None = None
    signed_price: bool = False


class Violation(NamedTuple):
    """A rule that an order breaks: which, of which field, and what was expected instead."""

    code: str
    field: str
    value: str
    expected: str


def round_price(price: Decimal, side: Side, tick: Decimal | None) -> Decimal:
    """Towards safety: a buyer's down, a seller's up to the tick, so that rounding never worsens the price."""
    if tick is None:
        return price
    return to_step(price, tick, ROUND_FLOOR if side is Side.BUY else ROUND_CEILING)


def round_quantity(quantity: Decimal, step: Decimal | None) -> Decimal:
    """Down to the step: never more than was asked for."""
    return quantity if step is None else to_step(quantity, step, ROUND_FLOOR)


def check_order(
    rules: OrderRules,
    terms: ContractTerms,
    price: Decimal | None,
    quantity: Decimal,
    *,
    mark: Decimal | None = None,
    limits: PriceLimits | None = None,
) -> list[Violation]:
    """Every rule that an order breaks, none where it breaks none; without a price those of the quantity alone."""
    found = [*_of_quantity(rules, quantity)]
    if price is None:
        return found
    if price <= 0 and not rules.signed_price:
        return [*found, Violation("PRICE_NOT_POSITIVE", "price", str(price), "more than 0")]
    if rules.tick is not None and to_step(price, rules.tick, ROUND_FLOOR) != price:
        found.append(Violation("OFF_TICK", "price", str(price), f"a multiple of {rules.tick}"))
    if limits is not None and limits.upper is not None and price > limits.upper:
        found.append(Violation("ABOVE_LIMIT", "price", str(price), f"at most {limits.upper}"))
    if limits is not None and limits.lower is not None and price < limits.lower:
        found.append(Violation("BELOW_LIMIT", "price", str(price), f"at least {limits.lower}"))
    if rules.percent_price is not None and mark is not None and abs(price - mark) > mark * rules.percent_price:
        found.append(Violation("PERCENT_PRICE", "price", str(price), f"within {rules.percent_price} of {mark}"))
    if rules.min_notional is not None and price > 0:
        value = abs(quantity * terms.multiplier * (1 if terms.inverse else price))
        if value < rules.min_notional:
            found.append(Violation("MIN_NOTIONAL", "quantity", str(value), f"a value of {rules.min_notional} or more"))
    return found


def _of_quantity(rules: OrderRules, quantity: Decimal) -> list[Violation]:
    found = []
    if quantity <= ZERO:
        found.append(Violation("QUANTITY_NOT_POSITIVE", "quantity", str(quantity), "more than 0"))
    if rules.step is not None and to_step(quantity, rules.step, ROUND_FLOOR) != quantity:
        found.append(Violation("OFF_STEP", "quantity", str(quantity), f"a multiple of {rules.step}"))
    if rules.min_quantity is not None and quantity < rules.min_quantity:
        found.append(Violation("MIN_QUANTITY", "quantity", str(quantity), f"at least {rules.min_quantity}"))
    if rules.max_quantity is not None and quantity > rules.max_quantity:
        found.append(Violation("MAX_QUANTITY", "quantity", str(quantity), f"at most {rules.max_quantity}"))
    return found
