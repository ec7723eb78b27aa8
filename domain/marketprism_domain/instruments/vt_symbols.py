"""Names as vnpy writes them: `rb2505.SHFE`, the code and the exchange in capitals, which is our venue's word."""

from __future__ import annotations

from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.written_names import at_chinese_exchange, behind
from marketprism_domain.values import Symbol, Venue


def from_vt_symbol(text: str) -> tuple[str | None, str]:
    """Venue and symbol of a name; the venue is None where the text names none: `rb2505` is a symbol by itself.

    The exchange is the word behind the last point, in any case and by any of its codes, `rb2505.SHF`; a Chinese one may
    stand before the symbol too. A point before anything else is part of the symbol, and so is one before a word with
    dashes, which is the symbol in `okx.BTC-USDT`.

    Raises:
        InvalidValue: no symbol is left, or the exchange is no word of a venue.
    """
    known, last = at_chinese_exchange(text), behind(text)
    if known is not None:
        return known.venue, str(Symbol(known.symbol))
    if last is not None and not last.market:
        return str(Venue(last.venue or "")), str(Symbol(last.symbol))
    return None, str(Symbol(text))


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
