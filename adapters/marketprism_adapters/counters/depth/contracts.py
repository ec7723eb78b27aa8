"""Which contract a row is of: its exchange, and the code as that exchange writes it."""

from __future__ import annotations

import re
from typing import NamedTuple

from marketprism_adapters.counters.depth.fields import BadField
from marketprism_domain.instruments.exchange_codes import venue_of_code
from marketprism_domain.instruments.names import is_future, product_of
from marketprism_domain.instruments.written_names import at_chinese_exchange
from marketprism_domain.sessions.exchange_hours import EXCHANGES, venue_of
from marketprism_domain.sessions.listed_codes import as_listed, lists
from marketprism_domain.values import Symbol

# A code begins with its product; those of funds and of options on them are digits. A table's word for a hole is none.
_CODE = re.compile(
    r"(?!(?:nan|none|null|inf)$)[A-Za-z][A-Za-z0-9 &().-]*|\d{6,8}(?:&\d{6,8})*|\d{6}[CP]\d{4}[A-Z]\d{5,6}",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"[A-Za-z]+(\d+)")
_SERIES = re.compile(r"0+|0[12]|8+|889|9+|9998")  # of a product, as others number them: rb888, IF9999, rb00
_ONE_HOUSE = frozenset({"shfe", "ine"})  # some tables write Shanghai for what its energy exchange lists


class Contract(NamedTuple):
    """A venue and a code."""

    venue: str
    code: str


def contract_of(exchange: str, code: str) -> Contract:
    """The contract of a row: what it says, else the exchange that lists the product.

    The exchange may be written in any case and by any of its codes, and with the code, `rb2505.SHFE`; a code in another
    case is that of the exchange, `RB2505` is rb2505.

    Raises:
        BadField: no code, no such month, an exchange that is none or does not list the product, or none where the
            product is not known.
        InvalidValue: the code is empty or too long.
    """
    written = at_chinese_exchange(code) if any(sign in code for sign in ".:@") else None
    symbol = str(Symbol(code if written is None else written.symbol))
    if not _CODE.fullmatch(symbol):
        raise BadField("InstrumentID", "an instrument's code", code)
    venue = _venue(exchange, symbol, (written.venue or "") if written is not None else "")
    digits = _DIGITS.fullmatch(symbol)
    if digits is not None and lists(venue, symbol) and not is_future(symbol) and not _SERIES.fullmatch(digits[1]):
        raise BadField("InstrumentID", "a contract of a month from 01 to 12", code)
    return Contract(venue, as_listed(venue, symbol))


def _venue(exchange: str, symbol: str, written: str) -> str:
    listed = venue_of(symbol)
    if not exchange and not written:
        if listed is None:
            raise BadField("ExchangeID", "an exchange, because the product is not a known one", symbol)
        return listed
    venue = venue_of_code(exchange) if exchange else written
    if venue is None or venue not in EXCHANGES:
        raise BadField("ExchangeID", f"one of {', '.join(name.upper() for name in EXCHANGES)}", exchange)
    if written and written != venue:
        raise BadField("ExchangeID", f"{written.upper()}, as the code says", exchange)
    if listed is None or listed == venue:
        return venue
    if {listed, venue} == _ONE_HOUSE:
        return listed
    if lists(venue, symbol) or as_listed(listed, symbol) != symbol:
        return venue  # the same letters in another case may be a product of another exchange
    raise BadField("ExchangeID", f"{listed.upper()}, which lists {product_of(symbol)}", exchange)


__all__ = ["Contract", "contract_of"]
