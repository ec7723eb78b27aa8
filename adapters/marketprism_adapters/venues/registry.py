"""The venues: one row for each market. Frames say by themselves whose they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from marketprism_adapters.venues.binance.venue import Binance
from marketprism_adapters.venues.deribit.venue import Deribit
from marketprism_adapters.venues.okx.venue import Okx
from marketprism_application.venue import Venue


class Market(NamedTuple):
    """One market of a venue: how it is made, and the hosts that recordings of it name."""

    make: Callable[[str, str], Venue]  # (web socket host, REST host), empty for the venue's own
    hosts: tuple[str, ...]


MARKETS: dict[str, Market] = {
    "binance": Market(
        lambda ws, rest: Binance("spot", ws, rest), ("stream.binance.com", "api.binance.com", "www.binance.com")
    ),
    "binance-usdm": Market(lambda ws, rest: Binance("usdm", ws, rest), ("fstream.binance.com", "fapi.binance.com")),
    "binance-coinm": Market(lambda ws, rest: Binance("coinm", ws, rest), ("dstream.binance.com", "dapi.binance.com")),
    "okx": Market(Okx, ("ws.okx.com", "www.okx.com", "ws.okex.com", "www.okex.com")),
    "deribit": Market(Deribit, ("www.deribit.com", "streams.deribit.com")),
}
