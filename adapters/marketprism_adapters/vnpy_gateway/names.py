"""Instruments by VeighNa's names and ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from marketprism_adapters.vnpy_gateway.registry import NO_EXCHANGE
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.exchange_codes import venue_of_code
from marketprism_domain.instruments.written_names import fits, is_pattern, readings_of
from marketprism_domain.sessions.listed_codes import as_listed
from marketprism_domain.values import Symbol, Venue


class Named(NamedTuple):
    """One instrument as we name it."""

    venue: str
    symbol: str


class Names:
    """Both ways: each gateway has its own letters for a code, which a subscription has to repeat."""

    def __init__(self, global_venue: str = "") -> None:
        self._global = global_venue
        self._named: dict[tuple[object, object], Named] = {}
        self._native: dict[Named, tuple[str, str]] = {}

    def named(self, symbol: object, exchange: object) -> Named:
        """Ours of VeighNa's symbol and exchange, `rb2505` and `Exchange.SHFE`.

        Raises:
            InvalidValue: one of them is none.
        """
        found = self._named.get((symbol, exchange))
        if found is None:
            name = str(getattr(exchange, "value", exchange))
            if not isinstance(symbol, str):
                raise InvalidValue("symbol", "a text", repr(symbol)[:80])
            venue = venue_of_code(name) or (self._global if name in NO_EXCHANGE and self._global else name.lower())
            found = Named(str(Venue(venue)), str(Symbol(as_listed(venue, symbol))))
            self._named[symbol, exchange] = found
            self._native.setdefault(found, (symbol, name))
        return found

    def native(self, named: Named) -> tuple[str, str]:
        """VeighNa's symbol, and the value of its exchange."""
        found = self._native.get(named)
        venue = next((name for name in NO_EXCHANGE if self._global == named.venue), named.venue.upper())
        return found if found is not None else (named.symbol, venue)


def chosen(patterns: Sequence[str], listed: Mapping[Named, object]) -> tuple[list[Named], list[str]]:
    """The instruments of a list that names and patterns mean, and the names that mean none of it."""
    found: dict[Named, None] = {}
    unknown = []
    for pattern in patterns:
        fitting = [each for each in listed if fits(pattern, each.venue, each.symbol)]
        found.update(dict.fromkeys(fitting))
        if not fitting and not is_pattern(pattern):
            unknown.append(pattern)
    return sorted(found), unknown


def spelled(text: str) -> Named | None:
    """The instrument that a name with its venue means where there is no list; None for a pattern or a bare symbol."""
    if is_pattern(text):
        return None
    for reading in reversed(readings_of(text)):
        if reading.venue is not None and not reading.market:
            return Named(reading.venue, as_listed(reading.venue, reading.symbol))
    return None


__all__ = ["Named", "Names", "chosen", "spelled"]
