"""Names as vnpy writes them: `rb2505.SHFE`, the code and the exchange in capitals, which is our venue's word."""

from __future__ import annotations

import re

from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Symbol, Venue

_NAME = re.compile(r"(.+)\.([A-Za-z][A-Za-z0-9_]+)")


def from_vt_symbol(text: str) -> tuple[str | None, str]:
    """Venue and symbol of a name; the venue is None where the text names none: `rb2505` is a symbol by itself.

    The exchange is the word behind the last point, in any case; a point before anything else is part of the symbol.

    Raises:
        InvalidValue: no symbol is left, or the exchange is no word of a venue.
    """
    named = _NAME.fullmatch(text)
    if named is None:
        return None, str(Symbol(text))
    return str(Venue(named[2].lower())), str(Symbol(named[1]))


def to_vt_symbol(venue: str, symbol: str) -> str:
    """The name of an instrument as vnpy writes it.

    Raises:
        InvalidValue: the venue or the symbol is none.
    """
    try:
        return f"{Symbol(symbol)}.{Venue(venue).upper()}"
    except InvalidValue as error:
        raise InvalidValue("vt_symbol", "a venue and a symbol", f"{symbol}.{venue}") from error


__all__ = ["from_vt_symbol", "to_vt_symbol"]
