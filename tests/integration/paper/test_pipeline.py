"""The same strategy on what a pipeline publishes and in a backtest of the recording: decisions byte for byte."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_sdk.nats.connection import NatsConnection
from tests.support.backtests import RU
from tests.support.paper import CASES, check_equal, on_paper, probe_of, settings_for, stages
from tests.support.recordings import part_of

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("paper")]


@pytest.mark.long
async def test_decisions_live_are_those_of_the_backtest(tmp_path: Path) -> None:
    recording = part_of(RU[0], tmp_path, slice(16_000))  # whole days are in tests/chaos
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="paper-test")
    try:
        await streams.ensure_streams(connection)
        settings = settings_for(server.url, tmp_path, [recording], "max")
        async with stages(settings, shards=2) as begin:
            found = await on_paper(server.url, list(CASES.values()), begin, await probe_of(connection))
    finally:
        await connection.close()
        await server.stop()
    for result, case in zip(found, CASES.values(), strict=True):
        check_equal(result, await asyncio.to_thread(case.backtest, (recording,)))
