"""Decisions on paper at three speeds and with one, two and four shards: byte for byte those of the backtest.

`PAPER_RECORDINGS` names other recordings of one instrument, `PAPER_SPEEDS` other speeds.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.chaos.program import start_service
from marketprism_services.platform import run_files
from marketprism_services.settings.settings import Settings
from tests.support.backtests import RU
from tests.support.paper import CASES, check_equal, on_paper, probe_of, settings_for

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
SPEEDS = os.environ.get("PAPER_SPEEDS", "max,6000,2000").split(",")

pytestmark = pytest.mark.timeout(1_800)


@asynccontextmanager
async def processes(settings: Settings, folder: Path, shards: int) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A process for each validator and aggregator, so many of each; what is given starts the gateway's."""
    config = folder / "settings.json"
    run_files.write_whole(config, settings)
    async with AsyncExitStack() as stack:

        async def start(name: str) -> None:
            child = await start_service(name, config)
            stack.push_async_callback(child.end)
            stack.callback(child.kill)

        for name in ("validator", "aggregator"):
            for _ in range(shards):
                await start(name)
        yield lambda: start("gateway")


@pytest.mark.parametrize("shards", [1, 2, 4])
@pytest.mark.parametrize("speed", SPEEDS)
async def test_decisions_are_those_of_the_backtest(speed: str, shards: int, tmp_path: Path) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="paper-test")
    began = time.monotonic()
    try:
        await streams.ensure_streams(connection)
        settings = settings_for(server.url, tmp_path / "data", RU, speed)
        async with processes(settings, tmp_path, shards) as begin:
            found = await on_paper(server.url, list(CASES.values()), begin, await probe_of(connection))
    finally:
        await connection.close()
        await server.stop()
    summary = {"speed": speed, "shards": shards, "seconds": round(time.monotonic() - began, 1)}
    for (name, case), result in zip(CASES.items(), found, strict=True):
        check_equal(result, await asyncio.to_thread(case.backtest, RU))
        summary[name] = len(result.decisions)
    print("\n" + json.dumps(summary))
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"paper-{speed}-{shards}.json").write_text(json.dumps(summary) + "\n", encoding="utf-8")
