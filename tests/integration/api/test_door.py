"""What every request goes through at the door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from marketprism_adapters.http.envelope import Stamp, answered
from marketprism_application.access.entitlements import Entitlement, Entitlements
from marketprism_application.access.principal import LOCAL, Principal
from marketprism_application.access.scopes import ROLES, Scope
from marketprism_sdk.observability import Metrics
from marketprism_services.api.door import Door
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.settings.api import ApiSettings

ORIGIN = "https://desk.example"
LOCAL_ADMIN = Principal("user", "root", ROLES["admin"])


class Doorstep:
    """An application behind a door, and whoever stands before it."""

    def __init__(self, settings: ApiSettings | None = None) -> None:
        self.who: Principal | None = LOCAL
        self.asked, self.entered, self.leave = asyncio.Event(), asyncio.Event(), asyncio.Event()
        settings = settings or ApiSettings(cors_origins=(ORIGIN,), in_flight=2, access_log="off", per_second=10_000)
        self.metrics = Metrics("api")
        self.door = Door(settings, self.metrics, self._authenticate)

    async def _authenticate(self, _: web.Request) -> Principal | None:
        self.asked.set()
        return self.who

    async def _open(self, request: web.Request) -> web.Response:
        return answered([1] * 1_000, "many", Stamp.of(request), tagged=True)

    async def _mine(self, request: web.Request) -> web.Response:
        return answered(principal_of(request).id, "who", Stamp.of(request))

    async def _slow(self, request: web.Request) -> web.Response:
        self.entered.set()
        await self.leave.wait()
        return answered(None, "late", Stamp.of(request))

    async def start(self) -> None:
        app = web.Application()
        self.door.install(app)
        endpoints = [
            Endpoint("GET", "/api/v1/open", self._open, None),
            Endpoint("GET", "/api/v1/mine", self._mine, Scope.READ),
            Endpoint("POST", "/api/v1/operate", self._mine, Scope.OPERATE),
            Endpoint("GET", "/api/v1/slow", self._slow, None),
        ]
        app.add_routes([self.door.guarded(each) for each in endpoints])
        app.add_routes([web.get("/health", self._open), web.get("/metrics", self._open)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.session = aiohttp.ClientSession(auto_decompress=False)

    async def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, CIMultiDict[str]]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(self.base + path, encoded=True)
        async with self.session.request(method, url, headers=given) as answer:
            body = await answer.read()
            read = await answer.json() if body[:1] == b"{" else body
            return answer.status, read, answer.headers.copy()

    async def stop(self) -> None:
        await self.session.close()
        await self._runner.cleanup()


@pytest.fixture
async def step() -> AsyncIterator[Doorstep]:
    made = Doorstep()
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/../../metrics",
        "/api/v1/%2e%2e/metrics",
        "/api/v1/%2E./metrics",
        "/api/v1/./open",
        "/api//v1/open",
        "//evil.example/open",
        "/api/v1\\open",
        "/api/v1/%5copen",
        "/api/v1/..",
    ],
)
async def test_a_path_that_means_another_is_refused(step: Doorstep, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(step.base).port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 400 "), answer
    assert "INVALID_PATH" in answer or "Bad Request" in answer


async def test_who_may_not_is_told_what_is_missing(step: Doorstep) -> None:
    status, body, _ = await step.ask("/api/v1/mine")
    assert (status, body["data"]) == (200, "local:local")
    status, body, _ = await step.ask("/api/v1/operate", "POST")
    assert (status, body["error"]["code"]) == (403, "FORBIDDEN")
    assert body["error"]["message"] == "scope: expected sys:operate, which local:local does not have"
    step.who = None
    status, body, headers = await step.ask("/api/v1/mine")
    assert (status, body["error"]["code"]) == (401, "UNAUTHENTICATED")
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert (await step.ask("/api/v1/open"))[0] == 200
    step.who = Principal("user", "li", ROLES["operator"])
    assert (await step.ask("/api/v1/operate", "POST"))[1]["data"] == "user:li"


async def test_who_is_revoked_while_its_body_comes_is_not_let_in(step: Doorstep) -> None:
    step.who = Principal("user", "ann", ROLES["operator"])
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(step.base).port)
    writer.write(b"POST /api/v1/operate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{")
    await step.asked.wait()
    step.who = None
    writer.write(b"}")
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 401 "), answer


async def test_every_answer_has_an_id_and_says_little_to_a_browser(step: Doorstep) -> None:
    for path in ("/api/v1/open", "/api/v1/mine", "/health", "/nothing"):
        _, body, headers = await step.ask(path, X_Request_Id="mine-1")
        assert headers["X-Request-Id"] == "mine-1", path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Server" not in headers
    _, body, headers = await step.ask("/api/v1/mine", X_Request_Id="<script>alert(1)</script>")
    assert headers["X-Request-Id"] == body["request_id"] != "<script>alert(1)</script>"


async def test_what_a_caller_has_is_not_sent_again(step: Doorstep) -> None:
    status, _, headers = await step.ask("/api/v1/open")
    tag = headers["ETag"]
    assert status == 200
    status, body, headers = await step.ask("/api/v1/open", If_None_Match=f'W/"other", {tag}')
    assert (status, body, headers["ETag"]) == (304, b"", tag)
    assert (await step.ask("/api/v1/open", If_None_Match='W/"other"'))[0] == 200


async def test_text_is_compressed_for_those_of_another_machine_only(step: Doorstep) -> None:
    _, _, headers = await step.ask("/api/v1/open", Accept_Encoding="gzip")
    assert "Content-Encoding" not in headers
    _, body, headers = await step.ask("/api/v1/open", Accept_Encoding="gzip, br", X_Forwarded_For="10.0.0.9")
    assert headers["Content-Encoding"] == "gzip"
    assert body[:2] == b"\x1f\x8b"


async def test_pages_of_named_origins_may_ask_and_no_others(step: Doorstep) -> None:
    status, _, headers = await step.ask("/api/v1/open", "OPTIONS", Origin=ORIGIN, Access_Control_Request_Method="GET")
    assert (status, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (204, ORIGIN, "Origin")
    assert (await step.ask("/api/v1/open", Origin=ORIGIN))[2]["Access-Control-Allow-Origin"] == ORIGIN
    for other in ("https://evil.example", "null", "https://desk.example.evil.example"):
        status, _, headers = await step.ask("/api/v1/open", "OPTIONS", Origin=other)
        assert status == 405
        assert "Access-Control-Allow-Origin" not in headers


async def test_more_than_may_be_inside_are_told_to_come_again_and_health_is_answered(step: Doorstep) -> None:
    waiting = [asyncio.create_task(step.ask("/api/v1/slow")) for _ in range(2)]
    async with asyncio.timeout(10):
        while (await step.ask("/api/v1/open"))[0] != 503:
            await asyncio.sleep(0.01)
    status, body, headers = await step.ask("/api/v1/open")
    assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "UNAVAILABLE", "1")
    assert (await step.ask("/health"))[0] == 200
    assert step.metrics.total("http_requests_shed_total") >= 2
    step.leave.set()
    assert [status for status, _, _ in await asyncio.gather(*waiting)] == [200, 200]
    assert (await step.ask("/api/v1/open"))[0] == 200


async def test_what_a_service_shows_is_not_for_everybody_outside() -> None:
    step = Doorstep(ApiSettings(auth="on", access_log="off"))
    await step.start()
    try:
        for who, status in ((None, 401), (Principal("key", "k", ROLES["viewer"]), 403), (LOCAL_ADMIN, 200)):
            step.who = who
            assert (await step.ask("/metrics"))[0] == 200, "from this machine"
            assert (await step.ask("/metrics", X_Forwarded_For="10.0.0.9"))[0] == status
            assert (await step.ask("/health", X_Forwarded_For="10.0.0.9"))[0] == 200
    finally:
        await step.stop()


async def test_entitlements_are_the_union_of_patterns() -> None:
    seen = Entitlements(
        (Entitlement(("shfe",), ("rb*",)), Entitlement(symbols=("*-USDT-PERP",), kinds=("tick", "bar")))
    )
    assert seen.allows("shfe", "rb2505", "bar")
    assert seen.allows("okx", "BTC-USDT-PERP", "tick")
    assert not seen.allows("okx", "BTC-USDT-PERP", "trade")
    assert not seen.allows("dce", "rb2505", "bar")
    assert not seen.allows("shfe", "RB2505", "bar")
    assert not seen.is_unbounded
    assert Entitlements().is_unbounded
