"""A client of a replay: ticks and bars in one stream in the order of their times, and a strategy driven by them."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_backtest import Context, FillMode, RunSettings, Strategy, TickView, paper
from marketprism_client import MarketClient
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_services.replay.republish import Replay, replay
from tests.integration.query.read_side import COUNT, Serve, filled, serve

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]
WANTED = Replay(["rb2505"], None, None, None, "replay", ("tick", "gap"), ("1m",))


class Turns(Strategy):
    """Turns its position round at every thousandth tick."""

    def on_tick(self, ctx: Context, tick: TickView) -> None:
        if tick.seq % 1_000 == 0:
            ctx.target(tick.symbol, 1 if tick.seq % 2_000 else -1)


@pytest.mark.long
async def test_kinds_come_in_one_stream_in_the_order_in_which_they_are_sent(serve: Serve) -> None:
    api = await serve()
    async with asyncio.timeout(120), MarketClient(api.url, prefix="replay") as market:
        rows = market.live.together("rb2505", "1m")

        async def heard() -> list[object]:
            return [row async for row in rows]

        listening = asyncio.create_task(heard())
        await asyncio.sleep(0)
        await market.symbols()  # a round trip: the server has the subscriptions
        await replay(market, api.nats, WANTED)
        found = await listening
    assert sum(isinstance(row, Tick) for row in found) == COUNT
    assert sum(isinstance(row, Bar) for row in found) == 10
    times = [row.ts_close if isinstance(row, Bar) else row.ts_event for row in found]  # type: ignore[attr-defined]
    assert times == sorted(times)


async def test_a_strategy_on_paper_is_driven_by_a_replay_and_ends_with_it(serve: Serve) -> None:
    api = await serve()
    async with asyncio.timeout(120), MarketClient(api.url, prefix="replay") as market:
        settings = RunSettings(fill=FillMode.QUOTE, limit_size=False)
        running = asyncio.create_task(paper(market, Turns, "rb2505", settings=settings, tick="0.5", interval="1m"))
        await asyncio.sleep(0)
        await market.symbols()
        await replay(market, api.nats, WANTED)
        result = await running
    assert (result.state, result.remarks, result.rows) == ("done", (), COUNT + 10)
    assert len(result.decisions) == COUNT // 1_000
