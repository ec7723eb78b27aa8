"""Health, readiness, metrics and status over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from marketprism_sdk.observability import Metrics


Check = Callable[[], Awaitable[str]]  # healthy, degraded or unhealthy; why may follow behind a colon
_ORDER = {"healthy": 0, "degraded": 1, "unhealthy": 2}
_CHECK_TIMEOUT_S = 2.0


class HttpServer:
    """`GET /health /health/live /health/ready /metrics /status`, and what a service adds to `app`."""

    def __init__(self, service: str, version: str, metrics: Metrics) -> None:
        self._service = service
        self._version = version
        self._metrics = metrics
        self._started = time.monotonic()
        self._checks: dict[str, Check] = {}
        self._status: list[Callable[[], Mapping[str, object]]] = []
        self.ready = False
        self.app = web.Application()
        self.app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/health/live", self._live),
                web.get("/health/ready", self._is_ready),
                web.get("/metrics", self._metrics_text),
                web.get("/status", self._status_of),
            ]
        )
        # A handler whose client went away is cancelled, and with it what it asked for elsewhere.
        self._runner = web.AppRunner(self.app, access_log=None, handler_cancellation=True)
        self.port: int = 0

    def check(self, name: str, check: Check) -> None:
        """Add a dependency to the health answer."""
        self._checks[name] = check

    def status(self, read: Callable[[], Mapping[str, object]]) -> None:
        """Something more that `/status` shows, beside the basics and what was given before."""
        self._status.append(read)

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 is any free one.

        Raises:
            OSError: the port is taken.
        """
        if self._runner.server is None:
            await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        await self._runner.cleanup()

    def uptime_s(self) -> float:
        """Seconds since it was made."""
        return round(time.monotonic() - self._started, 3)

    async def report(self) -> dict[str, Any]:
        """The body of `/health`: the worst of its dependencies."""
        names = list(self._checks)
        told = await asyncio.gather(*(self._ask(self._checks[name]) for name in names))
        found = [status for status, _ in told]
        worst = max(found, key=lambda status: _ORDER[status], default="healthy")
        reasons = {name: reason for name, (_, reason) in zip(names, told, strict=True) if reason}
        return {
            "status": worst,
            "timestamp": datetime.now(UTC).isoformat(),
            "uptime_seconds": self.uptime_s(),
            "version": self._version,
            "dependencies": dict(zip(names, found, strict=True)),
            **({"reasons": reasons} if reasons else {}),
        }

    @staticmethod
    async def _ask(check: Check) -> tuple[str, str]:
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                status, _, reason = (await check()).partition(": ")
        except Exception:  # noqa: BLE001 (a check that fails is the answer)
            return "unhealthy", ""
        return status if status in _ORDER else "unhealthy", reason

    async def _health(self, _: web.Request) -> web.Response:
        body = await self.report()
        return web.json_response(body, status=503 if body["status"] == "unhealthy" else 200)

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _is_ready(self, _: web.Request) -> web.Response:
        return web.json_response({"ready": self.ready}, status=200 if self.ready else 503)

    async def _metrics_text(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _status_of(self, _: web.Request) -> web.Response:
        shown: dict[str, object] = {"service": self._service, "version": self._version}
        for read in self._status:
            shown.update(read())
        return web.json_response(shown)
