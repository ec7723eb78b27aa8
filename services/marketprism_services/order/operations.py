"""What the order service answers over HTTP (`/api/v1/orders/…`) and over NATS (`rpc.order.…`), the same by both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.kinds import MARK_PRICE, TICK
from marketprism_application.contracts.orders import (
    Account,
    AccountLiquidation,
    CalculateOrder,
    Calculation,
    ImportedShown,
    ImportTable,
    Profit,
    ProfitOf,
    RemoveTable,
    Size,
    SizeOf,
    TableShown,
    TablesOf,
)
from marketprism_application.errors import ApplicationError
from marketprism_application.ports.order_market import NewestPrices, OrderMarket
from marketprism_application.ports.trading_tables import TradingTables
from marketprism_application.trading.desk import OrderDesk
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller
from marketprism_sdk.service import http, rpc
from marketprism_services.order.tables_in_force import TablesInForce
from marketprism_services.wiring.seen import Seen


class NoFields(msgspec.Struct):
    """No argument, and no answer."""


class SeenMarket:
    """OrderMarket of one caller: prices that may not be seen, or only later, are not there."""

    def __init__(self, market: OrderMarket, caller: Caller) -> None:
        self._market = market
        self._seen = Seen(caller, bounds=("delay_s",))

    async def newest(self, venue: str, symbol: str) -> NewestPrices | None:
        """The newest prices that the caller may see."""
        may_tick, may_mark = (self._seen.allows(venue, symbol, of.name) for of in (TICK, MARK_PRICE))
        if not (may_tick or may_mark):
            return None
        found = await self._market.newest(venue, symbol)
        if found is None:
            return None
        last = found.last if may_tick else None
        return found._replace(last=last, mark=found.mark if may_mark else None)

    async def listed(self, venue: str, symbol: str) -> InstrumentRecord | None:
        """Terms, which anybody may see."""
        return await self._market.listed(venue, symbol)


class OrderOperations:
    """Answers of every instance. Calculations change nothing, and nothing is sent to a venue."""

    def __init__(self, tables: TradingTables, market: OrderMarket) -> None:
        self._market = market
        self.use(tables)

    def use(self, tables: TradingTables) -> None:
        """Other tables from now on."""
        self._tables = tables
        self._desk = OrderDesk(tables, self._market)

    def _for(self, caller: Caller | None) -> OrderDesk:
        if caller is None or caller.sees_all:
            return self._desk
        return OrderDesk(self._tables, SeenMarket(self._market, caller))

    @rpc("calculate")
    @http("POST", "/calculate", scope=Scope.CALCULATE)
    async def calculate(self, asked: CalculateOrder, caller: Caller | None = None) -> Calculation:
        """An order as it would be sent: rounded, checked, with margin, cost, fees, break-even and liquidation price."""
        with _refusals():
            return await self._for(caller).calculate(asked)

    @rpc("pnl")
    @http("POST", "/pnl", scope=Scope.CALCULATE)
    async def pnl(self, asked: ProfitOf, caller: Caller | None = None) -> Profit:
        """Profit of a position at a price, before and after fees."""
        with _refusals():
            return await self._for(caller).pnl(asked)

    @rpc("liquidation")
    @http("POST", "/liquidation", scope=Scope.CALCULATE, weight=2)
    async def liquidation(self, asked: AccountLiquidation, caller: Caller | None = None) -> Account:
        """Where the positions of an account are liquidated, and what it must keep."""
        with _refusals():
            return await self._for(caller).liquidation(asked)

    @rpc("size")
    @http("POST", "/size", scope=Scope.CALCULATE)
    async def size(self, asked: SizeOf, caller: Caller | None = None) -> Size:
        """How much to trade by what a stop may lose, by a budget, or by the less of both."""
        with _refusals():
            return await self._for(caller).size(asked)

    @rpc("tables")
    @http("GET", "/tables/{venue}", scope=Scope.CALCULATE)
    async def tables(self, asked: TablesOf) -> list[TableShown]:
        """Every row of the reference tables of a venue, with its source and day."""
        with _refusals():
            return await self._desk.tables(asked)


class ImportOperations:
    """Tables that are imported, which every instance follows. Importing and removing are changes."""

    def __init__(self, tables: TablesInForce) -> None:
        self._tables = tables

    @rpc("imported")
    @http("GET", "/imports", scope=Scope.CALCULATE)
    async def imported(self, _: NoFields) -> list[ImportedShown]:
        """Every imported table, by venue, list and day."""
        return self._tables.imported()

    @rpc("import_table")
    @http("PUT", "/imports/{venue}/{kind}/{as_of}", scope=Scope.OPERATE, weight=20)
    async def import_table(self, asked: ImportTable, caller: Caller | None = None) -> ImportedShown:
        """Have a list that a venue answered hold from its day on."""
        who = caller.id if caller is not None else asked.who[:100]
        return await self._tables.add(asked.venue, asked.kind, asked.as_of, asked.answer, who)

    @rpc("remove_table")
    @http("DELETE", "/imports/{venue}/{kind}/{as_of}", scope=Scope.OPERATE)
    async def remove_table(self, asked: RemoveTable) -> NoFields:
        """Take an imported table out."""
        await self._tables.remove(asked.venue, asked.kind, asked.as_of)
        return NoFields()


@contextmanager
def _refusals() -> Iterator[None]:
    """What is refused leaves by its code, with the field, the value and what was expected."""
    try:
        yield
    except ApplicationError as error:
        raise RemoteError(error.code, str(error), dict(error.details), retryable=error.retryable) from error


__all__ = ["ImportOperations", "OrderOperations", "SeenMarket"]
