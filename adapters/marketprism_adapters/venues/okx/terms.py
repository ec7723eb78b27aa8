"""What OKX's numbers mean: contract sizes, times, intervals."""

from __future__ import annotations

from decimal import Decimal

from marketprism_adapters.venues.numbers import NANOS_PER_MS, times
from marketprism_application.venue import ParseRefused

_UNITS_S = {"s": 1, "m": 60, "H": 3600, "D": 86_400, "W": 604_800}


class Contract:
    """What a quantity of an instrument means."""

    __slots__ = ("inverse", "size", "symbol")

    def __init__(self, symbol: str, size: Decimal | None, *, inverse: bool) -> None:
        self.symbol = symbol
        self.size = size
        self.inverse = inverse

    def amount(self, contracts: str) -> str:
        """Contracts as an amount."""
        return contracts if self.size is None else times(contracts, self.size)

    def written(self, contracts: str) -> str | None:
        """What the venue wrote, where that is not the amount."""
        return None if self.size is None else contracts


def interval_of(text: str) -> tuple[str, int]:
    """Our interval of a candle's, and its length in nanoseconds: `1H` or `1Hutc` is 1h."""
    text = text.removesuffix("utc")
    if text[:-1].isdecimal() and text[-1] in _UNITS_S:
        return text[:-1] + text[-1].lower(), int(text[:-1]) * _UNITS_S[text[-1]] * 1_000_000_000
    if text[:-1].isdecimal() and text.endswith("M"):
        return text, int(text[:-1]) * 30 * 86_400 * 1_000_000_000
    raise ParseRefused("field", f"candle: expected an interval like 1m, was {text[:20]!r}")


def ns(text: str) -> int:
    """Milliseconds in text as nanoseconds."""
    return whole(text, "ts") * NANOS_PER_MS


def whole(text: str, field: str) -> int:
    """A whole number in text. Raises ParseRefused."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 19:
        raise ParseRefused("field", f"{field}: expected a whole number, was {text[:40]!r}")
    return int(text)
