"""Deribit's names and ours, both ways.

`BTC-PERPETUAL` is BTC-USD-PERP, `BTC_USDC-PERPETUAL` BTC-USDC-PERP, `BTC-28MAR25` BTC-USD-250328, `BTC_USDC` the spot
pair BTC-USDC. The option `BTC-28MAR25-90000-C` is itself, `XRP_USDC-28MAR25-1d02-C` is XRP-USDC-28MAR25-1d02-C (`d`
stands for the decimal point). Combinations keep Deribit's name.
"""

from __future__ import annotations

from marketprism_adapters.venues.kit.expiries import DIGITS, WORDED, digits, worded


def symbol_of(native: str) -> str:
    """Our name of an instrument_name."""
    pair, _, rest = native.partition("-")
    base, _, quote = pair.partition("_")
    if not rest:
        return f"{base}-{quote}" if quote else native
    parts = rest.split("-")
    if rest == "PERPETUAL":
        return f"{base}-{quote or 'USD'}-PERP"
    if len(parts) == 1 and WORDED.fullmatch(rest):
        return f"{base}-{quote or 'USD'}-{digits(rest)}"
    if len(parts) == 3 and WORDED.fullmatch(parts[0]) and parts[2] in ("C", "P"):
        return f"{base}-{quote}-{rest}" if quote else native
    return native


def native_of(symbol: str) -> str:
    """The instrument_name of our name."""
    parts = symbol.split("-")
    if len(parts) == 2:
        return f"{parts[0]}_{parts[1]}"
    if len(parts) == 3 and (parts[2] == "PERP" or DIGITS.fullmatch(parts[2])):
        pair = parts[0] if parts[1] == "USD" else f"{parts[0]}_{parts[1]}"
        return f"{pair}-PERPETUAL" if parts[2] == "PERP" else f"{pair}-{worded(parts[2])}"
    if len(parts) == 5 and WORDED.fullmatch(parts[2]):
        return f"{parts[0]}_{'-'.join(parts[1:])}"
    return symbol
