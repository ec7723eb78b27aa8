"""Places on this machine that notifications go to: each checks what its vendor documents, and can say no."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

SECRET = "SECb1c9-signing"
TOKEN = "tok-4711-secret"
WINDOW_S = 3_600


def b64_hmac(key: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


class HttpPlace:
    """An HTTP server. `mode`: ok, busy, broken, stall, page (the answer of a proxy). It has taken what it is sent
    `delay_s` before it answers."""

    def __init__(
        self, answer: Callable[[web.Request, bytes], tuple[int, Any]], busy: tuple[int, Any], delay_s: float = 0.0
    ) -> None:
        self.delay_s = delay_s
        self.mode = "ok"
        self.texts: list[str] = []
        self.requests: list[tuple[web.Request, bytes]] = []
        self._answer, self._busy = answer, busy
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request, body))
        if self.mode == "stall":
            await asyncio.sleep(3_600)
        if self.mode == "broken":
            return web.Response(status=503, text="down")
        if self.mode == "page":
            return web.Response(text="<html>log in first</html>")
        status, content = self._busy if self.mode == "busy" else self._answer(request, body)
        said = content if isinstance(content, dict) else {}
        if status == 200 and not said.get("errcode") and not said.get("code"):
            self.texts.append(json.dumps(json.loads(body), ensure_ascii=False))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        headers = {"Retry-After": "7"} if status == 429 else {}
        if isinstance(content, str):
            return web.Response(status=status, text=content, headers=headers)
        return web.json_response(content, status=status, headers=headers)


def dingtalk(request: web.Request, body: bytes) -> tuple[int, Any]:
    """The sign is of milliseconds, a line break and the secret, with the secret as key; an hour old at most."""
    stamp = request.query.get("timestamp", "0")
    good = request.query.get("sign") == b64_hmac(SECRET.encode(), f"{stamp}\n{SECRET}".encode())
    if request.query.get("access_token") != TOKEN:
        return 200, {"errcode": 300001, "errmsg": "token is not exist"}
    if not good or abs(time.time() - int(stamp) / 1_000) > WINDOW_S:
        return 200, {"errcode": 310000, "errmsg": f"sign not match of {TOKEN}"}
    content = json.loads(body)
    return (200, {"errcode": 0, "errmsg": "ok"}) if content["text"]["content"] else (200, {"errcode": 40035})


def feishu(request: web.Request, body: bytes) -> tuple[int, Any]:
    """The sign is of nothing, with seconds, a line break and the secret as key; an hour old at most."""
    content = json.loads(body)
    stamp = content.get("timestamp", "0")
    good = content.get("sign") == b64_hmac(f"{stamp}\n{SECRET}".encode(), b"")
    if not good or abs(time.time() - int(stamp)) > WINDOW_S or content["msg_type"] != "text":
        return 200, {"code": 19021, "msg": "sign match fail or timestamp is not within one hour from current time"}
    return 200, {"code": 0, "msg": "success", "data": {}}


def wecom(request: web.Request, body: bytes) -> tuple[int, Any]:
    if request.query.get("key") != TOKEN:
        return 200, {"errcode": 93000, "errmsg": "invalid webhook url"}
    return 200, {"errcode": 0 if len(json.loads(body)["text"]["content"].encode()) <= 2_048 else 40058}


def slack(request: web.Request, body: bytes) -> tuple[int, Any]:
    return (200, "ok") if request.path == f"/services/{TOKEN}" and json.loads(body)["text"] else (403, "invalid_token")


def telegram(request: web.Request, body: bytes) -> tuple[int, Any]:
    if request.path != f"/bot{TOKEN}/sendMessage":
        return 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
    content = json.loads(body)
    return (200, {"ok": True}) if content["chat_id"] == "-100" and len(content["text"]) <= 4_096 else (400, {})


def webhook(request: web.Request, body: bytes) -> tuple[int, Any]:
    stamp = request.headers["X-MarketPrism-Timestamp"]
    digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    good = hmac.compare_digest(request.headers.get("X-MarketPrism-Signature", ""), f"sha256={digest}")
    return (200, {}) if good and abs(time.time() - int(stamp)) < 60 else (401, {"error": "signature"})


class MailPlace:
    """An SMTP server with STARTTLS and a login. `mode`: ok, busy, broken, stall."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.mode = "ok"
        self.texts: list[str] = []
        self._options = {"tls_context": context, "require_starttls": True, "auth_required": True}
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        def protocol() -> SMTP:
            return SMTP(self, authenticator=self._login, loop=loop, hostname="localhost", **self._options)

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(protocol, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=data.login == b"robot" and data.password == TOKEN.encode(), handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        if self.mode == "stall":
            await asyncio.sleep(2)
        if self.mode in ("busy", "broken"):
            return "451 try again later"
        mail = message_from_bytes(envelope.content or b"", policy=default)
        self.texts.append(f"{mail['Subject']}\n{mail.get_content()}\n{','.join(envelope.rcpt_tos)}")
        return "250 taken"
