"""Terms of an instrument that its name alone tells: steps, size, and when a contract has ended for certain."""

from __future__ import annotations

from decimal import Decimal

from marketprism_application.integrity.inputs import TermPeriod
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.names import month_of
from marketprism_domain.instruments.sizes import size_of
from marketprism_domain.integrity.expectation import UNBOUNDED, Listing


def terms_of(venue: str, symbol: str, maker: str = "") -> tuple[TermPeriod, ...]:
    """The price step and the size of a contract of a Chinese exchange.

    Of a pair, and of a perpetual that is paid in the quote currency, amounts are in the base: the size is 1. Of a
    series whose `maker` is unknown nothing is known.
    """
    if is_chinese(venue):
        size = size_of(venue, symbol)
        return () if size is None else (TermPeriod(0, size.price_tick, Decimal(1), size.multiplier),)
    linear = symbol.count("-") >= 1 and symbol.split("-")[1] != "USD"
    return (TermPeriod(0, multiplier=Decimal(1)),) if linear and maker else ()


def listing_of(venue: str, symbol: str) -> Listing:
    """The bounds that a name tells: a future of a Chinese exchange does not trade behind its delivery month. One whose
    year has one digit may be of any decade."""
    digits = month_of(symbol) if is_chinese(venue) else None
    return Listing(last_day=f"20{digits}31") if digits is not None and len(digits) == 4 else UNBOUNDED
