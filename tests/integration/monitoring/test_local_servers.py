"""Prometheus and Alertmanager of this machine, started beside a pipeline."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from marketprism_adapters.nats.local_server import choose_port
from marketprism_adapters.prometheus.local_server import (
    ALERTMANAGER,
    PROMETHEUS,
    LocalMonitoringServer,
    ServerKind,
)
from marketprism_application.errors import LocalServerError
from marketprism_services.platform import local_monitoring
from marketprism_services.settings.settings import Settings
from tests.support.certificates import Authority
from tests.support.prometheus import tools

pytestmark = pytest.mark.xdist_group("prometheus")  # two pipelines at once may choose the same usual port
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


async def test_a_pipeline_gets_both_with_files_of_its_own_addresses(tmp_path: Path) -> None:
    tools()
    settings = Settings(data_dir=tmp_path, http={"monitor": 0, "notifier": 0}, notify={"notify_token": "nt-7"})
    async with AsyncExitStack() as stack:
        settings = local_monitoring.with_known_ports(settings, stack)
        monitor, notifier = (settings.http.port_of(name) for name in ("monitor", "notifier"))
        assert monitor
        assert notifier
        running = await local_monitoring.start(settings, stack, None)
        async with aiohttp.ClientSession() as http:

            async def ask(url: str | None, path: str) -> Any:
                async with http.get(f"{url}{path}") as answer:
                    return await answer.json()

            config = (await ask(running.prometheus, "/api/v1/status/config"))["data"]["yaml"]
            assert f"http://127.0.0.1:{monitor}/sd" in config
            async with asyncio.timeout(20):
                while not (found := (await ask(running.prometheus, "/api/v1/alertmanagers"))["data"])[
                    "activeAlertmanagers"
                ]:
                    await asyncio.sleep(0.1)
            assert found["activeAlertmanagers"] == [{"url": f"{running.alertmanager}/api/v2/alerts"}]
            routes = (await ask(running.alertmanager, "/api/v2/status"))["config"]["original"]
            assert f"http://127.0.0.1:{notifier}/alerts" in routes
    folder = tmp_path / "monitoring"
    token = folder / "alertmanager/secrets/notifier-token"
    assert (token.read_text(), token.stat().st_mode & 0o077) == ("nt-7", 0)


async def test_services_that_speak_https_are_asked_so_and_known_by_their_certificate(tmp_path: Path) -> None:
    tools()
    cert, key = Authority(tmp_path / "tls").issue("desk")
    http: dict[str, Any] = {"monitor": 0, "notifier": 0, "tls": {"cert": str(cert), "key": str(key)}}
    settings = Settings.model_validate({"data_dir": str(tmp_path), "http": http})
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def discover(_: web.Request) -> web.Response:
        await asked.put("asked")
        return web.json_response([])

    app = web.Application()
    app.router.add_get("/sd", discover)
    runner = web.AppRunner(app)
    await runner.setup()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        settings = local_monitoring.with_known_ports(settings, stack)
        context = await asyncio.to_thread(settings.http.tls.context)
        await web.TCPSite(runner, "127.0.0.1", settings.http.port_of("monitor"), ssl_context=context).start()
        await local_monitoring.start(settings, stack, None)
        async with asyncio.timeout(30):
            assert await asked.get() == "asked", "by HTTPS, and the certificate was believed"
    folder = tmp_path / "monitoring"
    for name in ("prometheus/prometheus.yml", "alertmanager/alertmanager.yml"):
        text = (folder / name).read_text()
        assert f"ca_file: {cert}" in text.replace('"', "")
        assert "server_name: localhost" in text.replace('"', "")
    assert f"https://127.0.0.1:{settings.http.port_of('notifier')}/alerts" in text


async def test_who_wants_a_certificate_of_prometheus_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    cert, key = authority.issue("desk")
    tls = {"cert": str(cert), "key": str(key), "client_ca": str(authority.file)}
    with pytest.raises(LocalServerError, match=r"--monitoring: expected http\.tls without client_ca"):
        await local_monitoring.check(Settings.model_validate({"http": {"tls": tls}}))


async def test_a_machine_without_prometheus_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(LocalServerError, match="--monitoring: expected prometheus on PATH, there is none"):
        await local_monitoring.check(Settings())
