"""Requests that no honest program sends: each is refused, answered once at most, and costs nobody else an answer.

What is smuggled stands behind the request that is to hide it: an answer of its own would be the second.
"""

from __future__ import annotations

import json

import pytest

from tests.integration.attacks.conftest import Attacked
from tests.integration.attacks.place import ME, Bystander, Line, asked, request

pytestmark = pytest.mark.xdist_group("attacks")

POST = "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: 127.0.0.1\r\n"
GET = "GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n"
BEHIND = GET + "\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"

SMUGGLING = {
    "length and chunks": POST + "Content-Length: 5\r\n" + CHUNKED + "\r\n0\r\n\r\n" + BEHIND,
    "chunks and length": POST + CHUNKED + "Content-Length: 5\r\n\r\n0\r\n\r\n" + BEHIND,
    "two lengths": POST + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + BEHIND,
    "the same length twice": POST + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + BEHIND,
    "a list of lengths": POST + "Content-Length: 0, 5\r\n\r\n" + BEHIND,
    "a length with a sign": POST + "Content-Length: +2\r\n\r\n{}" + BEHIND,
    "a length below zero": POST + "Content-Length: -2\r\n\r\n{}" + BEHIND,
    "a length in hex": POST + "Content-Length: 0x2\r\n\r\n{}" + BEHIND,
    "a length with an underscore": POST + "Content-Length: 1_0\r\n\r\n{}" + BEHIND,
    "a length of 26 digits": POST + "Content-Length: 99999999999999999999999999\r\n\r\n{}" + BEHIND,
    "another coding": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + BEHIND,
    "chunks within another coding": POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + BEHIND,
    "two codings": POST + CHUNKED + "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + BEHIND,
    "a coding in a fold": POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + BEHIND,
    "chunks in HTTP/1.0": POST.replace("1.1", "1.0") + CHUNKED + "\r\n0\r\n\r\n" + BEHIND,
    "a chunk of a negative size": POST + CHUNKED + "\r\n-2\r\n{}\r\n0\r\n\r\n" + BEHIND,
    "a chunk of a huge size": POST + CHUNKED + "\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n" + BEHIND,
    "a chunk with 0x": POST + CHUNKED + "\r\n0x2\r\n{}\r\n0\r\n\r\n" + BEHIND,
    "a chunk's size before a bare LF": POST + CHUNKED + "\r\n2;a\n{}\r\n0\r\n\r\n" + BEHIND,
    "a space before a colon": POST + "Content-Length : 2\r\n\r\n{}" + BEHIND,
    "a folded header": GET + "X-A: b\r\n c\r\n\r\n" + BEHIND,
    "bare LFs": BEHIND.replace("\r\n", "\n") + BEHIND,
    "a bare LF in a header": GET + "X-A: b\nX-B: c\r\n\r\n" + BEHIND,
    "a bare CR in a header": GET + "X-A: b\rX-B: c\r\n\r\n" + BEHIND,
    "NUL in a value": GET + "X-A: b\0c\r\n\r\n" + BEHIND,
    "NUL in a name": GET + "X\0A: b\r\n\r\n" + BEHIND,
    "an escape in a value": GET + "X-A: b\x1b[2J\r\n\r\n" + BEHIND,
    "HTTP/0.9": "GET /api/v1/me\r\n\r\n" + BEHIND,
    "HTTP/9.9": GET.replace("1.1", "9.9") + "\r\n" + BEHIND,
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + BEHIND,
    "two hosts": GET + "Host: evil.example\r\n\r\n" + BEHIND,
    "no host": BEHIND.replace("Host: 127.0.0.1\r\n", "") + BEHIND,
    "a header of 20 kB": GET + "X-A: " + "b" * 20_000 + "\r\n\r\n" + BEHIND,
    "2 000 headers": GET + "".join(f"X-{n}: a\r\n" for n in range(2_000)) + "\r\n" + BEHIND,
    "a line of 20 kB": "GET /" + "a" * 20_000 + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + BEHIND,
}


