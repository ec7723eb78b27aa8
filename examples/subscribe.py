"""Live ticks of an instrument, three of them."""

import asyncio

from marketprism_client import MarketClient


async def main() -> None:
    seen = 0
    async with MarketClient("nats://127.0.0.1:4222") as market:
        async for tick in market.ticks("rb2505"):
            print(tick.symbol, tick.last, tick.volume, tick.verdict)
            seen += 1
            if seen == 3:
                break


asyncio.run(main())
