"""What OKX's numbers mean: contract sizes, times, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from marketprism_adapters.venues.kit.numbers import identity, nanos, times
from marketprism_application.venues.protocol import ParseRefused

# Our intervals by the venue's names. Bars for which it matters when a day begins are had in two forms: `1D` begins at
# midnight of UTC+8, `1Dutc` at that of UTC.
BARS: Mapping[str, str] = {
    "1s": "1s",
    "1m": "1m",
    "3m": "3m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1h": "1H",
    "2h": "2H",
    "4h": "4H",
    "6h": "6Hutc",
    "12h": "12Hutc",
    "1d": "1Dutc",
    "2d": "2Dutc",
    "3d": "3Dutc",
    "5d": "5Dutc",
    "1w": "1Wutc",
    "1M": "1Mutc",
    "3M": "3Mutc",
}
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


def of_utc8(text: str) -> bool:
    """Whether bars of this name begin at another hour than ours of the same length do: `1D`, but neither `1Dutc` nor
    `1H`."""
    return text[-1:] in ("D", "W", "M", "Y") or text in ("6H", "12H")


def bar_of(text: str, opened: int) -> tuple[str, int]:
    """Our interval of a candle's (`1H` is 1h, `1Dutc` 1d), and when the one that begins at `opened` closes."""
    count, unit = text.removesuffix("utc")[:-1], text.removesuffix("utc")[-1:]
    if count.isdecimal() and len(count) < 4 and unit in _UNITS_S:
        return count + unit.lower(), opened + int(count) * _UNITS_S[unit] * 1_000_000_000
    if count.isdecimal() and len(count) < 4 and unit == "M":
        begins = datetime.fromtimestamp(opened // 1_000_000_000, UTC)
        months = begins.year * 12 + begins.month - 1 + int(count)
        closes = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
        return count + unit, int(closes.timestamp()) * 1_000_000_000
    raise ParseRefused("field", f"candle: expected an interval like 1m, was {text[:20]!r}")


def ns(text: str, field: str = "ts") -> int:
    """A time in text as nanoseconds. Raises ParseRefused: none."""
    return nanos(whole(text, field), field)


def whole(text: str, field: str) -> int:
    """A whole number in text. Raises ParseRefused."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 19:
        raise ParseRefused("field", f"{field}: expected a whole number, was {text[:40]!r}")
    return identity(int(text), field)
