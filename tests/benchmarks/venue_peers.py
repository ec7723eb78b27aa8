"""Run in an environment of its own: the same frames through cryptofeed and ccxt.pro. Prints one JSON object."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from statistics import median
from typing import Any

SECONDS = 1.0


async def rate(work: Any, block: int) -> int:
    """Messages a second, the median of five runs; the collector of cycles is off."""
    found = []
    gc.disable()
    for _ in range(5):
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < SECONDS / 5:
            await work()
            done += block
        found.append(done / (time.perf_counter() - started))
        gc.collect()
    gc.enable()
    return round(median(found))


async def cryptofeed(given: dict[str, Any]) -> dict[str, Any]:
    """cryptofeed's own handler of Binance futures frames."""
    from cryptofeed.defines import L2_BOOK, TRADES
    from cryptofeed.exchanges import BinanceFutures
    from cryptofeed.symbols import Symbols

    Symbols.set(
        BinanceFutures.id,
        {"BTC-USDT-PERP": "BTCUSDT"},
        {"instrument_type": {"BTC-USDT-PERP": "perpetual"}, "tick_size": {}},
    )

    async def nothing(*_: Any) -> None:
        return None

    feed = BinanceFutures(
        symbols=["BTC-USDT-PERP"], channels=[TRADES, L2_BOOK], callbacks={TRADES: nothing, L2_BOOK: nothing}
    )
    trade = json.dumps(given["trade"])

    class Connection:
        uuid = "bench"

    connection = Connection()

    async def trades() -> None:
        for _ in range(500):
            await feed.message_handler(trade, connection, 1.0)

    return {"cryptofeed aggTrade": await rate(trades, 500), **await _cryptofeed_books(feed, given, connection)}


async def _cryptofeed_books(feed: Any, given: dict[str, Any], connection: Any) -> dict[str, Any]:
    from decimal import Decimal

    from cryptofeed.types import OrderBook

    frames = [json.dumps(frame) for frame in given["depth"]]
    snapshot = given["snapshot"]

    def fresh() -> None:
        book = OrderBook(feed.id, "BTC-USDT-PERP", max_depth=feed.max_depth)
        book.book.bids = {Decimal(p): Decimal(q) for p, q in snapshot["bids"]}
        book.book.asks = {Decimal(p): Decimal(q) for p, q in snapshot["asks"]}
        feed._l2_book["BTC-USDT-PERP"] = book
        feed.last_update_id["BTC-USDT-PERP"] = 1_000

    async def books() -> None:
        fresh()
        for frame in frames:
            await feed.message_handler(frame, connection, 1.0)

    return {"cryptofeed depth 20+20": await rate(books, len(frames))}


async def ccxt(given: dict[str, Any]) -> dict[str, Any]:
    """ccxt.pro's handlers, json.loads included."""
    import ccxt.pro as pro

    exchange = pro.binanceusdm()
    market = exchange.safe_market_structure(
        {
            "id": "BTCUSDT",
            "symbol": "BTC/USDT:USDT",
            "base": "BTC",
            "quote": "USDT",
            "settle": "USDT",
            "baseId": "BTC",
            "quoteId": "USDT",
            "type": "swap",
            "swap": True,
            "spot": False,
            "future": False,
            "option": False,
            "margin": False,
            "linear": True,
            "inverse": False,
            "contract": True,
            "active": True,
            "contractSize": 1.0,
        }
    )
    exchange.set_markets([market])

    class Client:
        url = "wss://fstream.binance.com/ws"
        subscriptions: dict[str, Any] = {}

        def resolve(self, *_: Any) -> None: ...

        def reject(self, *_: Any) -> None: ...

    client = Client()
    trade = json.dumps(given["trade"])

    async def trades() -> None:
        for _ in range(500):
            exchange.handle_message(client, json.loads(trade)["data"])

    found = {"ccxt.pro aggTrade": await rate(trades, 500)}
    book = exchange.order_book({}, 1000)
    frames = [json.dumps(frame) for frame in given["depth"]]
    snapshot = given["snapshot"]

    async def books() -> None:
        book.reset(
            {
                "bids": [[float(p), float(q)] for p, q in snapshot["bids"]],
                "asks": [[float(p), float(q)] for p, q in snapshot["asks"]],
                "nonce": 1_000,
                "symbol": market["symbol"],
            }
        )
        for frame in frames:
            exchange.handle_order_book_message(client, json.loads(frame)["data"], book)

    found["ccxt.pro depth 20+20"] = await rate(books, len(frames))
    await exchange.close()
    return found


async def main() -> None:
    """Each peer by itself: one that cannot be run says why."""
    given = json.load(sys.stdin)
    found: dict[str, Any] = {"python": sys.version.split()[0]}
    for name, work in (("cryptofeed", cryptofeed), ("ccxt", ccxt)):
        try:
            found |= await work(given)
        except Exception as error:
            found[name] = f"not measured: {error!r}"
    json.dump(found, sys.stdout)


asyncio.run(main())
