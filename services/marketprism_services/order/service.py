"""Order: calculations by tables that every instance follows, so that any number of them answer alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from marketprism_adapters.nats.order_tables import OrderTableStore
from marketprism_adapters.remote.order_market import RemoteOrderMarket
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, ServiceSettings
from marketprism_services.order.operations import ImportOperations, OrderOperations
from marketprism_services.order.tables_in_force import TablesInForce

_ASK_S = 3.0


class OrderService(Service):
    """Answers `rpc.order.*` and `/api/v1/orders/*`. Prices and terms that a request does not give are asked of the
    query service; without one the tables alone are there. `tables` reads those, in a thread."""

    http_name = "orders"

    def __init__(
        self,
        connection: NatsConnection,
        tables: Callable[[], FileTables],
        *,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("order", connection, version=version, settings=settings)
        self._read_tables = tables

    async def on_start(self) -> None:
        """Read the tables, which are files, and follow those that are imported."""
        market = RemoteOrderMarket(
            self._ask_tick, self._ask_table, lambda kind: self.metrics.count("order_lookups_failed_total", kind=kind)
        )
        files = await asyncio.to_thread(self._read_tables)
        operations = OrderOperations(files, market)
        store = await OrderTableStore.open(self.connection, self.settings.replicas)
        tables = TablesInForce(files, store, operations.use, lambda: self.metrics.count("order_tables_refused_total"))
        await tables.start()
        self.mount(operations)
        self.mount(ImportOperations(tables))
        self.spawn(tables.follow(), "tables followed")

    async def _ask_tick(self, symbol: str) -> bytes | None:
        found = await self.calls.call("query", "latest_tick", symbol, timeout_s=_ASK_S, idempotent=True)
        return cast("bytes | None", found)

    async def _ask_table(self, question: bytes) -> bytes:
        return await self.calls.call_raw("query", "arrow", question, timeout_s=_ASK_S, idempotent=True)


__all__ = ["OrderService"]
