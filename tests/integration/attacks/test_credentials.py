"""Guessed, forged, stolen and worn-out credentials; what their refusal tells; and how long it takes."""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from marketprism_adapters.identity.shown_once import new_api_key
from marketprism_adapters.identity.tokens import TokenSigner
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.contracts.access_records import Signer
from tests.integration.api.access_side import PASSWORD, Gateway, cookie_in, gateway
from tests.integration.attacks.place import Answer, Line, request

ME, LOGIN, TOKEN, REFRESH = "/api/v1/me", "/api/v1/auth/login", "/api/v1/auth/token", "/api/v1/auth/refresh"
WORDS = ("123456", "password", "qwerty", "letmein", "marketprism", "admin", "root", "", "x" * 10_000, "\0", "🔑" * 64)


@pytest.fixture
async def api(nats_url: str) -> AsyncIterator[Gateway]:
    async with gateway(nats_url) as found:
        yield found


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_a_token_that_is_not_exactly_what_was_issued_is_refused(api: Gateway) -> None:
    """The forms are those of `test_tokens`; here they come through the door, of a user who may do everything."""
    ann = await api.user("admin")
    body = {"grant": "password", "user": ann.id, "password": PASSWORD}
    good: str = (await api.ask("POST", TOKEN, json=body)).data["access"]
    assert (await api.ask("GET", ME, headers=_bearer(good))).status == 200
    head, claims, signature = good.split(".")
    said: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    other = TokenSigner("api-x", time.time_ns())  # whose public half nobody has
    late = TokenSigner("api-y", time.time_ns())
    await api.store.write(late.record, 0)
    forged = {
        "none": f"{_part({**header, 'alg': 'none'})}.{claims}.",
        "no signature": f"{head}.{claims}.",
        "another's claims": f"{head}.{_part({**said, 'sub': 'user:root'})}.{signature}",
        "another audience": f"{head}.{_part({**said, 'aud': 'other'})}.{signature}",
        "a later end": f"{head}.{_part({**said, 'exp': said['exp'] + 9_000})}.{signature}",
        "another kid": f"{_part({**header, 'kid': late.record.id})}.{claims}.{signature}",
        "a signer of one's own": other.sign(f"user:{ann.id}", said["sid"], ann.version, "j", time.time_ns()),
        "a login that there never was": late.sign(f"user:{ann.id}", "f" * 20, ann.version, "j", time.time_ns()),
        "an older version of the user": late.sign(f"user:{ann.id}", said["sid"], 0, "j", time.time_ns()),
        "from tomorrow": late.sign(f"user:{ann.id}", said["sid"], ann.version, "j", time.time_ns() + 10**14),
        "bytes of Latin": "é" + good,
    }
    for name, token in forged.items():
        answer = await api.ask("GET", ME, headers=_bearer(token))
        assert (answer.status, answer.code) == (401, "TOKEN_INVALID"), name
        assert "Traceback" not in str(answer.body), name
    over = late.sign(f"user:{ann.id}", said["sid"], ann.version, "j", time.time_ns() - 10**13)
    assert (await api.ask("GET", ME, headers=_bearer(over))).code == "TOKEN_EXPIRED"
    stored = await api.store.read(Signer, header["kid"])
    assert stored is not None
    await api.store.remove(Signer, header["kid"])  # as an administrator takes out a key that was lost
    assert (await api.ask("GET", ME, headers=_bearer(good))).code == "TOKEN_INVALID"


async def test_of_a_refresh_token_that_is_used_many_times_at_once_at_most_one_use_counts(
    api: Gateway, nats_url: str
) -> None:
    ann = await api.user("quant")
    body = {"grant": "password", "user": ann.id, "password": PASSWORD}
    issued = (await api.ask("POST", TOKEN, json=body)).data
    async with gateway(nats_url) as other:
        uses = [each.ask("POST", REFRESH, json={"refresh": issued["refresh"]}) for each in (api, other) * 5]
        answers = await asyncio.gather(*uses)
        good = [each for each in answers if each.status == 200]
        assert len(good) <= 1
        assert {each.code for each in answers if each.status != 200} == {"TOKEN_INVALID"}
        for each in (*(found.data["refresh"] for found in good), issued["refresh"]):  # its login is over
            assert (await other.ask("POST", REFRESH, json={"refresh": each})).code == "TOKEN_INVALID"
        for token in (issued["access"], *(found.data["access"] for found in good)):
            assert (await api.ask("GET", ME, headers=_bearer(token))).code == "TOKEN_INVALID"


