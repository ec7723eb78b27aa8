"""Codes in the letters in which their exchange lists them."""

from __future__ import annotations

import re

from marketprism_domain.instruments.names import base_of, product_of
from marketprism_domain.sessions.exchange_hours import PRODUCTS

_SINGLE = re.compile(r"([A-Za-z]+)(\d{3,4})(.*)")
_CAPITALS = ("czce", "cffex")


def lists(venue: str, symbol: str) -> bool:
    """Whether an exchange lists the product of a symbol, as far as the table of hours has it."""
    return base_of(product_of(symbol).lower()) in PRODUCTS.get(venue, {})


def as_listed(venue: str, symbol: str) -> str:
    """The code in the letters of its exchange: Zhengzhou and the financial exchange write capitals; others of a product
    do not, but for what stands behind the month. Whatever else it is stays as it is."""
    single = _SINGLE.fullmatch(symbol)
    if single is None or not lists(venue, symbol):
        return symbol
    letters, digits, rest = single.groups()
    return f"{letters.upper() if venue in _CAPITALS else letters.lower()}{digits}{rest.upper()}"


__all__ = ["as_listed", "lists"]
