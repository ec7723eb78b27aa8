"""Order calculations by CPU second of one core: a request as it comes, checked, calculated, and encoded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal

import msgspec

from marketprism_adapters.memory.order_market import KnownOrderMarket
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.contracts.orders import AccountLiquidation, CalculateOrder, SizeOf
from marketprism_application.trading.desk import OrderDesk
from marketprism_domain.trading.arithmetic import exact_arithmetic
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate
from marketprism_domain.trading.liquidation import Leg, liquidation_price
from marketprism_domain.trading.margin_tiers import MarginTiers

_TIMES = 5_000
PERP = {"venue": "binance", "symbol": "BTC-USDT-PERP", "side": "buy", "quantity": "1", "price": "60000", "leverage": 10}
FUTURE = {
    "venue": "shfe",
    "symbol": "ru2609",
    "side": "sell",
    "quantity": 2,
    "price": "13000",
    "settlement": 12900,
    "fees": {"maker": "0.0001", "taker": "0.0001"},
}
HELD = [{"symbol": "BTC-USDT-PERP", "side": side, "quantity": 2, "entry": 60000} for side in ("buy", "sell")]


def measure_orders() -> dict[str, float]:
    """Requests by CPU second, and single functions of the domain as the backtest calls them."""
    desk = OrderDesk(FileTables.read(), KnownOrderMarket())
    return asyncio.run(_measured(desk)) | _functions()


async def _measured(desk: OrderDesk) -> dict[str, float]:
    async def calculate(body: bytes) -> object:
        return await desk.calculate(msgspec.json.decode(body, type=CalculateOrder))

    async def size(body: bytes) -> object:
        return await desk.size(msgspec.json.decode(body, type=SizeOf))

    async def liquidation(body: bytes) -> object:
        return await desk.liquidation(msgspec.json.decode(body, type=AccountLiquidation))

    account = {"venue": "binance", "wallet": 10000, "position_mode": "hedge", "positions": HELD}
    risk = {
        **{name: PERP[name] for name in ("venue", "symbol", "side", "price", "leverage")},
        "risk": 100,
        "stop": 59000,
    }
    return {
        "order_calculations_per_cpu_s": await _rate(calculate, PERP),
        "order_calculations_of_futures_per_cpu_s": await _rate(calculate, FUTURE),
        "order_sizes_per_cpu_s": await _rate(size, risk),
        "order_hedged_accounts_per_cpu_s": await _rate(liquidation, account),
    }


async def _rate(work: Callable[[bytes], Awaitable[object]], body: object) -> float:
    data = msgspec.json.encode(body)
    msgspec.msgpack.encode(await work(data))
    begun = time.process_time()
    for _ in range(_TIMES):
        msgspec.msgpack.encode(await work(data))
    return _TIMES / (time.process_time() - begun)


def _functions() -> dict[str, float]:
    found = FileTables.read().margins("binance", "BTC-USDT-PERP", date(2026, 1, 1))
    assert found is not None
    tiers, terms, leg = found.value, ContractTerms(), Leg(1, Decimal(1), Decimal(60000))
    assert isinstance(tiers, MarginTiers)
    rate = FeeRate(Decimal("0.0005"))
    works: dict[str, Callable[[], object]] = {
        "domain_liquidation_price_us": lambda: liquidation_price(terms, Decimal(6000), (leg,), tiers),
        "domain_fee_us": lambda: rate.fee(terms, leg.quantity, leg.entry),
        "domain_pnl_us": lambda: terms.pnl(1, leg.quantity, leg.entry, Decimal(61000)),
    }
    figures = {}
    with exact_arithmetic():
        for name, work in works.items():
            begun = time.process_time()
            for _ in range(_TIMES):
                work()
            figures[name] = (time.process_time() - begun) / _TIMES * 1e6
    return figures


if __name__ == "__main__":
    for name, figure in measure_orders().items():
        print(f"{name:44} {figure:12,.1f}")
