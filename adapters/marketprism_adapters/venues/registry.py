"""The venues: one row for each market. Frames say by themselves whose they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from marketprism_adapters.venues.binance.simulate import BinanceDialect
from marketprism_adapters.venues.binance.venue import Binance
from marketprism_adapters.venues.bybit.simulate import BybitDialect
from marketprism_adapters.venues.bybit.venue import Bybit
from marketprism_adapters.venues.deribit.simulate import DeribitDialect
from marketprism_adapters.venues.deribit.venue import Deribit
from marketprism_adapters.venues.kit.dialect import Dialect
from marketprism_adapters.venues.okx.simulate import OkxDialect
from marketprism_adapters.venues.okx.venue import Okx
from marketprism_application.venues.protocol import Venue


class Market(NamedTuple):
    """One market of a venue: how it is made, and the hosts that recordings of it name: with the start of the path, or
    with what is asked, where these tell markets apart."""

    make: Callable[[str, str], Venue]  # (web socket host, REST host), empty for the venue's own
    simulate: Callable[[Sequence[str]], Dialect]  # of base currencies
    hosts: tuple[str, ...]


def _bybit(category: str) -> Market:
    return Market(
        lambda ws, rest: Bybit(category, ws, rest), lambda bases: BybitDialect(category, bases),
        (f"stream.bybit.com/v5/public/{category}", f"api.bybit.com?category={category}"),
    )  # fmt: skip


def _binance(market: str, *hosts: str) -> Market:
    return Market(lambda ws, rest: Binance(market, ws, rest), lambda bases: BinanceDialect(market, bases), hosts)


_SPOT_HOSTS = (
    "stream.binance.com", "api.binance.com", "www.binance.com", "data-stream.binance.vision",
    "data-api.binance.vision", "api1.binance.com", "api2.binance.com", "api3.binance.com", "api4.binance.com",
    "api-gcp.binance.com",
)  # fmt: skip
_OKX_HOSTS = ("ws.okx.com", "wsaws.okx.com", "www.okx.com", "aws.okx.com", "ws.okex.com", "www.okex.com")

MARKETS: dict[str, Market] = {
    "binance": _binance("spot", *_SPOT_HOSTS),
    "binance-usdm": _binance("usdm", "fstream.binance.com", "fapi.binance.com"),
    "binance-coinm": _binance("coinm", "dstream.binance.com", "dapi.binance.com"),
    "bybit": _bybit("spot"),
    "bybit-linear": _bybit("linear"),
    "okx": Market(Okx, lambda bases: OkxDialect(bases, swaps=True), _OKX_HOSTS),
    "deribit": Market(Deribit, DeribitDialect, ("www.deribit.com", "streams.deribit.com")),
}
