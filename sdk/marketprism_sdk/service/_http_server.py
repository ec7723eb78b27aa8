"""Health, readiness, metrics and status over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aiohttp import HttpVersion10, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from marketprism_sdk.errors import reason_of
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.service._certificates import HANDSHAKE_S, Certificates, HttpTls
from marketprism_sdk.service._http_limits import IDLE_S, MOST_CONNECTIONS, Connections, Handler, is_health, may_ask
from marketprism_sdk.service._slow_readers import STALL_S, SlowReaders

if TYPE_CHECKING:
    from logging import Logger

    from marketprism_sdk.observability import Metrics

log = get_logger(__name__)

Check = Callable[[], Awaitable[str]]  # healthy; or degraded or unhealthy, and why behind a colon
Status = Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]
_UP = {"healthy": 1.0, "degraded": 0.5, "unhealthy": 0.0}
_ORDER = {"healthy": 0, "degraded": 1, "unhealthy": 2}
_CHECK_TIMEOUT_S = 2.0
_BACKLOG = 1_024  # a burst beyond it costs whoever comes in it a second, until the kernel asks again
_AT_ONCE = 64  # connections that are accepted in one turn of the loop, which others wait for
_SHOWN = 200
_SECURED_S = 31_536_000
_LINE_BYTES = 8190  # of a request and of a header, as aiohttp takes them
# From Python 3.12 on aiohttp begins the task of a request at once: a thousand requests behind one another on one
# connection would be answered in one turn of the loop.
_BEGINS_AT_ONCE = sys.version_info >= (3, 12)


class HttpServer:
    """`GET /health /health/live /health/ready /metrics /status`, `/` that lists what there is, and what a service adds
    to `app`.

    What is not there, and what goes wrong, is answered in JSON: `{"success": false, "error": {code, message, details},
    "timestamp", "request_id"}`. `names` are host names by which it is asked, beside those of loopback.
    """

    def __init__(
        self,
        service: str,
        version: str,
        metrics: Metrics,
        names: Sequence[str] = (),
        *,
        idle_s: float = IDLE_S,
        most_connections: int = MOST_CONNECTIONS,
        stall_s: float = STALL_S,
        instance: str = "",
        tls: HttpTls | None = None,
    ) -> None:
        self._service = service
        self.version = version
        self._instance = instance
        self._metrics = metrics
        self._started = time.monotonic()
        self._checks: dict[str, Check] = {}
        self._status: list[Status] = []
        self._names = tuple(names)
        self._host = ""
        self._connections: Connections | None = None
        self._listening: asyncio.Server | None = None
        self._readers = SlowReaders(stall_s)
        self._looking: list[asyncio.Task[None]] = []
        self._tls = tls if tls is not None and tls.files else None
        self.ready = False
        self.app: web.Application = web.Application(middlewares=[self._guard])
        self.app.on_response_prepare.append(_no_sniffing)
        self.app.add_routes(
            [
                web.get("/", self._index),
                web.get("/health", self._health),
                web.get("/health/live", self._live),
                web.get("/health/ready", self._is_ready),
                web.get("/metrics", self._metrics_text),
                web.get("/status", self._status_of),
            ]
        )
        # A handler whose client went away is cancelled, and with it what it asked for elsewhere.
        self._runner = web.AppRunner(self.app, access_log=None, handler_cancellation=True)
        self._idle_s = idle_s
        self._most_connections = most_connections
        self.port: int = 0

    def check(self, name: str, check: Check) -> None:
        """Add a dependency to the health answer."""
        self._checks[name] = check

    def status(self, read: Status) -> None:
        """Something more that `/status` shows, beside the basics and what was given before; it may be awaitable."""
        self._status.append(read)

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 is any free one.

        Raises:
            OSError: the port is taken. InvalidSetting: the files of its certificate cannot be used.
        """
        certificates = None if self._tls is None else await Certificates.read(self._tls, self._metrics)
        if self._runner.server is None:
            await self._runner.setup()
        server = self._runner.server
        assert server is not None  # noqa: S101 (it is set up)
        self._host = host
        loop = asyncio.get_running_loop()
        handler = partial(
            _Requests,
            server,
            readers=self._readers,
            loop=loop,
            access_log=cast("Logger", None),
            keepalive_timeout=self._idle_s,
            lingering_time=1.0,
        )
        handshake_s = 1.0 if certificates is None else HANDSHAKE_S + 1.0
        self._connections = connections = Connections(handler, self._most_connections, handshake_s)
        self._listening = await loop.create_server(
            connections,
            host,
            port,
            backlog=_AT_ONCE,  # asyncio accepts as many in a turn as may wait
            ssl=None if certificates is None else certificates.context,
            ssl_handshake_timeout=None if certificates is None else HANDSHAKE_S,
        )
        for each in self._listening.sockets:
            with each.dup() as same:
                same.listen(_BACKLOG)
        self.port = self._listening.sockets[0].getsockname()[1]
        self._looking.append(asyncio.create_task(self._look_at_readers(connections), name="slow readers"))
        if certificates is not None:
            self._looking.append(asyncio.create_task(certificates.watch(), name="certificates"))
            self.check("certificate", certificates.health)
            self.status(certificates.shown)
        self._metrics.watch("http_connections_cut_slow_total", lambda: float(self._readers.cut))
        self._metrics.watch("http_connections_refused_total", lambda: float(connections.refused))
        self._metrics.watch("http_connections_closed_idle_total", lambda: float(connections.closed_idle))

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._listening is not None:
            self._listening.close()
        for task in self._looking:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._runner.cleanup()

    @property
    def scheme(self) -> str:
        """`https` where it has a certificate, else `http`."""
        return "http" if self._tls is None else "https"

    async def _look_at_readers(self, connections: Connections) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._readers.stall_s / 6)
            self._readers.look(loop.time(), connections.is_busy)

    def uptime_s(self) -> float:
        """Seconds since it was made."""
        return round(time.monotonic() - self._started, 3)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who asks by a name that is not ours, or when every place is taken, is refused; what fails is said in JSON."""
        if _BEGINS_AT_ONCE:
            await asyncio.sleep(0)
        header = request.headers.get("Host")
        if not may_ask(header, self._host, self._names):
            expected = ", ".join(("localhost", "an IP address", self._host, *self._names))
            return _failure(request, 403, "FORBIDDEN_HOST", f"Host: expected one of {expected}, was {header!r}")
        if request.version < HttpVersion10:
            return _failure(request, 400, "BAD_REQUEST", "request: expected HTTP/1.0 or later, was none with a version")
        connections = self._connections
        if connections is None:
            return await handler(request)
        connections.begin(request.protocol)
        self._readers.asked(request.protocol)
        try:
            if connections.crowded and not is_health(request.path):
                return _failure(request, 503, "UNAVAILABLE", "connections: expected fewer at a time, were too many")
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _failed(request, error)
        finally:
            connections.end(request.protocol)

    async def report(self) -> dict[str, Any]:
        """The body of `/health`: the worst of its dependencies, with a reason for each that is not healthy."""
        names = list(self._checks)
        told = await asyncio.gather(*(self._ask(self._checks[name]) for name in names))
        found = [status for status, _ in told]
        worst = max(found, key=lambda status: _ORDER[status], default="healthy")
        for name, status in zip(names, found, strict=True):
            self._metrics.gauge("dependency_up", _UP[status], dependency=name)
        reasons = {name: reason for name, (_, reason) in zip(names, told, strict=True) if reason}
        return {
            "status": worst,
            "timestamp": datetime.now(UTC).isoformat(),
            "uptime_seconds": self.uptime_s(),
            "version": self.version,
            "instance": self._instance,
            "dependencies": dict(zip(names, found, strict=True)),
            **({"reasons": reasons} if reasons else {}),
        }

    @staticmethod
    async def _ask(check: Check) -> tuple[str, str]:
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                status, _, reason = (await check()).partition(": ")
        except TimeoutError:
            return "unhealthy", f"no answer within {_CHECK_TIMEOUT_S:g} s"
        except Exception as error:  # noqa: BLE001 (a check that fails is the answer)
            return "unhealthy", f"cannot be checked: {reason_of(error)}"
        if status not in _ORDER:
            return "unhealthy", f"cannot be checked: expected healthy, degraded or unhealthy, was {status[:_SHOWN]!r}"
        return status, "" if status == "healthy" else reason or "its check gives no reason"

    async def _health(self, _: web.Request) -> web.Response:
        body = await self.report()
        return web.json_response(body, status=503 if body["status"] == "unhealthy" else 200)

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _is_ready(self, _: web.Request) -> web.Response:
        return web.json_response({"ready": self.ready}, status=200 if self.ready else 503)

    async def _metrics_text(self, _: web.Request) -> web.Response:
        await self.report()  # whoever only scrapes sees its dependencies as they are now
        return web.Response(body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def shown(self) -> dict[str, object]:
        """The body of `/status`: the basics, and what the service has given to be shown."""
        shown: dict[str, object] = {"service": self._service, "version": self.version}
        for read in self._status:
            found = read()
            shown.update(await found if isinstance(found, Awaitable) else found)
        return shown

    async def _status_of(self, _: web.Request) -> web.Response:
        return web.json_response(await self.shown())

    async def _index(self, request: web.Request) -> web.Response:
        paths = {str(each.canonical) for each in self.app.router.resources()}
        data = {"service": self._service, "version": self.version, "paths": sorted(paths)}
        return web.json_response({"success": True, "data": data, "message": self._service, **_stamp(request)})


class _Requests(RequestHandler):
    """The requests of one connection: what is no HTTP, or makes a handler fail, is answered as everything else is."""

    __slots__ = ("_readers",)

    def __init__(self, manager: web.Server, *, readers: SlowReaders, **options: object) -> None:
        super().__init__(manager, **options)  # type: ignore[arg-type]
        self._readers = readers

    def _opened(self, transport: asyncio.BaseTransport) -> None:
        """Looked at from here on, for whether what is answered is taken."""
        super().connection_made(transport)
        self._readers.opened(self, cast("asyncio.WriteTransport", transport))

    connection_made = _opened

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing lies here for it any more."""
        self._readers.lost(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 (the library's own text, with pieces of what came)
    ) -> web.StreamResponse:
        """The envelope; the connection is closed behind it. Raises ConnectionError: an answer had begun."""
        broken = isinstance(exc, HttpProcessingError) and status < 500
        if exc is not None and broken:  # any program on the network can send what is none, as often as it likes
            log.debug("http.request_malformed", error=reason_of(exc)[:_SHOWN])
        else:
            log.error("http.request_failed", path=request.path[:_SHOWN], exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer had begun, expected no error behind it")
        if broken:
            text = f"request: expected well-formed HTTP, at most {_LINE_BYTES} bytes a line: {type(exc).__name__}"
            code = "BAD_REQUEST"
        else:
            code, text = "INTERNAL", "the request could not be answered; the log of the service says why"
        answer = _failure(request, status, code, text)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.force_close()
        return answer


def _failed(request: web.Request, error: web.HTTPException) -> web.Response:
    """The envelope of what aiohttp refuses by itself."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        text = f"method: expected one of {allowed} for {request.path[:_SHOWN]}, was {request.method}"
        return _failure(request, 405, "METHOD_NOT_ALLOWED", text, {"Allow": allowed})
    if error.status == 404:
        text = f"path: expected one that / or /api/v1 lists, was {request.path[:_SHOWN]!r}"
        return _failure(request, 404, "NOT_FOUND", text)
    return _failure(request, error.status, error.reason.upper().replace(" ", "_"), error.text or error.reason)


def _failure(
    request: web.BaseRequest, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    body = {"success": False, "error": {"code": code, "message": message, "details": {}}, **_stamp(request)}
    return web.json_response(body, status=status, headers=headers)


def _stamp(request: web.BaseRequest) -> dict[str, str]:
    request_id = request.headers.get("X-Request-Id", "")[:80] or secrets.token_hex(8)
    return {"timestamp": datetime.now(UTC).isoformat(), "request_id": request_id}


async def _no_sniffing(request: web.Request, response: web.StreamResponse) -> None:
    """What is said to be of a type is not to be guessed to be of another by a browser; and who was asked over TLS once
    is not to be asked in clear."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.secure:
        response.headers["Strict-Transport-Security"] = f"max-age={_SECURED_S}"
