"""Live books over HTTP: `GET /api/v1/orderbook/<venue>/<symbol>`, from the gateway that keeps them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from marketprism_adapters.http.caller_limits import Callers
from marketprism_application.contracts.book_view import MAX_DEPTH
from marketprism_application.errors import UnknownSymbolError
from marketprism_sdk.errors import NoResponders
from marketprism_sdk.messaging import Discovery, RpcClient
from marketprism_services.query.http.routes import base_of, failed, whole_number

_TIMEOUT_S = 2.0
_MOST_KEPT = 10_000


class BookApi:
    """Asks the gateway that had the book last; when it has it no more, every gateway that leads."""

    def __init__(self, calls: RpcClient, callers: Callers) -> None:
        self._calls = calls
        self._callers = callers
        self.discovery: Discovery | None = None
        self._keepers: dict[tuple[str, str], str] = {}

    def routes(self) -> list[web.RouteDef]:
        """One route."""
        return [web.get("/api/v1/orderbook/{venue}/{symbol}", self._book)]

    async def _book(self, request: web.Request) -> web.Response:
        base = base_of(request)
        try:
            found = await self._callers.serve(request, lambda: self._find(request))
        except Exception as error:  # noqa: BLE001 (turned into an answer, or raised again)
            return failed(request, error, base)
        message = f"{len(found['bids'])} bids, {len(found['asks'])} asks"
        body = {"success": True, "data": found, "message": message, **base}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def _find(self, request: web.Request) -> dict[str, Any]:
        whole = request.query.get("depth") == "all"
        depth = 0 if whole else whole_number(request.query, "depth", 20, MAX_DEPTH)
        return await self.find(request.match_info["venue"], request.match_info["symbol"], depth)

    async def find(self, venue: str, symbol: str, depth: int) -> dict[str, Any]:
        """A book as the gateway that keeps it shows it; `depth` 0 for every level.

        Raises:
            UnknownSymbolError: nobody keeps it. SdkError: nobody is there, or does not answer.
        """
        known = self.discovery.instances("gateway") if self.discovery is not None else []
        active = [each.instance for each in known if each.status == "active"]
        if not active:
            raise NoResponders("orderbook: expected a gateway that leads, there is none")
        keeper = self._keepers.get((venue, symbol))
        for instances in ([keeper] if keeper in active else [], active):
            asked = [self._ask(instance, [venue, symbol, depth]) for instance in instances]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            for instance, answer in zip(instances, answers, strict=True):
                if isinstance(answer, dict):
                    self._remember((venue, symbol), instance)
                    return answer
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        of = venue.partition("-")[0]
        hint = f"; a market's venue is its first word, {of}" if of != venue else ""
        raise UnknownSymbolError(f"orderbook: expected an instrument whose book is kept, was {venue}.{symbol}{hint}")

    async def _ask(self, instance: str, question: list[Any]) -> Any:
        return await self._calls.call("gateway", "orderbook", question, instance=instance, timeout_s=_TIMEOUT_S)

    def _remember(self, key: tuple[str, str], instance: str) -> None:
        if len(self._keepers) >= _MOST_KEPT:
            self._keepers.clear()
        self._keepers[key] = instance
