"""`MarketClient.orders`: what an order costs, how much to trade, and where an account is liquidated."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from marketprism_application.contracts.failures import Code, wrong_field
from marketprism_application.contracts.orders import (
    Account,
    AccountLiquidation,
    CalculateOrder,
    Calculation,
    Profit,
    ProfitOf,
    Size,
    SizeOf,
    TableShown,
    TablesOf,
)
from marketprism_client._failures import QueryFailed, query_failures

if TYPE_CHECKING:
    from marketprism_client._session import Session

T = TypeVar("T")


class Orders:
    """Questions to the order service; nothing is sent to a venue. Fields are those of the named request, numbers as
    texts, integers, floats or decimals.

    All raise QueryFailed: a field is wrong (INVALID_PARAMETER, OFF_TICK, LEVERAGE_TOO_HIGH, ORDER_REFUSED, NO_PRICE);
    NoResponders, DeadlineExceeded, NotConnected (marketprism_sdk.errors): no order service answers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def calculate(self, **fields: object) -> Calculation:
        """An order as it would be sent, its margin, cost, fees and where it ends: `contracts.orders.CalculateOrder`.

        `await market.orders.calculate(venue="binance", symbol="BTC-USDT-PERP", side="buy", quantity="0.5",
        price="60000", leverage=10)`; without a price the newest of the platform.
        """
        return await self._asked("calculate", fields, CalculateOrder, Calculation)

    async def pnl(self, **fields: object) -> Profit:
        """Profit of a position at a price: `contracts.orders.ProfitOf`."""
        return await self._asked("pnl", fields, ProfitOf, Profit)

    async def liquidation(self, **fields: object) -> Account:
        """Where the positions of an account are liquidated: `contracts.orders.AccountLiquidation`."""
        return await self._asked("liquidation", fields, AccountLiquidation, Account)

    async def size(self, **fields: object) -> Size:
        """How much to trade by risk, by budget or by both: `contracts.orders.SizeOf`."""
        return await self._asked("size", fields, SizeOf, Size)

    async def tables(self, venue: str, *, at: int = 0) -> list[TableShown]:
        """The rows of a venue's tables that hold at the instant `at` (nanoseconds UTC, 0 for now)."""
        return await self._asked("tables", {"venue": venue, "at": at}, TablesOf, list[TableShown])

    async def _asked(self, method: str, fields: dict[str, object], kind: type[object], answer: type[T]) -> T:
        try:
            body = msgspec.convert(fields, kind, strict=False)
        except msgspec.ValidationError as error:
            raise QueryFailed(Code.INVALID_PARAMETER, wrong_field(error, method)) from error
        with query_failures():
            session = self._session
            found = await session.line.call("order", method, msgspec.to_builtins(body), timeout_s=session.timeout_s)
        return msgspec.convert(found, answer)
