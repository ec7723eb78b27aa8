"""Days that end early, or have no night, by a notice of the exchange: for all of them, one of them, a product or one
contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from marketprism_domain.instruments.names import base_of, legs_of, product_of
from marketprism_domain.sessions.exchange_hours import Template


class ShortDay(NamedTuple):
    """A trading day that ends at the minute `ends` from midnight, or has its night left out (`ends` None).

    `venue` empty: of every exchange; `name` empty: all its products, else a product or one contract, in any case.
    """

    trading_day: str
    ends: int | None
    venue: str = ""
    name: str = ""

    def is_of(self, venue: str, symbol: str) -> bool:
        """Whether it is a short day of an instrument: a combination trades while all of its legs do."""
        if self.venue not in ("", venue):
            return False
        name = self.name.lower()
        return not name or any(
            name in (leg.lower(), product_of(leg).lower(), base_of(product_of(leg).lower()))
            for leg in legs_of(symbol) or (symbol,)
        )

    def is_of_one(self, symbol: str) -> bool:
        """Whether it names a contract and not the product, so that others of the product have another day."""
        name = self.name.lower()
        legs = legs_of(symbol) or (symbol,)
        return name in (leg.lower() for leg in legs) and name not in (product_of(leg).lower() for leg in legs)

    def of(self, template: Template) -> Template:
        """The sections that are left of a day."""
        if self.ends is None:
            return template.without_night()
        ends = self.ends
        return Template(
            tuple(
                section if section.night else section._replace(closes=min(section.closes, ends))
                for section in template.sections
                if section.night or section.opens < ends
            )
        )


class ShortDays:
    """The short days of one instrument, by trading day. `its_own`: others of its product do not have all of them."""

    def __init__(self, found: Iterable[ShortDay], symbol: str) -> None:
        self._by_day: dict[str, list[ShortDay]] = {}
        self.its_own = False
        for short in found:
            self._by_day.setdefault(short.trading_day, []).append(short)
            self.its_own = self.its_own or short.is_of_one(symbol)

    def of(self, trading_day: str, template: Template) -> Template:
        """The sections of a day after all that shortens it."""
        for short in self._by_day.get(trading_day, ()):
            template = short.of(template)
        return template

    def __contains__(self, trading_day: object) -> bool:
        return trading_day in self._by_day


NO_SHORT_DAYS = ShortDays((), "")
__all__ = ["NO_SHORT_DAYS", "ShortDay", "ShortDays"]
