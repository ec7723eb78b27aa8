"""Older paths of requests: answered as those that stand in their place, with headers that say which these are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from aiohttp import web

from marketprism_adapters.http.operation import Operation
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.backtests import SubmitBacktest, Submitted
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.orders import CalculateOrder, Calculation
from marketprism_services.api.endpoint import Endpoint
from marketprism_services.api.published.api import PublishedApi

_CALCULATE, _SUCCESSOR = "/api/calculate-order", "/api/v1/orders/calculate"
_BACKTEST, _BACKTESTS = "/api/backtest", "/api/v1/backtests"
_SINCE = date(2026, 11, 28)


class AliasApi:
    """Each is a published request under another path."""

    def __init__(self, published: PublishedApi) -> None:
        self._published = published

    def endpoints(self) -> list[Endpoint]:
        """The paths that there were before."""
        return [
            Endpoint("POST", _CALCULATE, self._calculate, Scope.CALCULATE, deprecated=_SINCE, successor=_SUCCESSOR),
            Endpoint("POST", _BACKTEST, self._backtest, Scope.BACKTEST, 10, deprecated=_SINCE, successor=_BACKTESTS),
        ]

    async def _backtest(self, request: web.Request) -> web.Response:
        return await self._published.serve_as(request, "backtests", ())

    async def _calculate(self, request: web.Request) -> web.Response:
        return await self._published.serve_as(request, "orders", ("calculate",))


def operations() -> Iterator[Operation]:
    """What the documents say of them."""
    yield Operation(
        _CALCULATE,
        f"An order calculated; the older path of `{_SUCCESSOR}`.",
        data=Calculation,
        tag="orders",
        method="POST",
        body=CalculateOrder,
        codes=(Code.UNAVAILABLE, Code.OFF_TICK),
        deprecated=_SINCE,
    )
    yield Operation(
        _BACKTEST,
        f"A strategy run over stored rows; the older path of `{_BACKTESTS}`.",
        data=Submitted,
        tag="backtests",
        method="POST",
        body=SubmitBacktest,
        status=202,
        codes=(Code.UNAVAILABLE, Code.NO_DATA, Code.STRATEGY_IMPORT_FAILED, Code.NOT_ENTITLED),
        deprecated=_SINCE,
    )


TAGS = {"backtests": "Older paths of the backtest service.", "orders": "Older paths of the order service."}

__all__ = ["TAGS", "AliasApi", "operations"]
