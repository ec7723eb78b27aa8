"""A gateway behind a proxy: whose address it is, and whoever writes another into a header gains nothing."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog

from marketprism_application.contracts.access_records import Session
from tests.integration.api.access_side import gateway

pytestmark = pytest.mark.timeout(120)
ME, SESSIONS = "/api/v1/me", "/api/v1/me/sessions"


async def test_behind_a_proxy_the_caller_is_who_the_proxy_says(
    nats_url: str, logs: list[MutableMapping[str, Any]]
) -> None:
    async with gateway(nats_url, trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"), access_log="all") as api:
        ann = await api.user("admin")
        desk = await api.key(ann, cidrs=("192.0.2.0/24",))

        async def from_(header: str, key: str = desk, **more: str) -> str:
            answer = await api.ask("GET", ME, key, headers={"X-Forwarded-For": header, **more})
            return answer.code or "in"

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20))
        assert await from_("192.0.2.7") == "in"
        assert [each["address"] for each in logs if each["event"] == "http.request"] == ["192.0.2.7"]
        assert await from_("192.0.2.7, 10.9.9.9") == "in"
        for spoofed in ("192.0.2.7, 198.51.100.1", "192.0.2.7, 198.51.100.1, 10.9.9.9", "192.0.2.7, x", ""):
            assert await from_(spoofed) == "ADDRESS", spoofed
        assert await from_("198.51.100.1", Forwarded="for=192.0.2.7") == "ADDRESS"  # which its proxy hands on as it is
        assert await from_("198.51.100.1", X_Real_Ip="192.0.2.7") == "ADDRESS"

        headers = {"X-Forwarded-For": "192.0.2.8", "X-Forwarded-Proto": "http, https"}
        login = {"user": ann.id, "password": "correct horse battery"}
        answer = await api.ask("POST", "/api/v1/auth/login", json=login, headers=headers)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-mp=")
        assert "; Secure" in cookie
        secure = {**headers, "Cookie": cookie.partition(";")[0]}
        (session,) = (await api.ask("GET", SESSIONS, headers=secure)).data
        assert (session["address"], session["current"]) == ("192.0.2.8", True)
        assert api.store.get(Session, session["id"]) is not None
        found = [record for _, record in await api.service.access.audit_log.newest(20) if record.target == ann.id]
        assert found[0].address == "192.0.2.8"

        # Each address has limits, and failed logins, of its own.
        limits = [
            (await api.ask("GET", ME, headers={"X-Forwarded-For": f"203.0.113.{n}"})).headers["RateLimit"]
            for n in (1, 2, 2)
        ]
        # Of its share of the limit: an instance of a test before this one may still be in the registry.
        left = [int(each.partition(";t=")[0].removeprefix('"req";r=')) for each in limits]
        assert left == [left[0], left[0], left[0] - 1]
        wrong = {"user": ann.id, "password": "not this one"}
        for _ in range(7):
            locked = await api.ask(
                "POST", "/api/v1/auth/login", json=wrong, headers={"X-Forwarded-For": "198.51.100.3"}
            )
        assert locked.code == "LOCKED_OUT"
        assert (await api.ask("POST", "/api/v1/auth/login", json=login, headers=headers)).status == 200


async def test_who_is_no_proxy_of_ours_says_nothing_about_addresses(nats_url: str) -> None:
    for settings in ({}, {"trusted_proxies": ("10.0.0.0/8",)}):
        async with gateway(nats_url, **settings) as api:
            desk = await api.key(await api.user("quant"), cidrs=("192.0.2.0/24",))
            for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"):
                value = "for=192.0.2.7" if name == "Forwarded" else "192.0.2.7"
                assert (await api.ask("GET", ME, desk, headers={name: value})).code == "ADDRESS"
            near = await api.key(await api.user("quant"), cidrs=("127.0.0.1/32",))
            answer = await api.ask("GET", ME, near, headers={"X-Forwarded-For": "192.0.2.7"})
            assert answer.status == 200
            login = {"user": "x", "password": "y"}
            answer = await api.ask("POST", "/api/v1/auth/login", json=login, headers={"X-Forwarded-Proto": "https"})
            assert "Set-Cookie" not in answer.headers


async def test_the_header_that_the_proxies_write_is_the_one_of_the_settings(nats_url: str) -> None:
    async with gateway(nats_url, trusted_proxies=("127.0.0.1",), proxy_header="forwarded") as api:
        desk = await api.key(await api.user("quant"), cidrs=("2001:db8::/32",))
        for headers, code in (
            ({"Forwarded": 'for="[2001:db8::1]:99";proto=https'}, ""),
            ({"Forwarded": "for=198.51.100.1", "X-Forwarded-For": "2001:db8::1"}, "ADDRESS"),
            ({"X-Forwarded-For": "2001:db8::1"}, "ADDRESS"),
        ):
            assert (await api.ask("GET", ME, desk, headers=headers)).code == code
