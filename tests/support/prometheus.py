"""Debian's Prometheus and Alertmanager, and the tools that come with them."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from marketprism_adapters.nats.local_server import choose_port
from marketprism_services.monitoring.files import files


def tool(name: str) -> str:
    """The path of `promtool`, `prometheus` or `amtool`. Where it is not, the test is skipped; in CI it fails."""
    path = shutil.which(name)
    if path is None:
        text = f"no {name} on PATH: apt-get install prometheus prometheus-alertmanager"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return path


def write_rules(folder: Path, texts: Mapping[str, str] | None = None) -> Path:
    """The files of `deploy/prometheus` in a folder, with a key to scrape the API gateway by."""
    prefix = "deploy/prometheus/"
    found = texts or {path.removeprefix(prefix): text for path, text in files().items() if path.startswith(prefix)}
    for name, text in {**found, "secrets/metrics-key": "key"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@asynccontextmanager
async def prometheus(configuration: Path, data: Path) -> AsyncIterator[str]:
    """A running Prometheus; its address."""
    port = choose_port(0)
    with (data.parent / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            tool("prometheus"),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(30):
            while not await _is_ready(http, base):
                assert process.returncode is None, (data.parent / "prometheus.log").read_text()
                await asyncio.sleep(0.05)
        yield base
    finally:
        process.terminate()
        await process.wait()


async def _is_ready(http: aiohttp.ClientSession, base: str) -> bool:
    try:
        async with http.get(f"{base}/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


__all__ = ["prometheus", "tool", "write_rules"]
