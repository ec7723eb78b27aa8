"""The venues: one row for each market. Recordings are recognised by the signs of the venue (`kit/signs.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from marketprism_adapters.venues.binance import signs as binance
from marketprism_adapters.venues.binance.archive import VisionLayout
from marketprism_adapters.venues.binance.history import BinanceHistory
from marketprism_adapters.venues.binance.venue import Binance
from marketprism_adapters.venues.bybit import signs as bybit
from marketprism_adapters.venues.bybit.history import BybitHistory
from marketprism_adapters.venues.bybit.venue import Bybit
from marketprism_adapters.venues.deribit import signs as deribit
from marketprism_adapters.venues.deribit.history import DeribitHistory
from marketprism_adapters.venues.deribit.venue import Deribit
from marketprism_adapters.venues.kit.signs import VenueSigns
from marketprism_adapters.venues.okx import signs as okx
from marketprism_adapters.venues.okx.history import OkxHistory
from marketprism_adapters.venues.okx.venue import Okx
from marketprism_application.venues.history import ArchiveLayout, VenueHistory
from marketprism_application.venues.protocol import Venue


class Market(NamedTuple):
    """One market of a venue: how it is made, how recordings of the venue are recognised, its history by its REST
    host, and its public archive where it has one.

    A simulated one is made by the market's row of `simulator/registry.py`: live gateways need no simulator.
    """

    make: Callable[[str, str], Venue]  # (web socket host, REST host), empty for the venue's own
    signs: VenueSigns
    history: Callable[[str], VenueHistory]
    archive: Callable[[], ArchiveLayout] | None = None


def _binance(market: str) -> Market:
    return Market(
        lambda ws, rest: Binance(market, ws, rest),
        binance.SIGNS,
        lambda rest: BinanceHistory(market, rest),
        lambda: VisionLayout(market),
    )


def _bybit(category: str) -> Market:
    return Market(lambda ws, rest: Bybit(category, ws, rest), bybit.SIGNS, lambda rest: BybitHistory(category, rest))


# Hours between two settlements of funding, counted from midnight UTC. Binance and OKX publish 00:00, 08:00 and 16:00 as
# the rule of their perpetual contracts; Deribit accrues all the time and shows the sum of 8 hours at the same instants.
FUNDING_HOURS: Mapping[str, int] = MappingProxyType({"binance": 8, "deribit": 8, "okx": 8})

MARKETS: dict[str, Market] = {
    "binance": _binance("spot"),
    "binance-usdm": _binance("usdm"),
    "binance-coinm": _binance("coinm"),
    "bybit": _bybit("spot"),
    "bybit-linear": _bybit("linear"),
    "okx": Market(Okx, okx.SIGNS, OkxHistory),
    "deribit": Market(Deribit, deribit.SIGNS, DeribitHistory),
}


def budget_name(market: str, rest_url: str = "") -> str:
    """The name under which a market's budgets are shared: another host in the place of the venue's has its own."""
    return f"{market}@{urlsplit(rest_url).netloc or rest_url}" if rest_url else market
