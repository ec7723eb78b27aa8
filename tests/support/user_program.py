"""A program as users write it, for type checkers in their strict mode (`make test-types`); nobody runs it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from marketprism_backtest import BarView, Context, Strategy
from marketprism_client import Answer, MarketClient, QueryFailed, SyncMarketClient, UnknownSymbol
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.errors import NotConnected


class Breakout(Strategy):
    """Remembers the highest close of all bars."""

    highest = Decimal(0)

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        self.highest = max(self.highest, bar.close)


def spread(tick: Tick) -> Decimal | None:
    return tick.asks[0].price - tick.bids[0].price if tick.asks and tick.bids else None


async def watch(url: str) -> list[Decimal]:
    found: list[Decimal] = []
    async with MarketClient(url, key="…") as market:
        bars: Answer[Bar] = await market.bars("ru1901", "1m", "2018-10-08", last=5)
        found += [bar.close for bar in bars]
        async for tick in market.live.ticks("ru1901"):
            if (wide := spread(tick)) is not None:
                found.append(wide)
            if len(found) > 10:
                break
    return found


def main() -> None:
    try:
        print(asyncio.run(watch("https://example.org")))
        with SyncMarketClient() as market:
            answer = market.history.ticks("ru1901", last=10)
            print(len(answer), answer.to_pandas().shape, [tick.last for tick in answer])
    except UnknownSymbol as error:
        print(error.code)
    except (NotConnected, QueryFailed) as error:
        print(error)
