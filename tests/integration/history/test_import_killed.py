"""An import that is killed, again and again, and a storage that is killed under one: each row is there once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.nats.stream_layout import StreamLayout, StreamLimits, StreamSettings
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.history.comparing import stored_count
from marketprism_application.ports.history_log import SeriesKey
from marketprism_application.storage.writer import Progress
from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import die_with_parent
from marketprism_sdk.values import decode_or_none
from tests.integration.history.history_side import T0, archive, kline

pytestmark = [pytest.mark.timeout(300), pytest.mark.e2e]
ROWS, KILLS = 30_000, 3
SERIES = SeriesKey("kline", "binance", "BTC-USDT", "1m")
# A stream of 1 MB takes blocks of an eighth of it: many that an import can be killed between.
SMALL = StreamSettings(history=StreamLimits(86_400.0, 0.02, 1.0))
OF_HISTORY = {"AGE_S": "86400", "SHARE": "0.02", "MAX_MB": "1"}
ENVIRONMENT = {
    **os.environ,
    **{f"MARKETPRISM_STREAMS__HISTORY__{name}": value for name, value in OF_HISTORY.items()},
    "MARKETPRISM_HTTP__STORAGE": "0",
}


async def program(*words: str, silent: bool = False) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marketprism_services", *words),
        stdout=DEVNULL if silent else PIPE,
        stderr=DEVNULL if silent else PIPE,
        env=ENVIRONMENT,
        preexec_fn=die_with_parent(),
    )


async def watermark(connection: NatsConnection) -> int:
    ranges = NatsKeyValue.existing(connection, streams.STORE_RANGES)
    progress = decode_or_none(await ranges.get(streams.HISTORY), Progress)
    return 0 if progress is None else progress.watermark


async def blocks(connection: NatsConnection, number: int, of: Process) -> None:
    """Until so many blocks are stored, or a process has ended."""
    while await watermark(connection) < number and of.returncode is None:
        await asyncio.sleep(0.01)


async def ended(process: Process) -> dict[str, Any]:
    output, errors = await process.communicate()
    assert process.returncode == 0, (output, errors)
    result: dict[str, Any] = json.loads(output)["files"][0]["result"]
    return result


@pytest.mark.long
async def test_kills_of_the_import_and_of_the_storage_leave_each_row_once(tmp_path: Path) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="test")
    await streams.ensure_streams(connection, StreamLayout(streams=SMALL))
    url = str(server.url)
    store = partial(program, "run", "storage", "--nats-url", url, "--data-dir", str(tmp_path / "data"), silent=True)
    path = archive(tmp_path, [kline(n) for n in range(ROWS)])
    command = ("data", "import", str(path), "--json", "--nats-url", url)
    storage = await store()
    try:
        for number in range(KILLS):
            killed = await program(*command)
            await blocks(connection, await watermark(connection) + 1 + number, killed)
            assert killed.returncode is None, await killed.communicate()
            killed.kill()
            await killed.wait()
        last = await program(*command)
        await blocks(connection, await watermark(connection) + 2, last)
        storage.kill()
        await storage.wait()
        storage = await store()
        result = await ended(last)
        assert result["stored"] + result["same"] == ROWS == result["present"]
        assert result["same"] > 0
        leader = LeaderClient(RpcClient(NatsBus(connection)), "storage")
        reader = RemoteReader(partial(leader.call_raw, "arrow", timeout_s=30.0, idempotent=True))
        first = T0 * 10**6
        assert await stored_count(reader, SERIES, first, first + ROWS * 60 * 10**9) == ROWS
        again = await ended(await program(*command))
        assert (again["stored"], again["same"], again["conflicts"]) == (0, ROWS, 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            storage.kill()
        await storage.wait()
        await connection.close()
        await server.stop()
