"""The API gateway: the newest tick over HTTP beside a bare aiohttp server, and bars as Arrow beside a call over NATS.

Rates are of one core: requests divided by the CPU seconds that the server's process took, so that who asks, and
whatever else runs on the machine, is not counted.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web

from marketprism_application.contracts.questions import Records, encode_question
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.platform.known_files import known_access

_REQUESTS = 5_000
_CONNECTIONS = 16
_BARS = 200
_SETTLED_S = 5.0
_READY_S = 120.0


async def _bare() -> None:
    """A server of aiohttp's own that answers as many bytes as a tick has; its port is its first line."""
    body = b'{"success":true,"data":[' + b"1," * 400 + b"1]}"

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def measure_gateway(source: str) -> dict[str, Any]:
    """Of a pipeline over a recording: CPU and time of a newest tick, and times of 1 000 bars."""
    bare = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.gateway", stdout=asyncio.subprocess.PIPE
    )
    with tempfile.TemporaryDirectory() as folder:
        up = await _up(source, Path(folder))
        try:
            assert bare.stdout is not None
            bare_port = int(await bare.stdout.readline())
            api_port, api_pid, nats_url, symbol = await _found(Path(folder))
            peers = [await _newest(bare_port, bare.pid, "/") for _ in range(3)]
            ours = [await _newest(api_port, api_pid, f"/api/v1/ticks/{symbol}/latest") for _ in range(3)]
            bars = await _bars(nats_url, api_port, symbol)
        finally:
            for process in (up, bare):
                process.terminate()
                await process.wait()
    return {"newest_tick": _middle(ours), "bare_aiohttp": _middle(peers), "bars_1000_arrow": bars}


async def _up(source: str, folder: Path) -> asyncio.subprocess.Process:
    values = {"HTTP__API": "0", "API__PER_SECOND": "1000000", "API__ACCESS_LOG": "errors"}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marketprism_services", "up", "--source", source),
        *("--data-dir", str(folder), "--nats-port", "0"),
        env={**os.environ, **{f"MARKETPRISM_{name}": value for name, value in values.items()}},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def _found(folder: Path) -> tuple[int, int, str, str]:
    """Port and process of the gateway, the address of NATS, and an instrument that is stored."""
    from marketprism_client import MarketClient  # noqa: PLC0415 (beside its only use)
    from marketprism_sdk.messaging import REGISTRY, Discovery  # noqa: PLC0415
    from marketprism_sdk.nats.kv import NatsKeyValue  # noqa: PLC0415

    async with asyncio.timeout(_READY_S):
        while not (folder / "run" / "url").exists():
            await asyncio.sleep(0.1)
        url = (folder / "run" / "url").read_text().strip()
        connection = await NatsConnection.open(url, name="bench", access=known_access(folder, "operator"))
        discovery = Discovery(NatsKeyValue.existing(connection, REGISTRY))
        while not (found := [each for each in discovery.instances("api") if each.status == "active"]):
            await asyncio.sleep(0.2)
            await discovery.refresh()
        async with MarketClient(url) as market:
            while not (rows := list(await market.symbols())) or rows[0]["bars"] < 1_000:
                await asyncio.sleep(0.5)
        # The rest of the pipeline has nothing to do any more: what is measured has the machine to itself.
        while not any(each.status == "finished" for each in discovery.instances("gateway")):
            await asyncio.sleep(0.5)
            await discovery.refresh()
        await connection.close()
    await asyncio.sleep(_SETTLED_S)
    port = int(found[0].endpoints["http"].rpartition(":")[2])
    listening = next(each for each in psutil.net_connections("tcp") if each.laddr and each.laddr.port == port)
    return port, int(listening.pid or 0), url, str(rows[0]["symbol"])


async def _newest(port: int, pid: int, path: str) -> dict[str, float]:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    process, times = psutil.Process(pid), list[float]()

    async def ask(count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        for _ in range(count):
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head[:16], head
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            times.append(time.perf_counter() - started)
        writer.close()

    await ask(10)
    times.clear()
    before, started = process.cpu_times(), time.perf_counter()
    await asyncio.gather(*(ask(_REQUESTS // _CONNECTIONS) for _ in range(_CONNECTIONS)))
    after, took = process.cpu_times(), time.perf_counter() - started
    cpu = after.user + after.system - before.user - before.system
    ordered = sorted(times)
    return {
        "per_second_of_a_core": round(len(times) / cpu),
        "cpu_us": round(cpu / len(times) * 1e6, 1),
        "per_second": round(len(times) / took),
        "p99_ms": round(ordered[int(0.99 * (len(ordered) - 1))] * 1e3, 2),
    }


async def _bars(url: str, port: int, symbol: str) -> dict[str, float]:
    """Medians of 1 000 bars as an Arrow stream, asked in turns over NATS and over HTTP."""
    import aiohttp  # noqa: PLC0415 (beside its only use)

    connection = await NatsConnection.open(url, name="bench")
    calls = RpcClient(NatsBus(connection))
    question = encode_question(Records("bar", symbol, interval="1m", limit=1_000))
    path = f"http://127.0.0.1:{port}/api/v1/bars/{symbol}?interval=1m&limit=1000&format=arrow"
    inside, outside = list[float](), list[float]()
    async with aiohttp.ClientSession() as session:

        async def over_http() -> None:
            async with session.get(path) as answer:
                assert len(await answer.read()) > 10_000

        async def over_nats() -> None:
            assert len(await calls.call_raw("query", "arrow", question)) > 10_000

        for _ in range(_BARS):
            inside.append(await _seconds(over_nats))
            outside.append(await _seconds(over_http))
    await connection.close()
    one, other = statistics.median(inside) * 1e3, statistics.median(outside) * 1e3
    return {"rpc_ms": round(one, 3), "http_ms": round(other, 3), "ratio": round(other / one, 2)}


async def _seconds(work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def _middle(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


if __name__ == "__main__":
    asyncio.run(_bare())
