"""Books as they stand, from the gateway that keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_application.contracts.failures import Code, wrong_field
from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_application.queries.symbol_names import StoredName
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.written_names import venue_named
from marketprism_domain.values import InstrumentId
from marketprism_sdk.errors import NoResponders, RemoteError
from marketprism_sdk.messaging import Discovery, RpcClient

Meant = Callable[[str, str | None], Awaitable[StoredName]]  # the stored name of a symbol that is written otherwise
_TIMEOUT_S = 2.0
_MOST_KEPT = 10_000


class BookFinder:
    """Asks the gateway that had the book last; when it has it no more, every gateway that leads."""

    def __init__(self, calls: RpcClient, meant: Meant | None = None) -> None:
        self._meant = meant
        self._calls = calls
        self.discovery: Discovery | None = None
        self._keepers: dict[tuple[str, str], str] = {}

    async def find(self, asked: BookRequest) -> BookView:
        """A book as the gateway that keeps it shows it; of a symbol that is written otherwise, that of the stored one.

        Raises:
            QueryError: it is of no instrument. UnknownSymbolError: nobody keeps it.
            SdkError: nobody is there, does not answer, or answers with no book.
        """
        asked = msgspec.structs.replace(asked, venue=venue_named(asked.venue))
        try:
            return await self._followed(asked)
        except UnknownSymbolError:
            if self._meant is None:
                raise
            meant = await self._meant(asked.symbol, asked.venue.partition("-")[0])
            if meant.symbol == asked.symbol:
                raise
            return await self._followed(msgspec.structs.replace(asked, symbol=meant.symbol))

    async def _followed(self, asked: BookRequest) -> BookView:
        venue, symbol = asked.venue, asked.symbol
        of = venue.partition("-")[0]
        try:
            InstrumentId.of(of, symbol)
        except InvalidValue as error:
            raise QueryError(str(error)) from error
        known = self.discovery.instances("gateway") if self.discovery is not None else []
        active = [each.instance for each in known if each.status == "active"]
        if not active:
            raise NoResponders("orderbook: expected a gateway that leads, there is none")
        keeper = self._keepers.get((venue, symbol))
        for instances in ([keeper] if keeper in active else [], active):
            calls = [self._ask(instance, asked) for instance in instances]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            for instance, answer in zip(instances, answers, strict=True):
                if isinstance(answer, BookView):
                    self._remember((venue, symbol), instance)
                    return answer
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        hint = f"; a market's venue is its first word, {of}" if of != venue else ""
        raise UnknownSymbolError(f"orderbook: expected an instrument whose book is kept, was {venue}.{symbol}{hint}")

    async def _ask(self, instance: str, asked: BookRequest) -> BookView | None:
        shown: Any = await self._calls.call("gateway", "orderbook", asked, instance=instance, timeout_s=_TIMEOUT_S)
        try:
            return msgspec.convert(shown, BookView | None)
        except msgspec.ValidationError as error:
            raise RemoteError(Code.MALFORMED_REPLY, f"orderbook of {instance}: {wrong_field(error, 'book')}") from error

    def _remember(self, key: tuple[str, str], instance: str) -> None:
        if len(self._keepers) >= _MOST_KEPT:
            self._keepers.clear()
        self._keepers[key] = instance
