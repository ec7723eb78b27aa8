"""Rows of files that come to partitions which are archived: held against the cold rows, answered at once, archived again."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.questions import Records
from marketprism_application.storage.writer import WriterSettings
from marketprism_sdk.errors import SdkError
from marketprism_sdk.messaging import ClaimStatus, JobClaim, JobClaims, JobRun, submit_run
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.settings.layers import Layers
from marketprism_services.storage.service import StorageService
from marketprism_services.wiring.archive import archive_of
from marketprism_services.wiring.store import engines_of
from tests.e2e.warm import ask
from tests.integration.history.history_side import archive, kline
from tests.integration.storage.storage_side import market_of
from tests.support.services import running

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("archive")]


async def imported(url: str, *command: str) -> dict[str, Any]:
    words = ("data", "import", *command, "--json", "--nats-url", url)
    done = await asyncio.to_thread(ask, words, dict(os.environ), 120)
    assert done.returncode == 0, (done.stdout, done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)["files"][0]["result"]
    return result


async def archived(connection: NatsConnection, claims: JobClaims) -> JobClaim:
    key = f"test.{secrets.token_hex(6)}"
    await submit_run(connection, "storage", JobRun(key, "test", "archive", 0, 1, {}, 60.0))
    async with asyncio.timeout(60):
        while (claim := await claims.get(key)) is None or not claim.is_final:
            await asyncio.sleep(0.05)
    assert claim.status is ClaimStatus.SUCCEEDED, claim.reason
    return claim


@pytest.mark.long
async def test_rows_that_come_to_a_cold_day_are_an_overlay_and_cold_with_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "cold").mkdir()
    days = {"klines": 30}
    given = {"data_dir": str(tmp_path), "archive": {"place": str(tmp_path / "cold"), "days": days}}
    settings = Layers(given).settings()
    async with market_of(tmp_path / "nats") as market:
        connection = market.connection
        service = StorageService(connection, engines_of(settings), WriterSettings(), archive=archive_of(settings))
        async with running(service):
            claims = await JobClaims.open(connection)
            await until_open(service)
            reader = RemoteReader(partial(service.calls.call_raw, "storage", "arrow"))
            question = Records("kline", "BTC-USDT", interval="1m", limit=5_000)
            url = str(connection.url)
            first = archive(tmp_path, [kline(n) for n in range(2_000)])
            assert (await imported(url, str(first)))["stored"] == 2_000
            assert (await archived(connection, claims)).output["units"] == 2
            # Half of these are cold: they are known there. Some differ, and are to replace.
            changed = [kline(n, "42006.0") for n in range(1_990, 2_000)]
            more = archive(
                tmp_path, [*(kline(n) for n in range(1_000, 1_990)), *changed, *map(kline, range(2_000, 2_500))]
            )
            result = await imported(url, str(more), "--replace")
            assert (result["same"], result["replaced"], result["stored"]) == (990, 10, 500)
            assert (result["present"], result["missing"]) == (1_500, 0)
            found = await reader.answer(question)
            assert found.num_rows == 2_500
            assert [int(close) for close in found.column("close").to_pylist()[1_989:1_992]] == [42_005, 42_006, 42_006]
            assert (await archived(connection, claims)).output["units"] == 1
            assert (await reader.answer(question)).equals(found)
            again = await imported(url, str(more))
            assert (again["same"], again["stored"], again["conflicts"]) == (1_500, 0, 0)


async def until_open(service: StorageService) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await service.calls.call("storage", "archive_status", {})
                await service.calls.call("storage", "store_status", {})
            except SdkError:
                await asyncio.sleep(0.1)
            else:
                return
