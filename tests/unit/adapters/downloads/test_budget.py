"""A download draws from the budget of what is live, and stands behind it."""

from __future__ import annotations

import asyncio

from marketprism_adapters.venues.live.history import RestHistory
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.venues.protocol import RestRequest
from marketprism_sdk.resilience import Priority
from tests.support.downloads import QUICK, klines, simulated, symbol_of

MARKET = "bybit"


async def test_what_is_live_goes_before_a_download_that_waited_longer() -> None:
    """The bucket has one request in it and gets ten a second: of six pages that wait and one live request that comes
    after them, the live one is next."""
    ended: list[str] = []
    async with simulated(MARKET) as venue:
        history = MARKETS[MARKET].history(venue.rest_url)
        limits = history.venue.limits._replace(budgets={"rest": (10.0, 1.0)})
        async with RestClient(venue.rest_url, limits) as rest:
            it = RestHistory(history, rest, backoff=QUICK)
            parts = await it.plan(klines(MARKET, symbol_of(venue), 3_000))

            async def page() -> None:
                await it.fetch(parts[0])
                ended.append("page")

            async def live() -> None:
                request = RestRequest("/v5/market/orderbook", {"symbol": "BTCUSDT", "limit": "1"})
                await rest.get(request, Priority.LOW)
                ended.append("live")

            pages = [asyncio.create_task(page()) for _ in range(6)]
            await asyncio.sleep(0)
            await asyncio.gather(live(), *pages)
            assert ended.index("live") <= 1
            budget = it.budget(KLINE.name)
            assert budget.used > 6


def test_a_download_has_the_lowest_priority() -> None:
    """`BULK` is behind everything that a live gateway asks for."""
    assert Priority.BULK > Priority.LOW > Priority.NORMAL > Priority.HIGH
