"""What web-socket libraries cost: frames received over loopback."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

from tests.benchmarks.venues import agg_trade, depths


async def _serve(frame: str) -> None:
    """A server that sends one frame as fast as sockets take it: prepared bytes, so that it is not what limits."""
    from picows import WSFrame, WSListener, WSTransport, WSUpgradeRequest, ws_create_server  # noqa: PLC0415

    payload = frame.encode()
    size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    block = (b"\x81" + size + payload) * max(1, 200_000 // len(payload))

    class Flood(WSListener):
        paused = False

        def on_ws_connected(self, transport: WSTransport) -> None:
            self._transport = transport
            asyncio.get_running_loop().call_soon(self.more)

        def more(self) -> None:
            while not self.paused and not self._transport.is_disconnected:
                self._transport.underlying_transport.write(block)

        def pause_writing(self) -> None:
            self.paused = True

        def resume_writing(self) -> None:
            self.paused = False
            self.more()

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None: ...

    def make(_: WSUpgradeRequest) -> Flood:
        return Flood()

    server = await ws_create_server(make, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(60)


async def _receive_picows(port: int, seconds: float) -> float:
    from picows import WSFrame, WSListener, WSTransport, ws_connect  # noqa: PLC0415

    class Count(WSListener):
        received = 0

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            frame.get_payload_as_bytes()
            self.received += 1

    transport, counter = await ws_connect(Count, f"ws://127.0.0.1:{port}/")
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    spent = time.perf_counter() - started
    transport.disconnect()
    return counter.received / spent  # type: ignore[attr-defined]


async def _receive_aiohttp(port: int, seconds: float) -> float:
    import aiohttp  # noqa: PLC0415

    received = 0
    async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://127.0.0.1:{port}/", compress=0) as socket:
        started = time.perf_counter()
        async for _ in socket:
            received += 1
            if received % 200 == 0 and time.perf_counter() - started > seconds:
                break
        return received / (time.perf_counter() - started)


async def _receive_websockets(port: int, seconds: float) -> float:
    try:
        from websockets.asyncio.client import connect  # noqa: PLC0415
    except ImportError:
        return 0.0
    received = 0
    async with connect(f"ws://127.0.0.1:{port}/", compression=None) as socket:
        started = time.perf_counter()
        async for _ in socket:
            received += 1
            if received % 200 == 0 and time.perf_counter() - started > seconds:
                break
        return received / (time.perf_counter() - started)


def measure_sockets(seconds: float = 1.5) -> dict[str, Any]:
    """Frames a second that each client library receives over loopback; 0 for one that is not installed."""
    import uvloop  # noqa: PLC0415

    found: dict[str, Any] = {}
    for name, frame in (("trade", agg_trade()), ("depth 20+20", depths(1)[1][0])):
        for library, receive in (
            ("picows", _receive_picows),
            ("aiohttp", _receive_aiohttp),
            ("websockets", _receive_websockets),
        ):
            server = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    f"import asyncio,uvloop; from tests.benchmarks.venue_sockets import _serve; "
                    f"uvloop.run(_serve({frame.decode()!r}))",
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline())
                found[f"{library}, {name}"] = round(uvloop.run(receive(port, seconds)))
            finally:
                server.kill()
                server.wait()
    return found
