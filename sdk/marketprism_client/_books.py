"""Books that are followed live: begun as they stand, then step by step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Any

from marketprism_domain.marketdata.orderbook import INVALID, SNAPSHOT, UPDATE, OrderBook
from marketprism_domain.values import BookLevel
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import RpcClient

_TIMEOUT_S = 5.0
Ask = Callable[[str], Awaitable[OrderBook | None]]


async def joined(steps: AsyncGenerator[OrderBook, None], ask: Ask) -> AsyncIterator[OrderBook]:
    """Steps of an instrument's books; `ask(venue)` brings the book that a venue's first update changes.

    The book may be ahead of the step: what it holds already is left out.
    """
    begun: dict[str, int | None] = {}  # by venue: the id that its book stands at, None once the steps are past it
    async with aclosing(steps):
        async for step in steps:
            venue = step.venue
            if step.form != UPDATE:
                begun[venue] = None
            elif venue not in begun:
                book = await ask(venue)
                begun[venue] = None if book is None else book.seq
                if book is not None:
                    yield book
            at = begun[venue]
            if at is not None and step.seq <= at:
                continue
            begun[venue] = None
            yield step


async def book_now(calls: RpcClient, venue: str, symbol: str) -> OrderBook | None:
    """A book as the gateway that keeps it has it, None when none does.

    Raises:
        RemoteError, NoResponders, DeadlineExceeded: whoever would know is away or does not answer.
    """
    try:
        return book_of(await calls.call("query", "orderbook", [venue, symbol, 0], timeout_s=_TIMEOUT_S))
    except RemoteError as error:
        if error.code != "UNKNOWN_SYMBOL":
            raise
        return None


def book_of(shown: Mapping[str, Any]) -> OrderBook:
    """A book as a gateway shows it, as the snapshot that it is."""
    floor, ceiling = (None if each is None else Decimal(each) for each in (shown["bid_floor"], shown["ask_ceiling"]))
    bids, asks = (
        tuple(BookLevel(Decimal(price), Decimal(quantity)) for price, quantity in shown[side])
        for side in ("bids", "asks")
    )  # fmt: skip
    valid = bool(shown["valid"])
    return OrderBook(
        shown["venue"], shown["symbol"], "", 0, shown["seq"], shown["ts_event"], shown["ts_recv"], shown["ts_recv"],
        SNAPSHOT if valid else INVALID, valid, shown["seq"], None, bids, asks, floor, ceiling,
    )  # fmt: skip