@pytest.mark.parametrize("name", SMUGGLING)
async def test_what_two_parsers_could_read_in_two_ways_is_refused_and_the_connection_closed(
    attacked: Attacked, name: str
) -> None:
    line = await Line.open(attacked.process.port, "127.0.0.20")
    await line.send(SMUGGLING[name].replace("{key}", attacked.bystander))
    found = await line.rest()
    await line.close()
    heads = [each for each in found.split(b"\r\n") if each.startswith(b"HTTP/")]
    assert [each.split(b" ")[1] for each in heads] == [b"400"], found


WRONG: dict[str, tuple[bytes, int, str]] = {
    "a token that is no text": (b"Authorization: Bearer \xff\xfe", 401, "TOKEN_INVALID"),
    "a part of a token that is no text": (b"Authorization: Bearer a.\xff.c", 401, "TOKEN_INVALID"),
    "a key that is no text": (b"X-API-Key: mp_\xff", 401, "UNAUTHENTICATED"),
    "a cookie that is no text": (b"Cookie: mp=\xff\xfe", 401, "UNAUTHENTICATED"),
    "a trace that is none": (b"traceparent: \xff00-x", 401, "UNAUTHENTICATED"),
    "a packed body": (b"Content-Encoding: gzip", 415, "CONTENT_TYPE"),
    "a body packed twice": (b"Content-Encoding: br, gzip", 415, "CONTENT_TYPE"),
    "an expectation": (b"Expect: nonsense", 417, ""),
}


@pytest.mark.parametrize("name", WRONG)
async def test_headers_of_nonsense_are_the_callers_fault(attacked: Attacked, name: str) -> None:
    sent, status, code = WRONG[name]
    data = b"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\n" + sent + b"\r\n\r\n"
    found = await asked(attacked.process.port, data, "127.0.0.21")
    assert (found.status, found.code) == (status, code or found.code), found


@pytest.mark.parametrize("origin", [b"http://[", b"http://\xff", b"null", b"http://127.0.0.1.evil.example", b"\x80"])
async def test_a_page_of_nowhere_may_not_log_in(attacked: Attacked, origin: bytes) -> None:
    data = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: " + origin + b"\r\n\r\n"
    found = await asked(attacked.process.port, data, "127.0.0.22")
    assert (found.status, found.code) == (403, "ORIGIN"), found


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1@evil.example", "localhost:80@evil.example", "localhost:x", "localhost evil.example"],
)
async def test_who_asks_by_another_name_gets_nothing_and_nothing_of_it_comes_back_in_an_answer(
    attacked: Attacked, host: str
) -> None:
    found = await asked(attacked.process.port, request(key=attacked.bystander, host=host), "127.0.0.23")
    assert (found.status, found.code) == (403, "FORBIDDEN_HOST"), found


async def test_what_a_cache_could_be_poisoned_with_changes_no_answer(attacked: Attacked) -> None:
    poison = (
        "X-Forwarded-Host: evil.example",
        "X-Host: evil.example",
        "X-Original-URL: /api/v1/admin/users",
        "X-Rewrite-Url: /metrics",
        "X-HTTP-Method-Override: DELETE",
        "Forwarded: host=evil.example;proto=https",
    )
    for path in ("/api", "/api/v1", "/api/v1/openapi.json", "/api/docs"):
        answers = [
            await asked(attacked.process.port, request(path, lines=lines), "127.0.0.24") for lines in ((), poison)
        ]
        assert [each.status for each in answers] == [200, 200]
        assert b"evil.example" not in answers[1].body
        assert answers[0].headers.get("etag") == answers[1].headers.get("etag")
    mine = await asked(attacked.process.port, request(key=attacked.bystander, lines=poison), "127.0.0.24")
    assert mine.status == 200
    assert mine.headers["cache-control"] == "no-store", "who asks is in the answer: nobody on the way may keep it"
    absolute = request("http://evil.example/api/v1/me", attacked.bystander)
    assert (await asked(attacked.process.port, absolute, "127.0.0.24")).status == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/../../metrics", 400),
        ("/api/v1/%2e%2e/%2E%2e/metrics", 400),
        ("/api/v1/..;/metrics", 404),
        ("/api/v1/%252e%252e/metrics", 404),
        ("/api/docs/..%2f..%2f..%2fetc%2fpasswd", 404),
        ("/api/docs/....//....//etc/passwd", 400),
        ("/api/docs/%5c..%5c..%5cetc", 400),
        ("/api/v1/bars/%00/latest?interval=1m", 400),
        ("/api/v1/bars/..%2f..%2fme/latest?interval=1m", 400),
        ("/api/v1/ticks/%0d%0aSet-Cookie:%20a=b/latest", 400),
        ("/api/v1/ticks/%3e/latest", 404),
        ("/api/v1/ticks/*/latest", 404),
        ("/api/v1/ticks/a.b.%3e/latest", 404),
        ("/api/v1/ticks/rb2505?venue=*", 400),
        ("/api/v1/ticks/rb2505?venue=%3e", 400),
        ("/api/v1/orderbook/*/BTC-USDT", 400),
        ("/api/v1/orderbook/%3e/BTC-USDT", 400),
        ("/api/v1/orderbook/okx.%3e/BTC-USDT", 400),
        ("/api/v1/me/keys/..%2f..%2fusers", 405),
    ],
)
async def test_paths_and_wildcards_reach_nothing_but_their_own_parameter(
    attacked: Attacked, path: str, status: int
) -> None:
    found = await asked(attacked.process.port, request(path, attacked.attacker), "127.0.0.25")
    assert found.status in (status, 503), found  # 503: there is no query service here that could say so
    assert "set-cookie" not in found.headers
    assert b"root:" not in found.body


