"""`SyncMarketClient.orders`: the methods of `MarketClient.orders` for callers without an event loop."""

from __future__ import annotations

from marketprism_application.contracts.orders import Account, Calculation, Profit, Size, TableShown
from marketprism_client._loop_thread import LoopThread
from marketprism_client._orders import Orders


class SyncOrders:
    """Questions to the order service; arguments and errors are those of `Orders`."""

    def __init__(self, loop: LoopThread, orders: Orders) -> None:
        self._loop = loop
        self._orders = orders

    def calculate(self, **fields: object) -> Calculation:
        """An order as it would be sent, its margin, cost, fees and liquidation price."""
        return self._loop.run(self._orders.calculate(**fields))

    def pnl(self, **fields: object) -> Profit:
        """Profit of a position at a price."""
        return self._loop.run(self._orders.pnl(**fields))

    def liquidation(self, **fields: object) -> Account:
        """Where the positions of an account are liquidated."""
        return self._loop.run(self._orders.liquidation(**fields))

    def size(self, **fields: object) -> Size:
        """How much to trade by risk, by budget or by both."""
        return self._loop.run(self._orders.size(**fields))

    def tables(self, venue: str, *, at: int = 0) -> list[TableShown]:
        """The rows of a venue's tables that hold at the instant `at`."""
        return self._loop.run(self._orders.tables(venue, at=at))
