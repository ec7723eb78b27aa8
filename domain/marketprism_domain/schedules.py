"""Trading hours of the Chinese futures exchanges: per product, versioned by trading day.

Times of day are China time (UTC+8, no daylight saving). A template lists the sections of one trading day; a
night section belongs to the evening before (of the previous trading day). State of knowledge 2026-10; history
where it changed: Dalian's nights to 23:00 from 2019-04-01, Zhengzhou's from 2019-12-13, no nights 2020-02-03
to 2020-05-06, treasury futures from 09:30 since 2020-07-20, index futures from 09:30 since 2016-01-04.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple


class Section(NamedTuple):
    """One continuous section of a template, minutes from midnight; `night` counts from the evening before.

    `auction` is how many minutes before the opening the call auction's window begins (0: none).
    """

    opens: int
    closes: int
    night: bool = False
    auction: int = 0


@dataclass(frozen=True)
class Template:
    """The sections of one kind of trading day, in order of trading."""

    sections: tuple[Section, ...]

    def without_night(self, auction: int = 5) -> Template:
        """The same day when its night session does not exist: the first day section holds the auction."""
        first, *rest = [section for section in self.sections if not section.night]
        return Template((first._replace(auction=max(first.auction, auction)), *rest))


def _at(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _commodity(night_end: str | None, *, day_auction: bool) -> Template:
    day = (
        Section(_at("9:00"), _at("10:15"), auction=5 if day_auction or night_end is None else 0),
        Section(_at("10:30"), _at("11:30")),
        Section(_at("13:30"), _at("15:00")),
    )
    if night_end is None:
        return Template(day)
    return Template((Section(_at("21:00"), _at(night_end), night=True, auction=5), *day))


def _financial(opens: str, closes: str) -> Template:
    return Template((Section(_at(opens), _at("11:30"), auction=5), Section(_at("13:00"), _at(closes))))


DAY = _commodity(None, day_auction=True)
# Shanghai, INE and Dalian hold a second auction at 08:55; Zhengzhou only before the first section of the day.
_NIGHTS = {
    (end, second): _commodity(end, day_auction=second)
    for end in ("23:00", "23:30", "25:00", "26:30")
    for second in (True, False)
}
INDEX_EARLY, INDEX = _financial("9:15", "15:15"), _financial("9:30", "15:00")
BOND_EARLY, BOND = _financial("9:15", "15:15"), _financial("9:30", "15:15")

Versions = tuple[tuple[str, Template], ...]  # (first trading day, template), oldest first
_EVER = "00000000"


def _night(end: str, *, second: bool = True) -> Versions:
    return ((_EVER, _NIGHTS[end, second]),)


_DAY: Versions = ((_EVER, DAY),)
_DCE_OLD_NIGHT: Versions = ((_EVER, _NIGHTS["23:30", True]), ("20190401", _NIGHTS["23:00", True]))
_DCE_NEW_NIGHT: Versions = ((_EVER, DAY), ("20190401", _NIGHTS["23:00", True]))
_CZCE_OLD_NIGHT: Versions = ((_EVER, _NIGHTS["23:30", False]), ("20191213", _NIGHTS["23:00", False]))
_CZCE_NIGHT = _night("23:00", second=False)
_SHFE_STEEL: Versions = ((_EVER, _NIGHTS["25:00", True]), ("20160504", _NIGHTS["23:00", True]))


def _products(names: str, versions: Versions) -> dict[str, Versions]:
    return dict.fromkeys(names.split(), versions)


PRODUCTS: dict[str, dict[str, Versions]] = {
    "shfe": {
        **_products("rb hc bu", _SHFE_STEEL),
        **_products("ru sp br op", _night("23:00")),
        "fu": ((_EVER, DAY), ("20180717", _NIGHTS["23:00", True])),
        **_products("cu al zn pb ni sn ss ao ad", _night("25:00")),
        **_products("au ag", _night("26:30")),
        **_products("wr", _DAY),
    },
    "ine": {
        **_products("sc", _night("26:30")),
        **_products("nr lu", _night("23:00")),
        **_products("bc", _night("25:00")),
        **_products("ec", _DAY),
    },
    "dce": {
        **_products("a b m y p j jm i", _DCE_OLD_NIGHT),
        **_products("c cs l v pp eg", _DCE_NEW_NIGHT),
        **_products("eb rr pg bz", _night("23:00")),
        **_products("jd bb fb lh lg", _DAY),
    },
    "czce": {
        **_products("cf cy fg ma oi rm sr ta zc", _CZCE_OLD_NIGHT),
        **_products("sa pf px sh pr pl", _CZCE_NIGHT),
        **_products("ap cj ur sf sm pk wh pm ri lr jr rs", _DAY),
    },
    "cffex": {
        **_products("if ih ic im io ho mo", ((_EVER, INDEX_EARLY), ("20160104", INDEX))),
        **_products("t tf ts tl", ((_EVER, BOND_EARLY), ("20200720", BOND))),
    },
    "gfex": _products("si lc ps pt pd", _DAY),
}
DEFAULTS: dict[str, Versions] = {
    "shfe": _DAY,
    "ine": _DAY,
    "dce": _DAY,
    "czce": _DAY,
    "gfex": _DAY,
    "cffex": ((_EVER, INDEX),),
}
# rr traded at night only from its listing to 2024; today's table has it day-only.
PRODUCTS["dce"]["rr"] = ((_EVER, _NIGHTS["23:00", True]), ("20240101", DAY))

# Trading days whose night session was suspended for all products.
NO_NIGHT: tuple[tuple[str, str], ...] = (("20200203", "20200506"),)
# Night sessions that opened late: trading day -> (venues, minute of the evening).
LATE_NIGHT_OPEN: dict[str, tuple[frozenset[str], int]] = {
    "20191226": (frozenset({"shfe", "ine", "dce", "czce"}), _at("22:30")),
}

_PRODUCT = re.compile(r"[A-Za-z]+")
_VENUE_OF = {product: venue for venue, products in PRODUCTS.items() for product in products}


def product_of(symbol: str) -> str:
    """Product code of a futures or option symbol, as written: `ru` of `ru1901`, `SR` of `SR505C6000`."""
    match = _PRODUCT.match(symbol)
    return match[0] if match else symbol


def venue_of(symbol: str) -> str | None:
    """Venue that lists the symbol's product, None for an unknown one."""
    return _VENUE_OF.get(product_of(symbol).lower())


def versions_of(venue: str, symbol: str) -> Versions | None:
    """Templates of a product over time; the venue's own day for an unknown product; None for other venues."""
    products = PRODUCTS.get(venue)
    if products is None:
        return None
    return products.get(product_of(symbol).lower(), DEFAULTS[venue])
