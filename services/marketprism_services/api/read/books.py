"""Books as they stand: `GET /api/v1/orderbook/<venue>/<symbol>`, from the gateway that keeps them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, failed
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.read.entitled import bounded_book
from marketprism_services.api.read.requests import LiveBookParameters
from marketprism_services.api.row_counts import check_rows, take_rows

Find = Callable[[BookRequest], Awaitable[BookView]]


class BookApi:
    """`find` asks the read side, which knows who keeps a book."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def endpoints(self) -> list[Endpoint]:
        """The live order book."""
        return [Endpoint("GET", "/api/v1/orderbook/{venue}/{symbol}", self._book, Scope.READ)]

    async def _book(self, request: web.Request) -> web.Response:
        stamp = Stamp.of(request)
        try:
            check_rows(request)
            asked = LiveBookParameters.of(request)
            wanted = BookRequest(asked.venue, asked.symbol, asked.depth)
            found = await self._find(bounded_book(principal_of(request), wanted))
            take_rows(request, 1)
        except Exception as error:  # noqa: BLE001 (turned into an answer, or raised again)
            return failed(request, error, stamp)
        return answered(found, f"{len(found.bids)} bids, {len(found.asks)} asks", stamp)
