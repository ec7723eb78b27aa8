"""Books as they stand: `GET /api/v1/orderbook/<venue>/<symbol>`, from the gateway that keeps them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, failed
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_application.contracts.failures import Code, wrong_field
from marketprism_application.contracts.kinds import ORDERBOOK
from marketprism_sdk.errors import RemoteError
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.read.entitled import NotEntitled
from marketprism_services.api.read.requests import LiveBookParameters

Call = Callable[[str, object], Awaitable[object]]


class BookApi:
    """Asks the read side, which knows who keeps a book."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def endpoints(self) -> list[Endpoint]:
        """The live order book."""
        return [Endpoint("GET", "/api/v1/orderbook/{venue}/{symbol}", self._book, Scope.READ)]

    async def _book(self, request: web.Request) -> web.Response:
        stamp = Stamp.of(request)
        try:
            found = await self._find(request)
        except Exception as error:  # noqa: BLE001 (turned into an answer, or raised again)
            return failed(request, error, stamp)
        return answered(found, f"{len(found.bids)} bids, {len(found.asks)} asks", stamp)

    async def _find(self, request: web.Request) -> BookView:
        asked = LiveBookParameters.of(request)
        who, venue = principal_of(request), asked.venue.partition("-")[0]
        granted = who.entitlements.of(venue, asked.symbol, ORDERBOOK.name)
        if granted is None:
            raise NotEntitled(f"orderbook: expected one that {who.id} may see, was {asked.venue}.{asked.symbol}"[:200])
        depth = asked.depth if granted.depth is None else min(asked.depth or granted.depth, granted.depth)
        shown = await self._call("orderbook", BookRequest(asked.venue, asked.symbol, depth))
        try:
            return shown if isinstance(shown, BookView) else msgspec.convert(shown, BookView)
        except msgspec.ValidationError as error:
            raise RemoteError(Code.MALFORMED_REPLY, f"orderbook: {wrong_field(error, 'book')}") from error
