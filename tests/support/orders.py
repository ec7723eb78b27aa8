"""The order desk with the tables of the package and nothing else, and requests as callers write them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec

from marketprism_adapters.memory.order_market import KnownOrderMarket
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.contracts.orders import (
    Account,
    AccountLiquidation,
    CalculateOrder,
    Calculation,
    Profit,
    ProfitOf,
    Size,
    SizeOf,
)
from marketprism_application.ports.trading_tables import TradingTables
from marketprism_application.trading.desk import OrderDesk

TABLES = FileTables.read()
NOW = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 10**9
PERP = {"venue": "binance", "symbol": "BTC-USDT-PERP", "side": "buy", "quantity": "1", "price": "60000"}


def desk(market: KnownOrderMarket | None = None, tables: TradingTables = TABLES) -> OrderDesk:
    return OrderDesk(tables, market or KnownOrderMarket(), lambda: NOW)


def calculated(market: KnownOrderMarket | None = None, tables: TradingTables = TABLES, **body: object) -> Calculation:
    asked = msgspec.convert(body, CalculateOrder, strict=False)
    return asyncio.run(desk(market, tables).calculate(asked))


def profit(market: KnownOrderMarket | None = None, **body: object) -> Profit:
    return asyncio.run(desk(market).pnl(msgspec.convert(body, ProfitOf, strict=False)))


def liquidated(**body: object) -> Account:
    return asyncio.run(desk().liquidation(msgspec.convert(body, AccountLiquidation, strict=False)))


def sized(**body: object) -> Size:
    return asyncio.run(desk().size(msgspec.convert(body, SizeOf, strict=False)))