async def _login(port: int, address: str, user: str, password: str) -> Answer:
    data = json.dumps({"user": user, "password": password})
    lines = ("Content-Type: application/json", f"Content-Length: {len(data.encode())}")
    line = await Line.open(port, address)
    await line.send(request(LOGIN, method="POST", lines=lines) + data)
    found = await line.answer()
    await line.close()
    return found


async def test_a_wordlist_is_locked_out_and_told_so_and_the_owner_comes_in_from_elsewhere(api: Gateway) -> None:
    ann, port = await api.user("admin"), api.service.http.port
    statuses: list[int] = []
    for word in WORDS:
        found = await _login(port, "127.0.0.70", ann.id, word)
        statuses.append(found.status)
        assert found.code in ("UNAUTHENTICATED", "LOCKED_OUT"), found
        if found.status == 429:
            assert int(found.headers["retry-after"]) >= 1
            assert b"come again in" in found.body
    assert statuses.count(401) < len(WORDS)
    assert statuses[-1] == 429
    assert (await _login(port, "127.0.0.70", ann.id, PASSWORD)).code == "LOCKED_OUT", "also with the right one"
    assert (await _login(port, "127.0.0.71", ann.id, PASSWORD)).status == 200
    for n in range(30):  # one word for many accounts
        found = await _login(port, "127.0.0.72", f"nobody{n}", "password")
        if found.status == 429:
            break
    assert found.code == "LOCKED_OUT"
    assert n <= 20


async def test_logins_by_the_hundred_keep_nobody_waiting_who_has_a_key(api: Gateway) -> None:
    """Each is worth tens of milliseconds of a core: two at a time, twenty wait, the rest is told to come again."""
    port, key = api.service.http.port, await api.key(await api.user("viewer"))
    logins = [asyncio.create_task(_login(port, f"127.0.73.{n + 1}", f"someone{n}", "password")) for n in range(60)]
    answered = 0
    while not all(each.done() for each in logins):
        assert (await api.ask("GET", ME, key)).status in (200, 429)
        answered += 1
        await asyncio.sleep(0.02)
    found = [each.result() for each in logins]
    assert {each.status for each in found} <= {401, 503}
    assert all("retry-after" in each.headers for each in found if each.status == 503)
    assert answered >= 2


@pytest.mark.parametrize("kind", ["unknown", "of another end", "revoked", "short"])
async def test_how_long_a_key_is_looked_up_tells_nothing_about_it(api: Gateway, kind: str) -> None:
    """In turn, so that what else the machine does falls on both; medians, so that single pauses do not count."""
    owner = await api.user("viewer")
    right = await api.key(owner, limits="bulk", ts_used=2**62)
    wrong = {
        "unknown": new_api_key().text,
        "of another end": right[:-1] + ("A" if right[-1] != "A" else "B"),
        "revoked": await api.key(owner, ts_revoked=1),
        "short": right[:-1],
    }[kind]
    near = right[:-43] + "".join("B" if letter == "A" else "A" for letter in right[-43:])
    took: dict[str, list[float]] = {near: [], wrong: []}
    authenticate = api.service.access.authenticate_text
    for _ in range(400):
        for text, times in took.items():
            started = time.perf_counter()
            with pytest.raises(AccessRefused):
                await authenticate(text, address="127.0.0.1")
            times.append(time.perf_counter() - started)
    first, second = (statistics.median(times[50:]) for times in took.values())
    assert abs(first - second) < 200e-6, (first, second)


async def test_a_page_of_somewhere_else_cannot_use_the_session_of_its_visitor(api: Gateway) -> None:
    login = await api.login(await api.user("admin"))
    cookie = {"Cookie": cookie_in(login)}
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "A" * 22 + "==",
    }
    for foreign in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await api.ask("GET", "/ws/v1/stream", headers={**cookie, **upgrade, **foreign})
        assert (answer.status, answer.code) == (403, "ORIGIN")
        answer = await api.ask("POST", "/api/v1/me/keys", json={}, headers={**cookie, **foreign})
        assert (answer.status, answer.code) == (403, "ORIGIN")
    assert (await api.ask("POST", "/api/v1/me/keys", json={}, headers=cookie)).code == "CSRF"
    csrf = {**cookie, "X-MarketPrism-Csrf": "\udcff"}
    assert (await api.ask("POST", "/api/v1/me/keys", json={}, headers=csrf)).code == "CSRF"
