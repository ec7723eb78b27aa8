"""Which instruments, and which kinds of their data, somebody may see."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property, lru_cache


@lru_cache(maxsize=1_024)
def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def matches_any(text: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name matches one of the patterns (`rb*`, `*-USDT-PERP`), in its own case."""
    return any(pattern == "*" or _matcher(pattern).match(text) is not None for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Data of the instruments whose venue and symbol match, of the kinds that match; `*` is any.

    `history_days`, `delay_s` and `depth` bound what is seen of it: days back, seconds behind live, levels of a book.
    None is no bound.
    """

    venues: tuple[str, ...] = ("*",)
    symbols: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)
    history_days: int | None = None
    delay_s: float | None = None
    depth: int | None = None

    def covers_symbol(self, symbol: str) -> bool:
        """Whether it is about instruments of this symbol, at some venue."""
        return matches_any(symbol, self.symbols)

    def covers_kind(self, kind: str) -> bool:
        """Whether it is about this kind of data; of `*`, about any."""
        return kind == ANY_KIND or matches_any(kind, self.kinds)

    def covers(self, venue: str, symbol: str, kind: str) -> bool:
        """Whether it is about this kind of data of this instrument."""
        return matches_any(venue, self.venues) and self.covers_symbol(symbol) and self.covers_kind(kind)


ANY_KIND = "*"
EVERYTHING = (Entitlement(),)


@dataclass(frozen=True)
class Entitlements:
    """All that one principal may see: the union of its entitlements."""

    granted: tuple[Entitlement, ...] = EVERYTHING
    _known: dict[tuple[str, str, str], Entitlement | None] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def is_unbounded(self) -> bool:
        """Whether everything may be seen, so that nothing has to be looked at."""
        return Entitlement() in self.granted

    def of(self, venue: str, symbol: str, kind: str) -> Entitlement | None:
        """The first entitlement that covers it, None where none does."""
        if self.is_unbounded:
            return EVERYTHING[0]
        key = (venue, symbol, kind)
        if key not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = next((each for each in self.granted if each.covers(venue, symbol, kind)), None)
        return self._known[key]

    def allows(self, venue: str, symbol: str, kind: str) -> bool:
        """Whether this kind of data of this instrument may be seen."""
        return self.of(venue, symbol, kind) is not None


_MOST_KNOWN = 100_000
