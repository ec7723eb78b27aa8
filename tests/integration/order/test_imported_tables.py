"""Tables that are imported into a running platform: who may, what holds then, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marketprism_adapters.nats.order_tables import ORDER_TABLES
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_sdk.errors import RemoteError, StreamMissing
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api
from marketprism_services.cli.app import app
from marketprism_services.order.service import OrderService
from marketprism_services.platform.nats_users import accounts
from tests.integration.api.access_side import gateway
from tests.support.services import running

pytestmark = pytest.mark.timeout(120)

TODAY = datetime.now(UTC).date()
DAY = (TODAY - timedelta(days=3)).isoformat()
ANSWER = json.dumps(
    [
        {
            "symbol": "BTCUSDT",
            "brackets": [
                {"bracket": 1, "initialLeverage": 20, "notionalCap": 1000000, "maintMarginRatio": 0.02, "cum": 0},
                {"bracket": 2, "initialLeverage": 5, "notionalCap": 9000000, "maintMarginRatio": 0.1, "cum": 80000},
            ],
        }
    ]
)
IMPORT = {"venue": "binance", "kind": "leverage-bracket", "as_of": DAY, "answer": ANSWER, "who": "ann"}
ORDER = {
    "venue": "binance",
    "symbol": "BTC-USDT-PERP",
    "side": "buy",
    "quantity": "0.5",
    "price": "60000",
    "leverage": 10,
}


@pytest.fixture(autouse=True)
async def nothing_imported(nats_url: str) -> AsyncIterator[None]:
    """The server is that of other tests too."""
    yield
    connection = await NatsConnection.open(nats_url, name="order-test")
    try:
        await api(connection, f"STREAM.DELETE.KV_{ORDER_TABLES}")
    except StreamMissing:
        pass
    finally:
        await connection.close()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.02)


def table(found: Any) -> str:
    return str(next(each["as_of"] for each in found["sources"] if each["table"] == "margins/binance"))


async def test_what_is_imported_holds_at_every_instance_from_its_day_on_and_after_a_restart(nats_url: str) -> None:
    connection = await NatsConnection.open(nats_url, name="order-test")
    calls = RpcClient(NatsBus(connection))
    first, second = (OrderService(connection, FileTables.read) for _ in range(2))
    try:
        async with running(first), running(second):
            assert await calls.call("order", "imported", {}) == []
            added: Any = await calls.call("order", "import_table", IMPORT)
            assert (added["rows"], added["by"]) == (1, "ann")
            for each in (first, second):

                async def holds(instance: str = each.instance) -> bool:
                    return table(await calls.call("order", "calculate", ORDER, instance=instance)) == DAY

                await until(holds)
            found: Any = await calls.call("order", "calculate", ORDER)
            assert (found["tier"]["rate"], found["tier"]["cap"]) == ("0.02", "1000000")
            earlier: Any = await calls.call("order", "calculate", {**ORDER, "at": 1_735_689_600 * 10**9})
            assert table(earlier) == "2024-10-01"
            with pytest.raises(RemoteError, match="leverage: expected at most 20 in tier 1") as refused:
                await calls.call("order", "calculate", {**ORDER, "leverage": 25})
            assert refused.value.code == "LEVERAGE_TOO_HIGH"
            rows: Any = await calls.call("order", "tables", {"venue": "binance"})
            of_tiers = [each for each in rows if each["table"] == "margins/binance"]
            assert [(each["as_of"], each["stale"]) for each in of_tiers] == [(DAY, False)]
        async with running(OrderService(connection, FileTables.read)):
            assert table(await calls.call("order", "calculate", ORDER)) == DAY
            await calls.call("order", "remove_table", {name: IMPORT[name] for name in ("venue", "kind", "as_of")})
            assert table(await calls.call("order", "calculate", ORDER)) == "2024-10-01"
            with pytest.raises(RemoteError, match="expected one that is there") as gone:
                await calls.call("order", "remove_table", {name: IMPORT[name] for name in ("venue", "kind", "as_of")})
            assert gone.value.code == "NOT_FOUND"
    finally:
        await connection.close()


async def test_what_is_no_table_of_the_venue_is_refused_and_a_spoilt_record_left_out(nats_url: str) -> None:
    connection = await NatsConnection.open(nats_url, name="order-test")
    calls = RpcClient(NatsBus(connection))
    service = OrderService(connection, FileTables.read)
    ahead = (TODAY + timedelta(days=3)).isoformat()
    positions = {"data": [{"tier": "1", "mmr": "0.1", "maxLever": "5", "maxSz": "9", "instFamily": "BTC-USDT"}]}
    jump = json.loads(ANSWER)
    jump[0]["brackets"][1]["cum"] = 1
    try:
        async with running(service):
            for wrong, field in (
                ({"venue": "nowhere"}, "venue"),
                ({"venue": "okx"}, "answer"),  # tiers by value at a venue that counts contracts
                ({"venue": "shfe"}, "answer"),
                ({"kind": "brackets"}, "kind"),
                ({"kind": "position-tiers", "answer": json.dumps(positions)}, "answer"),
                ({"as_of": "yesterday"}, "as_of"),
                ({"as_of": "20260101"}, "as_of"),
                ({"as_of": ahead}, "as_of"),
                ({"answer": "["}, "answer"),
                ({"answer": "[]"}, "answer"),
                ({"answer": json.dumps(jump)}, "answer"),
                ({"answer": ANSWER.replace("BTCUSDT", "BTCUSDT_261225")}, "answer"),
            ):
                with pytest.raises(RemoteError) as refused:
                    await calls.call("order", "import_table", {**IMPORT, **wrong})
                assert (refused.value.code, refused.value.details["field"]) == ("INVALID_PARAMETER", field), wrong
            await connection.publish(f"$KV.{ORDER_TABLES}.binance.leverage-bracket.{DAY}", b"\x00 no record")
            await calls.call("order", "import_table", {**IMPORT, "as_of": TODAY.isoformat()})

            async def shown() -> bool:
                found: Any = await calls.call("order", "imported", {})
                return [each["rows"] for each in found] == [0, 1]

            await until(shown)
            assert table(await calls.call("order", "calculate", ORDER)) == TODAY.isoformat()
            assert "\norder_tables_refused_total" in service.metrics.text().decode()
    finally:
        await connection.close()


async def test_who_only_calculates_imports_nothing_and_an_import_is_in_the_audit_log(nats_url: str) -> None:
    connection = await NatsConnection.open(nats_url, name="order-test")
    try:
        async with gateway(nats_url) as door, running(OrderService(connection, FileTables.read)):
            quant = await door.key(await door.user("quant"), limits="bulk")
            operator = await door.key(await door.user("operator"), limits="bulk")
            path = f"/api/v1/orders/imports/binance/leverage-bracket/{DAY}"

            async def there() -> bool:
                return (await door.ask("GET", "/api/v1/orders/imports", quant)).status == 200

            await until(there)
            body = {"answer": ANSWER}
            assert (await door.ask("PUT", path, quant, body)).code == "FORBIDDEN"
            done = await door.ask("PUT", path, operator, body)
            assert (done.status, done.data["rows"]) == (200, 1), done.body
            assert done.data["by"].startswith("user:") or done.data["by"].startswith("key:"), done.data
            assert table((await door.ask("POST", "/api/v1/orders/calculate", quant, ORDER)).data) == DAY
            assert (await door.ask("DELETE", path, quant)).code == "FORBIDDEN"
            assert (await door.ask("DELETE", path, operator)).status == 200
            assert (await door.ask("DELETE", path, operator)).status == 404
            records = [each for _, each in await door.service.access.audit_log.newest(50)]
            assert len([each for each in records if "orders/imports" in each.target]) >= 2
    finally:
        await connection.close()


def test_who_only_reads_on_nats_may_not_ask_for_an_import() -> None:
    found = accounts()
    asked = {subject for subject in found.users["reader"].publish if subject.startswith("rpc.order")}
    assert asked == {f"rpc.order.{name}" for name in ("calculate", "pnl", "liquidation", "size", "tables")}
    assert asked == {subject for subject in found.exports.services if subject.startswith("rpc.order")}


async def test_the_command_imports_lists_and_removes(nats_url: str, tmp_path: Path) -> None:
    file = tmp_path / "brackets.json"
    file.write_text(ANSWER)
    at = ["--nats-url", nats_url, "--data-dir", str(tmp_path)]

    async def command(*words: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, app, ["order-tables", *words, *at])

    brackets = ("import", "leverage-bracket", str(file))
    nobody = await command(*brackets, "--venue", "binance", "--as-of", DAY)
    assert nobody.exit_code != 0
    connection = await NatsConnection.open(nats_url, name="order-test")
    try:
        async with running(OrderService(connection, FileTables.read)):
            done = await command(*brackets, "--venue", "binance", "--as-of", DAY)
            assert done.exit_code == 0, done.output
            assert f"leverage-bracket of {DAY} holds, 1 rows" in done.output
            assert DAY in (await command("list")).output
            assert (await command(*brackets, "--venue", "okx", "--as-of", DAY)).exit_code == 1
            assert (await command("remove", "leverage-bracket", DAY, "--venue", "binance")).exit_code == 0
            assert "no table was imported" in (await command("list")).output
            assert (await command("remove", "leverage-bracket", DAY, "--venue", "binance")).exit_code == 1
    finally:
        await connection.close()
