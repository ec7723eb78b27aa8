"""The order service on a real nats-server, asked over NATS, over HTTP, by the client and by the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.memory.order_market import KnownOrderMarket
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import encode_answer
from marketprism_application.ports.order_market import NewestPrices
from marketprism_application.queries.arrow_tables import table_of
from marketprism_client import MarketClient, QueryFailed, SyncMarketClient
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.errors import ConfigurationError, RemoteError
from marketprism_sdk.messaging import Caller, NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, rpc
from marketprism_services.cli.app import app
from marketprism_services.order.operations import SeenMarket
from marketprism_services.order.service import OrderService
from marketprism_services.order.wiring import build
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.shared import Shared
from tests.integration.api.access_side import Gateway, gateway
from tests.support.services import running

pytestmark = pytest.mark.timeout(120)

ORDER = {"venue": "binance", "symbol": "BTC-USDT-PERP", "side": "buy", "quantity": "0.5", "leverage": 10}
PRICED = {**ORDER, "price": "60000"}
LIQUIDATED = "54216.86746988"


class Prices(Service):
    """The read side, as far as an order asks it: a newest tick, and nothing stored."""

    def __init__(self, connection: NatsConnection) -> None:
        super().__init__("query", connection)

    @rpc("latest_tick")
    async def latest_tick(self, symbol: str) -> bytes | None:
        """The newest tick of the one instrument."""
        if symbol != "BTC-USDT-PERP":
            return None
        tick = Tick("binance", symbol, "binance", 1, 1, 10**18, 10**18, 10**18, 1, "20010909")
        return encode(TICK, tick._replace(last=Decimal("61000.5")))

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """No rows of anything."""
        assert data
        return encode_answer(table_of(TICK, []))


@asynccontextmanager
async def serving(nats_url: str, *, with_prices: bool = False) -> AsyncIterator[NatsConnection]:
    connection = await NatsConnection.open(nats_url, name="order-test")
    try:
        async with running(OrderService(connection, FileTables.read)):
            if with_prices:
                async with running(Prices(connection)):
                    yield connection
            else:
                yield connection
    finally:
        await connection.close()


async def served(api: Gateway, key: str) -> None:
    async with asyncio.timeout(30):
        while (await api.ask("GET", "/api/v1/orders/tables/okx", key)).status != 200:
            await asyncio.sleep(0.05)


async def test_over_nats_an_order_is_calculated_and_a_wrong_one_refused_with_its_field(nats_url: str) -> None:
    async with serving(nats_url) as connection:
        calls = RpcClient(NatsBus(connection))
        found: Any = await calls.call("order", "calculate", PRICED)
        assert found["liquidation_price"] == LIQUIDATED
        pnl: Any = await calls.call("order", "pnl", {**PRICED, "entry": 59000})
        assert pnl["pnl"] == "500"
        size: Any = await calls.call(
            "order", "size", {**{k: v for k, v in PRICED.items() if k != "quantity"}, "budget": 3045}
        )
        assert size["limited_by"] == "budget"
        account: Any = await calls.call(
            "order",
            "liquidation",
            {
                "venue": "binance",
                "wallet": 10000,
                "position_mode": "hedge",
                "positions": [
                    {"symbol": "BTC-USDT-PERP", "side": "buy", "quantity": 2, "entry": 60000},
                    {"symbol": "BTC-USDT-PERP", "side": "sell", "quantity": 1, "entry": 60000},
                ],
            },
        )
        assert {each["liquidation_price"][:8] for each in account["positions"]} == {"50659.89"}
        with pytest.raises(RemoteError) as refused:
            await calls.call("order", "calculate", {**PRICED, "leverage": 150})
        assert refused.value.code == "LEVERAGE_TOO_HIGH"
        assert refused.value.details["field"] == "leverage"
        with pytest.raises(RemoteError, match="price: expected a price, since the platform has none") as none:
            await calls.call("order", "calculate", ORDER)  # no query service runs
        assert none.value.code == "NO_PRICE"


async def test_the_newest_price_is_asked_of_the_read_side(nats_url: str) -> None:
    async with serving(nats_url, with_prices=True) as connection:
        calls = RpcClient(NatsBus(connection))
        found: Any = await calls.call("order", "calculate", {**ORDER, "side": "sell"})
        assert (found["price"], found["price_from"]) == ("61000.5", "newest tick, 2001-09-09T01:46:40Z")


async def test_over_http_by_whom_may_calculate_and_without_a_record_in_the_audit_log(nats_url: str) -> None:
    async with gateway(nats_url) as api, serving(nats_url, with_prices=True):
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        quant = await api.key(await api.user("quant"), limits="bulk")
        await served(api, quant)
        path = "/api/v1/orders/calculate"
        assert (await api.ask("POST", path, viewer, PRICED)).code == "FORBIDDEN"
        assert (await api.ask("POST", path, quant, PRICED)).data["liquidation_price"] == LIQUIDATED
        assert (await api.ask("POST", path, quant, ORDER)).data["price"] == "61000.5"
        for wrong, code, field in (
            ({**PRICED, "price": "60000.05", "strict": True}, "OFF_TICK", "price"),
            ({**PRICED, "leverage": 150}, "LEVERAGE_TOO_HIGH", "leverage"),
            ({**PRICED, "venue": "nowhere"}, "INVALID_PARAMETER", "venue"),
            ({**PRICED, "quantity": "NaN"}, "INVALID_PARAMETER", "quantity"),
            ({**PRICED, "sidee": "buy"}, "INVALID_PARAMETER", "sidee"),
            ({**PRICED, "side": "up"}, "INVALID_PARAMETER", "side"),
        ):
            answer = await api.ask("POST", path, quant, wrong)
            assert (answer.status, answer.code, answer.body["error"]["details"]["field"]) == (400, code, field)
        older = await api.ask("POST", "/api/calculate-order", quant, PRICED)
        assert older.data["liquidation_price"] == LIQUIDATED
        assert older.headers["Deprecation"].startswith("@")
        assert older.headers["Link"] == f'<{path}>; rel="successor-version"'
        assert (await api.ask("POST", "/api/calculate-order", viewer, PRICED)).code == "FORBIDDEN"
        rows = (await api.ask("GET", "/api/v1/orders/tables/binance", quant)).data
        assert {row["table"] for row in rows} == {
            "market/binance",
            "terms/binance",
            "margins/binance",
            "fees/binance",
        }
        document = (await api.ask("GET", "/api/v1/openapi.json")).body
        assert document["paths"]["/api/calculate-order"]["post"]["deprecated"] is True
        assert path in document["paths"]
        records = [each for _, each in await api.service.access.audit_log.newest(50)]
        assert [each.target for each in records if "orders" in each.target and "imports" not in each.target] == []


async def test_prices_that_a_caller_may_not_see_are_not_there() -> None:
    key = ("binance", "BTC-USDT-PERP")
    market = KnownOrderMarket({key: NewestPrices(Decimal(61000), Decimal(61001), 10**18)})

    def caller(**bounds: object) -> Caller:
        every = {"venues": ("*",), "symbols": ("*",), "kinds": ("*",)}
        return Caller("user:x", entitlements=({**every, **bounds},))

    newest = NewestPrices(Decimal(61000), Decimal(61001), 10**18)
    assert await SeenMarket(market, caller()).newest(*key) == newest
    assert await SeenMarket(market, caller(kinds=("tick",))).newest(*key) == newest._replace(mark=None)
    for bounds in ({"venues": ("okx",)}, {"symbols": ("ru*",)}, {"kinds": ("trade",)}, {"delay_s": 60.0}):
        assert await SeenMarket(market, caller(**bounds)).newest(*key) is None


async def test_the_client_asks_by_either_door(nats_url: str) -> None:
    async with gateway(nats_url) as api, serving(nats_url):
        quant = await api.key(await api.user("quant"), limits="bulk")
        await served(api, quant)
        async with MarketClient(nats_url) as inside, MarketClient(api.base, key=quant) as outside:
            answers = [await market.orders.calculate(**PRICED) for market in (inside, outside)]
            assert answers[0] == answers[1]
            assert answers[0].liquidation_price == LIQUIDATED
            assert await inside.orders.tables("okx") == await outside.orders.tables("okx")
            for market in (inside, outside):
                with pytest.raises(QueryFailed, match="leverage: expected at most 125") as refused:
                    await market.orders.calculate(**{**PRICED, "quantity": "0.5", "leverage": 150})
                assert refused.value.code == "LEVERAGE_TOO_HIGH"
                with pytest.raises(QueryFailed, match="side"):
                    await market.orders.calculate(**{**PRICED, "side": "up"})

        def in_a_notebook() -> str | None:
            with SyncMarketClient(nats_url) as market:
                return market.orders.calculate(**PRICED).liquidation_price

        assert await asyncio.to_thread(in_a_notebook) == LIQUIDATED


async def test_the_command_asks_the_service_and_calculates_by_itself_where_none_runs(
    nats_url: str, tmp_path: Path
) -> None:
    words = ["order", "BTC-USDT-PERP", "buy", "0.5", "@", "60000", "--leverage", "10", "--venue", "binance", "--json"]
    async with serving(nats_url):
        asked = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--nats-url", nats_url])
    here = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--data-dir", str(tmp_path)])
    assert (asked.exit_code, here.exit_code) == (0, 0), (asked.output, here.output)
    assert json.loads(asked.stdout) == json.loads(here.stdout)
    assert json.loads(asked.stdout)["liquidation_price"] == LIQUIDATED
    wrong = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--strict", "--leverage", "150"])
    assert wrong.exit_code != 0


async def test_a_wrong_folder_of_tables_is_named_before_the_service_starts(nats_url: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("venue = [")
    connection = await NatsConnection.open(nats_url, name="order-test")
    try:
        for folder, text in ((tmp_path, "wrong.toml"), (tmp_path / "none", "expected a folder")):
            settings = Settings.model_validate({"data_dir": str(tmp_path), "order": {"tables": str(folder)}})
            service = build(settings, connection, Shared(chinese_calendar_of_markets, lambda: None))
            with pytest.raises(ConfigurationError, match=text):
                await service.on_start()
    finally:
        await connection.close()
