"""The servers of a pipeline die while it works: everything waits for them and goes on; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from tests.e2e.program import start
from tests.e2e.test_up_servers import check_killed

pytestmark = pytest.mark.timeout(400)


def test_a_clickhouse_that_was_killed_is_started_again(tmp_path: Path) -> None:
    check_killed(tmp_path / "data", "libchdb", "--clickhouse", "server")


def test_nats_killed_in_the_middle_and_started_again(tmp_path: Path) -> None:
    options = EmbeddedOptions(tmp_path / "server", port=choose_port(0))
    server = asyncio.run(EmbeddedServer.start(options))
    running = start(
        "up",
        "--source",
        "sim:rate=1,instruments=rb2505+m2505",
        "--nats-url",
        server.url,
        "--data-dir",
        str(tmp_path / "d"),
        "--once",
        "--json",
    )
    time.sleep(5.0)
    server.process.kill()
    server.process.wait()
    time.sleep(1.0)
    again = asyncio.run(EmbeddedServer.start(options))
    try:
        output, _ = running.communicate(timeout=120)
    finally:
        asyncio.run(again.stop())
        asyncio.run(server.stop())
    assert running.returncode == 0, output
    result = json.loads(output[output.index('{\n "source"') :])
    assert (result["missing"], result["duplicates"], result["ok"]) == (0, 0, True)
