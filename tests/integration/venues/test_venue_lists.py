"""Instrument lists of venues: pages and groups are followed, one bad row leaves out one instrument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from marketprism_adapters.venues.bybit.simulate import BybitDialect
from marketprism_adapters.venues.kit.dialect import Dialect, Reply
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook
from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.live.source import VenueSource
from marketprism_adapters.venues.okx.simulate import OkxDialect
from marketprism_adapters.venues.okx.venue import Okx
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.errors import SourceError
from marketprism_sdk.resilience import Backoff

pytestmark = pytest.mark.timeout(60)
# What is no number, by the name that each venue has for a price step.
_BAD: dict[str, dict[str, Any]] = {
    "binance": {"filters": [{"filterType": "PRICE_FILTER", "tickSize": "a cent"}]},
    "binance-coinm": {"contractSize": "a hundred"},
    "okx": {"tickSz": "a cent"},
    "deribit": {"tick_size": "a cent"},
    "bybit": {"priceFilter": {"tickSize": "a cent"}},
}


async def listed(market: str, dialect: Dialect, symbols: Sequence[str] = ("*",)) -> VenueSource:
    row = MARKETS[market]
    async with SimulatedVenueServer(dialect) as server:
        source = VenueSource(row.make(server.ws_url, server.rest_url), VenueSettings(instruments=tuple(symbols)))
        await source.connect()
        await source.close()
        return source


@pytest.mark.parametrize("market", _BAD)
async def test_an_instrument_whose_terms_cannot_be_read_is_left_out_and_counted(market: str) -> None:
    dialect: Any = DIALECTS[market](("BTC", "ETH"))
    whole = dialect._listed
    dialect._listed = lambda pair: whole(pair) | (_BAD[market] if pair.base == "ETH" else {})
    source = await listed(market, dialect)
    left_out = sum(pair.base == "ETH" for pair in dialect.pairs)
    assert {each.base for each in await source.instruments()} == {"BTC"}
    assert source.skipped == {"instrument": left_out}


@pytest.mark.parametrize("market", _BAD)
async def test_a_list_of_which_nothing_can_be_read_is_an_error_that_says_what_it_was(market: str) -> None:
    dialect: Any = DIALECTS[market](("BTC",))
    whole = dialect._listed
    dialect._listed = lambda pair: whole(pair) | _BAD[market]
    with pytest.raises(SourceError, match=r"expected instruments, none can be read: .* in .*BTC") as caught:
        await listed(market, dialect)
    assert not caught.value.retryable


class InPages(BybitDialect):
    """One instrument a page."""

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        if not path.endswith("instruments-info"):
            return super().get(path, query, books, old=old)
        page = int(query.get("cursor", "0"))
        following = str(page + 1) if page + 1 < len(self.pairs) else ""
        result = {"list": [self._listed(self.pairs[page])], "nextPageCursor": following}
        return Reply(200, {"retCode": 0, "retMsg": "OK", "result": result})


async def test_a_list_in_pages_is_read_to_its_end() -> None:
    source = await listed("bybit", InPages("spot", ("BTC", "ETH", "SOL")))
    assert [each.base for each in await source.instruments()] == ["BTC", "ETH", "SOL"]


class WithOptions(OkxDialect):
    """Lists options by family."""

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        if path.endswith("underlying"):
            return Reply(200, {"code": "0", "msg": "", "data": [["BTC-USD", "SOL-USD"]]})
        if query.get("instType") != "OPTION":
            return super().get(path, query, books, old=old)
        family = query["uly"]
        option = {
            "instId": f"{family}-261225-100-C",
            "instType": "OPTION",
            "tickSz": "0.01",
            "lotSz": "1",
            "minSz": "1",
            "state": "live",
            "uly": family,
            "stk": "100",
            "optType": "C",
            "ctVal": "1",
            "settleCcy": family[:3],
            "expTime": "1798185600000",
        }
        return Reply(200, {"code": "0", "msg": "", "data": [option]})


async def test_options_of_every_family_that_the_venue_names_are_listed() -> None:
    source = await listed("okx", WithOptions(("BTC",)))
    options = [each for each in await source.instruments() if each.class_ == "option"]
    assert [(each.base, each.strike, each.expire_day) for each in options] == [
        ("BTC", 100, "20261225"),
        ("SOL", 100, "20261225"),
    ]


class Stammering(Okx):
    """Cannot say the first subscriptions."""

    failures = 2

    def subscribe(self, streams: Sequence[str], request_id: int, *, undo: bool = False) -> bytes:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("no words")
        return super().subscribe(streams, request_id, undo=undo)


async def test_a_connection_that_cannot_subscribe_is_made_again_instead_of_waiting_in_silence() -> None:
    async with SimulatedVenueServer(OkxDialect(("BTC",)), rate=20.0) as server:
        venue = Stammering(server.ws_url, server.rest_url)
        settings = VenueSettings(instruments=("BTC-USDT",), kinds=("trade",), silent_s=60.0)
        source = VenueSource(venue, settings, backoff=Backoff(0.05, 0.2))
        await source.connect()
        stream = source.stream({})
        async for batch in stream:
            if batch.messages:
                break
        await stream.aclose()  # type: ignore[attr-defined]
        assert source.figures()["losses_total"] == 2
        await source.close()


async def test_only_unknown_instruments_are_an_error() -> None:
    with pytest.raises(SourceError, match="expected instruments that the venue trades, was NOPE-USDT") as caught:
        await listed("okx", OkxDialect(("BTC",)), ("NOPE-USDT",))
    assert not caught.value.retryable
