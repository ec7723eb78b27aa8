"""Positions behind an order: what is held of an instrument once it is filled, and with which margin."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.liquidation import Leg


class Held(NamedTuple):
    """A position with the margin of its own."""

    leg: Leg
    margin: Decimal


def mean_entry(terms: ContractTerms, one: Leg, other: Leg) -> Decimal:
    """The entry of two positions of one side together: what they are worth at entry stays the same."""
    together = one.quantity + other.quantity
    if terms.inverse:
        return together / (one.quantity / one.entry + other.quantity / other.entry)
    return (one.quantity * one.entry + other.quantity * other.entry) / together


def joined(terms: ContractTerms, before: Held | None, added: Held) -> Held | None:
    """One position of both: of one side added up, of two sides what is left, with its share of the margin; None where
    nothing is."""
    if before is None:
        return added
    one, other = before.leg, added.leg
    if one.sign == other.sign:
        leg = Leg(one.sign, one.quantity + other.quantity, mean_entry(terms, one, other))
        return Held(leg, before.margin + added.margin)
    rest = one.quantity - other.quantity
    if not rest:
        return None
    left, of = (before, one) if rest > 0 else (added, other)
    return Held(Leg(of.sign, abs(rest), of.entry), left.margin * abs(rest) / of.quantity)


def after_order(
    terms: ContractTerms, held: Iterable[Held], order: Held, *, hedge: bool
) -> tuple[Held | None, Held | None]:
    """The position that the order is part of, and in hedge mode the one of the other side."""
    own: Held | None = None
    other: Held | None = None
    for each in held:
        if hedge and each.leg.sign != order.leg.sign:
            other = joined(terms, other, each)
        else:
            own = joined(terms, own, each)
    return joined(terms, own, order), other


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts, 0 of none."""
    return sum(amounts, ZERO)
