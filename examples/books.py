"""A book as it stands, and the next trade."""

import asyncio

from marketprism_client import MarketClient


async def main() -> None:
    async with MarketClient("nats://127.0.0.1:4222") as market:
        async for book in market.books("BTC-USDT", venue="okx", wait=True):
            print(book.symbol, book.form, len(book.bids), len(book.asks), book.bids[0].price < book.asks[0].price)
            break
        async for trade in market.trades("BTC-USDT", wait=True):
            print(trade.symbol, trade.side, trade.price, trade.quantity)
            break


asyncio.run(main())
