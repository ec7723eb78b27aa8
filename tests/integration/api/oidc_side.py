"""The OpenID provider as a process of its own, and a browser that logs in there."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import urllib.request
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import msgspec

from marketprism_services.settings.oidc import CALLBACK, LOGIN
from tests.integration.api.access_side import Answer, Gateway

_PROGRAM = Path(__file__).parents[2] / "support" / "oidc_provider.py"
CLIENT = "desk"


class Provider:
    """`start` it, `stop` it; it comes back on the same port, with another key."""

    def __init__(self) -> None:
        self.port = 0
        self._child: subprocess.Popen[str] | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, str(_PROGRAM), str(self.port)]
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
        self._child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
        )
        assert self._child.stdout is not None
        self.port = int(self._child.stdout.readline())

    def stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def user(self, subject: str, /, **claims: object) -> None:
        self._ask("PUT", f"/users/{subject}", msgspec.json.encode(claims))

    def rotate(self) -> None:
        self._ask("POST", "/test/rotate")

    def slow(self, seconds: float) -> None:
        self._ask("POST", f"/test/delay?s={seconds}")

    def _ask(self, method: str, path: str, data: bytes = b"") -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.issuer + path, data, headers, method=method)
        urllib.request.urlopen(request, timeout=20).close()

    def settings(self, **more: Any) -> dict[str, Any]:
        """Of the gateway that sends its browsers here."""
        return {
            "issuer": self.issuer,
            "client_id": CLIENT,
            "client_secret": "s3cret of the client",
            "redirect_url": f"http://127.0.0.1:8080{CALLBACK}",
            "role_map": ("desk-quants=quant", "desk-admins=admin"),
            "provider_s": 20.0,
            **more,
        }

    async def token(self, name: str, client: str = CLIENT) -> str:
        """An ID token for some client of the provider."""
        verifier = "v" * 43
        proof = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        query = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": "http://127.0.0.1:1/",
            "scope": "openid profile",
            "code_challenge": proof.decode(),
            "code_challenge_method": "S256",
        }
        async with aiohttp.ClientSession() as session:
            back = await authorized(session, f"{self.issuer}/oauth2/authorize?{urlencode(query)}", name)
            form = {
                "grant_type": "authorization_code",
                "code": back["code"],
                "redirect_uri": query["redirect_uri"],
                "code_verifier": verifier,
                "client_id": client,
                "client_secret": "any",
            }
            async with session.post(f"{self.issuer}/oauth2/token", data=form) as answer:
                return str((await answer.json())["id_token"])


async def authorized(session: aiohttp.ClientSession, url: str, name: str) -> dict[str, str]:
    """What the provider sends back with a browser whose user has logged in there."""
    async with session.post(url, data={"sub": name}, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        location = answer.headers["Location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


class Browser:
    """Keeps the cookies of one gateway."""

    def __init__(self, api: Gateway) -> None:
        self._api = api
        self.cookies: dict[str, str] = {}

    async def ask(self, path: str) -> Answer:
        """GET it with the cookies, and take those of the answer; a redirection is not followed."""
        shown = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self._api.session.get(
            self._api.base + path, headers={"Cookie": shown} if shown else {}, allow_redirects=False
        ) as answer:
            data = await answer.read()
            body = msgspec.json.decode(data) if data[:1] == b"{" else {"success": True, "data": data.decode()}
            for header in answer.headers.getall("Set-Cookie", ()):
                for name, morsel in SimpleCookie(header).items():
                    self.cookies.pop(name, None)
                    if morsel.value:
                        self.cookies[name] = morsel.value
            return Answer(answer.status, body, answer.headers.copy())

    async def begin(self, path: str = "/") -> str:
        """The URL of the provider that a login begins at."""
        answer = await self.ask(f"{LOGIN}?{urlencode({'next': path})}")
        assert answer.status == 302, answer.body
        return answer.headers["Location"]

    async def come_back(self, **query: str) -> Answer:
        return await self.ask(f"{CALLBACK}?{urlencode(query)}")

    async def log_in(self, name: str, path: str = "/") -> Answer:
        """The whole login."""
        return await self.come_back(**await authorized(self._api.session, await self.begin(path), name))
