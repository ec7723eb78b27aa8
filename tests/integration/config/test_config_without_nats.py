"""NATS away: what is running holds, and a process starts from the last good copy on disk."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from marketprism_adapters.nats.config_log import CONFIG
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_sdk.nats.jetstream import api
from marketprism_services.platform.config_watch import LastGood, follower_at_start
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.variables import without_settings
from marketprism_services.wiring.appliers import Appliers
from tests.support.configured import ConfigPlace

pytestmark = [pytest.mark.timeout(120), pytest.mark.nats]


async def test_old_values_hold_and_a_process_starts_from_the_copy(tmp_path: Path) -> None:
    options = EmbeddedOptions(tmp_path / "nats", port=choose_port(0))
    server = await EmbeddedServer.start(options)
    async with AsyncExitStack() as stack:
        place = ConfigPlace(server.url, tmp_path, stack)
        await place.begin()
        small = await place.small()
        await place.set("trace.every", 5)
        await place.set("lease.probes", 9)
        await place.copied(LastGood.of(tmp_path / "data", "gateway"), 2)
        await server.stop()
        assert (small.follower.settings.trace.every, small.follower.standing.version) == (5, 2)
        layers = Layers({"data_dir": str(tmp_path / "data")})
        begin = time.monotonic()
        started = await follower_at_start(place.connection, layers, "gateway", Appliers())
        took = time.monotonic() - begin
        print(f"NATS away: started from the copy after {took:.2f} s")
        assert took < 5
        assert (started.settings.trace.every, started.settings.lease.probes, started.standing.version) == (5, 9, 2)
        other = await follower_at_start(place.connection, layers, "storage", Appliers())
        assert other.standing == (0, (), (), "")  # it has never run here
        server = await EmbeddedServer.start(options)
        stack.push_async_callback(server.stop)
        await place.until(lambda: place.connection.connected and small.service.connection.connected, 30)
        await place.until(lambda: place.monitor.connection.connected, 30)
        await place.set("trace.every", 6, force=True)
        await place.until(lambda: small.rates == [5, 6], 20)


@pytest.mark.long
async def test_a_bucket_that_is_deleted_undoes_nothing(place: ConfigPlace) -> None:
    small = await place.small()
    for rate in (5, 6, 7):
        await place.set("trace.every", rate)
    await place.copied(LastGood.of(place.folder / "data", "gateway"), 3)
    await api(place.connection, f"STREAM.DELETE.KV_{CONFIG}")
    late = await place.small()
    assert (late.follower.settings.trace.every, late.follower.standing.version) == (7, 3)
    assert small.follower.standing.version == 3
    report = await place.set("trace.every", 8, rollback_unconfirmed=False)  # the versions begin anew
    assert report.version == 1
    await place.until(lambda: small.follower.standing.version == late.follower.standing.version == 1, 20)
    assert small.rates == [5, 6, 7, 8]


@pytest.mark.long
async def test_a_log_level_is_changed_in_a_process_that_runs(place: ConfigPlace) -> None:
    file = place.folder / "query.log"
    environment = {**without_settings(os.environ), "MARKETPRISM_HTTP__QUERY": "0"}
    words = ("-m", "marketprism_services", "run", "query", "--data-dir", str(place.folder / "process"))
    output = await asyncio.to_thread(file.open, "wb")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, "--nats-url", place.url, stdout=output, stderr=output, env=environment
    )

    async def lines(event: str = "") -> list[str]:
        text = await asyncio.to_thread(file.read_text, encoding="utf-8")
        return [line for line in text.splitlines() if event in line]

    try:
        address = await place.address_of("query")
        assert await lines('"service.started"')
        await place.set("query.cache_mb", 3)
        assert len(await lines('"config.applied"')) == 1
        report = await place.set("log.level", "error", service="query")
        assert (list(report.applied.values()), report.unconfirmed) == ([("log.level",)], {})
        quiet = await lines()
        await place.set("query.cache_mb", 4)  # whose line in the log is one of level info
        await asyncio.sleep(0.3)
        assert await lines() == quiet
        await place.set("log.level", "info", service="query")
        assert len(await lines('"config.applied"')) == 2
        async with aiohttp.ClientSession() as http, http.get(f"{address}/status") as answer:
            assert (await answer.json())["config"]["version"] == 4
        async with aiohttp.ClientSession() as http, http.get(f"{address}/metrics") as answer:
            assert "marketprism_config_version 4" in await answer.text()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        output.close()
