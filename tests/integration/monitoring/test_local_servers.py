"""Prometheus and Alertmanager of this machine, started beside a pipeline."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import choose_port
from marketprism_adapters.prometheus.local_server import (
    ALERTMANAGER,
    PROMETHEUS,
    LocalMonitoringServer,
    ServerKind,
)
from marketprism_application.errors import LocalServerError

CONFIGS = {"Prometheus": "scrape_configs: []\n", "Alertmanager": "route: {receiver: x}\nreceivers: [{name: x}]\n"}


@pytest.fixture(params=[PROMETHEUS, ALERTMANAGER], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> ServerKind:
    found: ServerKind = request.param
    if found.find() is None:
        text = f"no {found.name} on PATH: apt-get install prometheus prometheus-alertmanager"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


def _config(folder: Path, text: str) -> Path:
    path = folder / "config.yml"
    path.write_text(text, encoding="utf-8")
    return path


async def test_it_is_ready_when_it_is_there_and_comes_again_after_a_kill(kind: ServerKind, tmp_path: Path) -> None:
    config = _config(tmp_path, CONFIGS[kind.name])
    server = await LocalMonitoringServer.start(kind, tmp_path / "server", config, choose_port(0))
    try:
        await server.probe()
        server.process.kill()
        await asyncio.to_thread(server.process.wait)
        assert server.ended == -9
        with pytest.raises(LocalServerError, match=f"{kind.name} at http://127.0.0.1:{server.port}: expected it to be"):
            await server.probe()
        await server.restart()
        assert server.ended is None
        await server.probe()
    finally:
        await server.stop()
    assert server.ended == 0


async def test_a_configuration_that_is_none_is_told_in_its_own_words(kind: ServerKind, tmp_path: Path) -> None:
    config = _config(tmp_path, "no_such_setting: 1\n")
    with pytest.raises(LocalServerError, match=rf"{kind.name} ended with code \d at its start: .*no_such_setting"):
        await LocalMonitoringServer.start(kind, tmp_path / "server", config, choose_port(0))


async def test_a_machine_without_it_is_told_what_is_missing(tmp_path: Path) -> None:
    kind = dataclasses.replace(PROMETHEUS, programs=("no-such-program", "nor-this"))
    with pytest.raises(LocalServerError, match="Prometheus: expected no-such-program or nor-this on PATH, there is"):
        await LocalMonitoringServer.start(kind, tmp_path, tmp_path / "x.yml", 1)
