"""Order: calculations that keep nothing, so that any number of instances answer alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from marketprism_adapters.remote.order_market import RemoteOrderMarket
from marketprism_application.ports.trading_tables import TradingTables
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, ServiceSettings
from marketprism_services.order.operations import OrderOperations

_ASK_S = 3.0


class OrderService(Service):
    """Answers `rpc.order.*` and `/api/v1/orders/*`. Prices and terms that a request does not give are asked of the
    query service; without one the tables alone are there. `tables` reads those, in a thread."""

    http_name = "orders"

    def __init__(
        self,
        connection: NatsConnection,
        tables: Callable[[], TradingTables],
        *,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("order", connection, version=version, settings=settings)
        self._read_tables = tables

    async def on_start(self) -> None:
        """Read the tables, which are files."""
        market = RemoteOrderMarket(
            self._ask_tick, self._ask_table, lambda kind: self.metrics.count("order_lookups_failed_total", kind=kind)
        )
        self.mount(OrderOperations(await asyncio.to_thread(self._read_tables), market))

    async def _ask_tick(self, symbol: str) -> bytes | None:
        found = await self.calls.call("query", "latest_tick", symbol, timeout_s=_ASK_S, idempotent=True)
        return cast("bytes | None", found)

    async def _ask_table(self, question: bytes) -> bytes:
        return await self.calls.call_raw("query", "arrow", question, timeout_s=_ASK_S, idempotent=True)


__all__ = ["OrderService"]
