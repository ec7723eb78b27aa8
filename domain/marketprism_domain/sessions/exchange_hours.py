"""Trading hours of the Chinese exchanges: per product, versioned by trading day.

Times of day are China time (UTC+8, no daylight saving). A template lists the sections of one trading day; a
night section belongs to the evening before (of the previous trading day). State of knowledge 2026-10: the history of
every product since 2010, read in cnfutures-session-timeline 2026.10.9 and compared with three other tables; where they
differ, docs/adr/0016 says what was chosen. A product has no night before the day it is listed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from marketprism_domain.instruments.names import base_of, legs_of, product_of

_T = TypeVar("_T")


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

    def until(self, day_sections: int) -> Template:
        """The same day when it ends after so many of its day sections; the night stays."""
        nights = sum(section.night for section in self.sections)
        return Template(self.sections[: nights + day_sections])

    @property
    def minutes(self) -> int:
        """How long all sections are."""
        return sum(section.closes - section.opens for section in self.sections)


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
# Options on funds in Shanghai and Shenzhen: opening auction 09:15-09:25; the closing auction from 14:57 is part of the
# section, because its match is the last price of the day.
STOCK_OPTION = Template((Section(_at("9:30"), _at("11:30"), auction=15), Section(_at("13:00"), _at("15:00"))))

Versions = tuple[tuple[str, Template], ...]  # (first trading day, template), oldest first
_EVER = "00000000"
INDEX_FROM, _BOND_FROM = "20160104", "20200720"
# The last trading day of a treasury future ends at 11:30, that of an index future ended at 15:00.
BOND_LAST: Versions = ((_EVER, BOND_EARLY.until(1)), (_BOND_FROM, BOND.until(1)))
INDEX_EARLY_LAST: Versions = ((_EVER, _financial("9:15", "15:00")),)
# Trades at settlement end with the first section of the day; since the night of 2023-04-24 at 11:30 (INE 2023/18).
_AT_SETTLEMENT: tuple[tuple[str, int], ...] = ((_EVER, 1), ("20230425", 2))

# Products: the first trading day with a night, the night's end in hours of the evening (25:00 is 1 o'clock), and
# likewise for every change since. Before the first, day sections only.
_NIGHT_HISTORY: dict[str, dict[str, str]] = {
    "shfe": {
        "ag au": "20130708 26:30",
        "al cu pb zn": "20131223 25:00",
        "bu hc rb": "20141229 25:00 20160504 23:00",
        "ru": "20141229 23:00",
        "ni sn": "20150330 25:00",
        "fu": "20180717 23:00",
        "sp": "20181128 23:00",
        "ss": "20190926 25:00",
        "ao": "20230620 25:00",
        "br": "20230731 23:00",
        "ad": "20250611 25:00",
        "op": "20250911 23:00",
        "wr": "",
    },
    "ine": {
        "sc": "20180327 26:30",
        "nr": "20190813 23:00",
        "lu": "20200623 23:00",
        "bc": "20201120 25:00",
        "ec": "",
    },
    "dce": {
        "j p": "20140707 26:30 20150511 23:30 20190401 23:00",
        "a b i jm m y": "20141229 26:30 20150511 23:30 20190401 23:00",
        "c cs eg l pp v": "20190401 23:00",
        "rr": "20190819 23:00",
        "eb": "20190927 23:00",
        "pg": "20200507 23:00",
        "bz": "20250709 23:00",
        "jd bb fb lh lg": "",
    },
    "czce": {
        "me": "20141215 23:30",
        "cf ma rm sr ta": "20141215 23:30 20191212 23:00",
        "zc": "20150519 23:30 20191212 23:00",
        "tc": "20150612 23:30",
        "fg oi": "20150612 23:30 20191212 23:00",
        "cy": "20170821 23:30 20191212 23:00",
        "sa": "20191209 23:30 20191212 23:00",
        "pf": "20201013 23:00",
        "px sh": "20230918 23:00",
        "pr": "20240902 23:00",
        "pl": "20250723 23:00",
        "ap cj ur sf sm pk wh pm ri lr jr rs er gn ro ws wt": "",
    },
    "gfex": {"si lc ps pt pd": ""},
}


def _versions(history: str, *, day_auction: bool) -> Versions:
    words = history.split()
    changes = zip(words[::2], words[1::2], strict=True)
    return ((_EVER, DAY), *((first, _NIGHTS[end, day_auction]) for first, end in changes))


class Exchange(NamedTuple):
    """One exchange: its products' hours, and what its market data have of their own.

    `products` are the templates of each product over time, `default` those of a product that is not among them.
    `derived_turnover`: its turnover is the average price, a whole number, times the volume; it falls when the average
    is rounded down. `action_day_of_session`: the ActionDay of a night row is the trading day, not the day it is.
    """

    default: Versions
    products: dict[str, Versions]
    derived_turnover: bool = False
    action_day_of_session: bool = False


def _commodities(
    venue: str, *, day_auction: bool = True, derived_turnover: bool = False, action_day_of_session: bool = False
) -> Exchange:
    products = {
        product: _versions(history, day_auction=day_auction)
        for products, history in _NIGHT_HISTORY[venue].items()
        for product in products.split()
    }
    return Exchange(((_EVER, DAY),), products, derived_turnover, action_day_of_session)


EXCHANGES: dict[str, Exchange] = {
    "shfe": _commodities("shfe"),
    "ine": _commodities("ine"),
    "dce": _commodities("dce", action_day_of_session=True),
    "czce": _commodities("czce", day_auction=False, derived_turnover=True),
    "gfex": _commodities("gfex"),
    "cffex": Exchange(
        ((_EVER, INDEX),),
        {
            **dict.fromkeys(["if", "ih", "ic", "im", "io", "ho", "mo"], ((_EVER, INDEX_EARLY), (INDEX_FROM, INDEX))),
            **dict.fromkeys(["t", "tf", "ts", "tl"], ((_EVER, BOND_EARLY), (_BOND_FROM, BOND))),
        },
    ),
    "sse": Exchange(((_EVER, STOCK_OPTION),), {}),
    "szse": Exchange(((_EVER, STOCK_OPTION),), {}),
}
PRODUCTS: dict[str, dict[str, Versions]] = {
    venue: exchange.products for venue, exchange in EXCHANGES.items() if exchange.products
}

# Trading days whose night session was suspended for all products; and by one venue, while it changed its system.
NO_NIGHT: tuple[tuple[str, str], ...] = (("20200203", "20200506"),)
NO_NIGHT_AT: dict[str, frozenset[str]] = {"20190902": frozenset({"czce"}), "20191202": frozenset({"czce"})}
# Night sessions that opened late: trading day -> (venues, minute of the evening).
LATE_NIGHT_OPEN: dict[str, tuple[frozenset[str], int]] = {
    "20191226": (frozenset({"shfe", "ine", "dce", "czce"}), _at("22:30")),
}

_VENUE_OF_NUMBER = {
    (8, "1"): "sse",
    (8, "9"): "szse",
    **{(6, first): "sse" for first in "569"},
    **{(6, first): "szse" for first in "0123"},
}
_VENUE_OF = {product: venue for venue, products in PRODUCTS.items() for product in products}


def venue_of(symbol: str) -> str | None:
    """Venue that lists the symbol's product, None for an unknown one; of a combination that of its legs.

    Options on funds, funds and shares are numbered by their exchange: 10008000 and 510050 in Shanghai, 90000001 and
    159915 in Shenzhen.
    """
    product = product_of(symbol)
    if product.isascii() and product.isdigit():
        return _VENUE_OF_NUMBER.get((len(product), product[0]))
    return _VENUE_OF.get(base_of(product.lower()))


def hours_key(symbol: str) -> str:
    """What instruments of the same hours share: the product, of a combination the products of its legs."""
    return "&".join(sorted({product_of(leg).lower() for leg in legs_of(symbol) or (symbol,)}))


def versions_of(venue: str, symbol: str) -> Versions | None:
    """Templates of a product over time; the venue's own day for an unknown product; None for other venues.

    A combination trades while all of its legs do; of a product derived from another one the hours are that one's, and
    trades at settlement end earlier.
    """
    exchange = EXCHANGES.get(venue)
    if exchange is None:
        return None
    products = hours_key(symbol).split("&")
    return _shortest([_of_product(exchange, product) for product in products])


def _of_product(exchange: Exchange, product: str) -> Versions:
    found = exchange.products.get(base_of(product), exchange.default)
    if not product.endswith("_tas"):
        return found
    starts = sorted({start for start, _ in (*found, *_AT_SETTLEMENT)})
    return tuple((start, _since(found, start).until(_since(_AT_SETTLEMENT, start))) for start in starts)


def _since(versions: tuple[tuple[str, _T], ...], day: str) -> _T:
    return [value for start, value in versions if start <= day][-1]


def _shortest(all_versions: list[Versions]) -> Versions:
    """At any time the shortest day; sections of one venue begin alike and differ in where the night ends."""
    if len(all_versions) == 1:
        return all_versions[0]
    starts = sorted({start for versions in all_versions for start, _ in versions})
    return tuple(
        (start, min((_since(versions, start) for versions in all_versions), key=lambda template: template.minutes))
        for start in starts
    )


def has_derived_turnover(venue: str) -> bool:
    """Whether a turnover of the venue may fall while its volume does not; False for other venues."""
    exchange = EXCHANGES.get(venue)
    return exchange is not None and exchange.derived_turnover


def has_action_day_of_session(venue: str) -> bool:
    """Whether the ActionDay of the venue's night rows is the trading day; False for other venues."""
    exchange = EXCHANGES.get(venue)
    return exchange is not None and exchange.action_day_of_session
