"""Books that are followed live: begun as they stand, then step by step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

import msgspec

from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_application.contracts.failures import Code, wrong_field
from marketprism_domain.marketdata.orderbook import UPDATE, OrderBook
from marketprism_sdk.errors import RemoteError

_TIMEOUT_S = 5.0


class Calls(Protocol):
    """Whatever calls services."""

    async def call(self, service: str, method: str, body: object, *, timeout_s: float) -> object:
        """The answer of a method."""
        ...


Ask = Callable[[OrderBook], Awaitable[OrderBook | None]]


async def joined(steps: AsyncGenerator[OrderBook, None], ask: Ask) -> AsyncIterator[OrderBook]:
    """Steps of an instrument's books; `ask(step)` brings the book that a venue's first update changes.

    The book may be ahead of the step: what it holds already is left out.
    """
    begun: dict[str, int | None] = {}  # by venue: the id that its book stands at, None once the steps are past it
    async with aclosing(steps):
        async for step in steps:
            venue = step.venue
            if step.form != UPDATE:
                begun[venue] = None
            elif venue not in begun:
                book = await ask(step)
                begun[venue] = None if book is None else book.seq
                if book is not None:
                    yield book
            at = begun[venue]
            if at is not None and step.seq <= at:
                continue
            begun[venue] = None
            yield step


async def book_now(calls: Calls, venue: str, symbol: str) -> OrderBook | None:
    """A book as the gateway that keeps it has it, None when none does.

    Raises:
        RemoteError, NoResponders, DeadlineExceeded: whoever would know is away, does not answer, or answers with
            something that is no book.
    """
    try:
        answer = await calls.call("query", "orderbook", BookRequest(venue, symbol, 0), timeout_s=_TIMEOUT_S)
        return msgspec.convert(answer, BookView).as_book()
    except msgspec.ValidationError as error:
        raise RemoteError(Code.MALFORMED_REPLY, f"orderbook: {wrong_field(error, 'book')}") from error
    except RemoteError as error:
        if error.code != Code.UNKNOWN_SYMBOL:
            raise
        return None
