"""OKX's names and ours, both ways.

`BTC-USDT` is itself; `BTC-USDT-SWAP` is BTC-USDT-PERP; `BTC-USD-250328` is itself; the option `BTC-USD-250328-90000-C`
is BTC-28MAR25-90000-C, and one of another family (`BTC-USD_UM-…`) keeps the family's quote: BTC-USD_UM-28MAR25-90000-C.
"""

from __future__ import annotations

from marketprism_adapters.venues.kit.expiries import DIGITS, WORDED, digits, worded

SPOT, SWAP, FUTURES, OPTION = "SPOT", "SWAP", "FUTURES", "OPTION"


def symbol_of(native: str) -> str:
    """Our name of an instId."""
    parts = native.split("-")
    if len(parts) == 3 and parts[2] == "SWAP":
        return f"{parts[0]}-{parts[1]}-PERP"
    if len(parts) == 5 and DIGITS.fullmatch(parts[2]):
        head = [parts[0]] if parts[1] == "USD" else parts[:2]
        return "-".join([*head, worded(parts[2]), *parts[3:]])
    return native


def native_of(symbol: str) -> str:
    """The instId of our name."""
    parts = symbol.split("-")
    if len(parts) == 3 and parts[2] == "PERP":
        return f"{parts[0]}-{parts[1]}-SWAP"
    if len(parts) == 4 and WORDED.fullmatch(parts[1]):
        return "-".join([parts[0], "USD", digits(parts[1]), *parts[2:]])
    if len(parts) == 5 and WORDED.fullmatch(parts[2]):
        return "-".join([*parts[:2], digits(parts[2]), *parts[3:]])
    return symbol


def has_funding(native: str) -> bool:
    """Whether funding is paid: for swaps, and for futures that are swaps but for a far expiry (BTC-USD_UM_XPERP-…)."""
    return type_of(native) == SWAP or "_XPERP-" in native


def type_of(native: str) -> str:
    """instType of an instId."""
    parts = native.split("-")
    if len(parts) == 2:
        return SPOT
    if len(parts) == 3:
        return SWAP if parts[2] == "SWAP" else FUTURES
    return OPTION