async def test_giant_bodies_are_refused_before_they_are_here_and_others_are_answered(attacked: Attacked) -> None:
    before = attacked.process.resident_mb
    piece = "ffff\r\n" + "x" * 65_535 + "\r\n"
    async with Bystander(attacked.process, attacked.bystander):
        for number, data in enumerate(
            (
                request("/api/v1/auth/login", method="POST", lines=["Content-Length: 1000000000"]) + "x" * 2_000_000,
                request("/api/v1/auth/login", method="POST", lines=["Transfer-Encoding: chunked"]) + piece * 64,
                request("/api/v1/client/ask", attacked.attacker, "POST", ["Content-Length: 90000000"])
                + "x" * 2_000_000,
            )
        ):
            found = await asked(attacked.process.port, data, f"127.0.0.{26 + number}")
            assert (found.status, found.code) == (413, "REQUEST_ENTITY_TOO_LARGE"), found
        tiny = request("/api/v1/auth/login", method="POST", lines=["Transfer-Encoding: chunked"])
        body = "1\r\nx\r\n" * 60_000 + "0\r\n\r\n"
        assert (await asked(attacked.process.port, tiny + body, "127.0.0.29")).status == 400
        deep = json.dumps({"user": "x"})[:-1] + ', "password": ' + "[" * 30_000
        head = ["Content-Type: application/json", f"Content-Length: {len(deep)}"]
        login = request("/api/v1/auth/login", method="POST", lines=head)
        assert (await asked(attacked.process.port, login + deep, "127.0.0.29")).status == 400
    assert attacked.process.resident_mb < before + 30


async def test_headers_of_a_megabyte_are_not_waited_for(attacked: Attacked) -> None:
    for number, more in enumerate(("X-A: " + "b" * 1_000_000, "X: a\r\n" * 100_000)):
        line = await Line.open(attacked.process.port, f"127.0.0.{30 + number}")
        await line.send(request(ME, attacked.bystander)[:-2] + more)
        await line.rest(10)
        await line.close()


async def test_a_flood_in_one_connection_is_read_no_faster_than_it_is_answered(attacked: Attacked) -> None:
    """20 000 requests sent at once: those beyond the caller's limit are told so, and each gets one answer, in order."""
    process, count = attacked.process, 20_000
    before, used_s = process.resident_mb, process.cpu_s
    line = await Line.open(process.port, "127.0.0.32")
    async with Bystander(process, attacked.bystander) as bystander:
        for _ in range(count // 500):
            line.writer.write(request("/api", lines=["X-A: b"]).encode() * 500)
        statuses = [(await line.answer()).status for _ in range(300)]
        await line.close()
    assert set(statuses) == {200, 429}
    assert process.resident_mb < before + 30
    assert len(bystander.took_s) >= 1
    assert process.cpu_s - used_s < 10
