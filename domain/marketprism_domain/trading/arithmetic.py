"""The decimal arithmetic of orders: digits enough that a product of a price and a quantity is exact."""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

# 38 digits are the most that a number of a market has; 60 hold the product of any that occur together.
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
ZERO, ONE = Decimal(0), Decimal(1)


def exact_arithmetic() -> AbstractContextManager[Context]:
    """A context in which the functions of this package lose no digit; without it they work with the caller's own."""
    return localcontext(EXACT)


def to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    """`value` as a multiple of `step` (above 0), rounded as one of decimal's ROUND_… says; exact in any context."""
    return EXACT.multiply(EXACT.divide(value, step).to_integral_value(rounding), step)
