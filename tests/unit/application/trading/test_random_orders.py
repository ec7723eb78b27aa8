"""Bodies of requests as nobody would write them: each is answered, or refused by a code that is the caller's mistake.

`MARKETPRISM_RANDOM_ORDERS` says how many; a few thousand without.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter

import msgspec

from marketprism_adapters.memory.order_market import KnownOrderMarket
from marketprism_application.contracts.failures import consequence_of
from marketprism_application.contracts.orders import AccountLiquidation, CalculateOrder, ProfitOf, SizeOf
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller, HttpCall
from marketprism_sdk.service._handlers import marked
from marketprism_sdk.service._offering import Offering
from marketprism_services.order.operations import OrderOperations
from tests.support.orders import TABLES

MANY = int(os.environ.get("MARKETPRISM_RANDOM_ORDERS", "4000"))
KINDS = {
    "calculate": CalculateOrder,
    "pnl": ProfitOf,
    "liquidation": AccountLiquidation,
    "size": SizeOf,
}
INSTRUMENTS = [
    *(("binance", each) for each in ("BTC-USDT-PERP", "ETH-USDT-PERP", "BTC-USD-PERP", "BTC-USDT", "X-USD-PERP")),
    *(("okx", each) for each in ("BTC-USDT-PERP", "BTC-USD-PERP", "ETH-USDT-PERP")),
    *(("bybit", each) for each in ("BTC-USDT-PERP", "BTC-USD-PERP", "BTC-USD-250328")),
    *(("deribit", each) for each in ("BTC-USD-PERP", "SOL-USDC-PERP", "BTC-27DEC24-100000-C", "BTC-27DEC24-100000-P")),
    *(("shfe", each) for each in ("ru1901", "cu1905", "rb2505C3000")),
    *(("dce", each) for each in ("m2505", "m2505-C-3000")),
    *(("cffex", each) for each in ("IF2101", "IO2501-P-4000")),
    *(("sse", each) for each in ("510050C2512M03000", "10008000")),
    *(("czce", each) for each in ("AP010", "SPD SR509&SR511")),
]
NUMBERS = [
    *("1", "0.5", "60000", "0.01", "100", "12345", "3", "10", "0.0001", "1e-18", "99999999999999999999", "0.019"),
    *(1, 0, -1, 0.1, 1e300, "NaN", "Infinity", "-0", "1e999999999", "1e-999999999", "-5", 2**70, float("inf")),
]
ODD = [None, "", "abc", True, [], {}, "\x00", "x" * 5000, [1, 2], {"a": 1}, "买"]


def number(luck: random.Random) -> object:
    if luck.random() < 0.97:
        return luck.choice(NUMBERS[:12])
    return luck.choice(NUMBERS)


SHARES = ("stop_share", "entry_share", "take_share", "margin_rate", "funding_rate")


def value(luck: random.Random, kind: object, name: str = "") -> object:
    """A value for a field, mostly of its type, and mostly one that it may have."""
    if name in (*SHARES, "leverage", "at", "fee_level", "strict", "option_type") and luck.random() < 0.9:
        usual = {"leverage": ("1", "10", "100", 3), "at": (0, 1_700_000_000_000_000_000), "fee_level": ("",)}
        usual |= {"strict": (False,), "option_type": ("call", "")}
        return luck.choice(usual.get(name, ("0.019", "0.0001", 0, "0.1")))
    if luck.random() < 0.005:
        return luck.choice(ODD)
    text = str(kind)
    if "GivenPosition" in text:
        return [position(luck) for _ in range(luck.randrange(4))]
    if "dict" in text:
        return {luck.choice(INSTRUMENTS)[1]: value(luck, "GivenTier" if "GivenTier" in text else "Decimal")}
    if "GivenTier" in text:
        return [
            {"rate": luck.choice(("0.004", "0.01", number(luck))), "cap": number(luck)}
            for _ in range(luck.randrange(4))
        ]
    if "GivenFees" in text:
        return {"maker": number(luck), "taker": luck.choice(("0.0005", "-0.0001", number(luck)))}
    if "GivenTerms" in text:
        return {name: number(luck) for name in luck.sample(("multiplier", "tick", "step", "max_quantity"), 2)}
    if "tuple" in text:
        return [number(luck) for _ in range(luck.randrange(5))]
    if "Decimal" in text:
        return number(luck)
    for each in ("Side", "OrderType", "Offset", "MarginMode", "PositionMode"):
        if each in text:
            return luck.choice([*(one.value for one in kind)] * 9 + ["sideways"])  # type: ignore[attr-defined]
    if "bool" in text:
        return luck.random() < 0.3
    return (
        luck.choice((0, 1_700_000_000_000_000_000, -1, 2**63)) if "int" in text else luck.choice(("", "call", "VIP0"))
    )


def position(luck: random.Random) -> dict[str, object]:
    found: dict[str, object] = {
        "symbol": luck.choice(INSTRUMENTS)[1],
        "side": luck.choice(("buy", "sell")),
        "quantity": number(luck),
        "entry": number(luck),
    }
    return found | ({"mark": number(luck)} if luck.random() < 0.5 else {})


def body(luck: random.Random, kind: type[msgspec.Struct]) -> dict[str, object]:
    venue, symbol = luck.choice(INSTRUMENTS)
    found: dict[str, object] = {"venue": venue}
    for field in msgspec.structs.fields(kind):
        needed = field.required or field.name in ("price", "quantity", "risk", "wallet")
        if field.name != "venue" and luck.random() < (0.95 if needed else 0.12):
            found[field.name] = symbol if field.name == "symbol" else value(luck, field.type, field.name)
    if kind is CalculateOrder and luck.random() < 0.8:
        found.pop("risk", None)
        found.pop("budget", None)
    if kind is AccountLiquidation:
        positions = found.get("positions")
        for each in positions if isinstance(positions, list) else []:
            if isinstance(each, dict) and "symbol" in each and luck.random() < 0.7:
                each["symbol"] = symbol
    if luck.random() < 0.02:
        found[luck.choice(("", "sidee", "__class__"))] = 1
    return found


async def outcome(offering: Offering, call: object) -> str:
    """`answered`, or the code of the refusal."""
    try:
        answer = await offering.answer_http(call)
    except RemoteError as error:
        return error.code
    msgspec.json.decode(msgspec.json.encode(answer))
    return "answered"


def test_whatever_is_sent_is_answered_or_refused_as_the_callers_mistake() -> None:
    operations = OrderOperations(TABLES, KnownOrderMarket())
    offering = Offering("order", "0", {}, marked(operations, "__http__"), http_name="orders")
    luck, seen = random.Random(20261128), Counter[str]()

    async def all_of_them() -> None:
        for _ in range(MANY):
            name = luck.choice(list(KINDS))
            sent = body(luck, KINDS[name])
            call = msgspec.to_builtins(
                HttpCall("POST", f"/api/v1/orders/{name}", Caller("user:x", sees_all=True), sent)
            )
            code = await outcome(offering, call)
            assert code == "answered" or consequence_of(code).status == 400, (code, name, sent)
            seen[code] += 1

    asyncio.run(all_of_them())
    assert seen["answered"] > MANY / 10, seen
    assert {"INVALID_PARAMETER", "NO_PRICE", "LEVERAGE_TOO_HIGH", "ORDER_REFUSED"} <= seen.keys()
