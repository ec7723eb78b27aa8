"""What callers send is in logs and records as text: it begins no line, moves no cursor and forges no event."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.integration.attacks.place import Process, asked, keys_at, request

EVIL = '\x1b[2J\x1b]0;owned\x07\r\n{"event": "forged", "level": "info"}\r\n2026-01-01 [info] forged\u2028\u202e\x9b1m'
BARE = "\x1b[2J\x9b1m"  # nothing that would be put in quotes
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


async def _attack(port: int, key: str) -> None:
    """Everywhere where a caller's text can come from."""
    path = quote(EVIL, safe="")
    user = json.dumps({"user": EVIL, "password": EVIL})
    name = json.dumps({"name": EVIL, "scopes": ["md:read"]})
    posted = ["Content-Type: application/json"]
    for number, sent in enumerate(
        (
            request(f"/api/v1/ticks/{path}/latest", key),
            request(f"/{path}"),
            request(f"/{quote(BARE)}"),
            request(f"/api/v1/ticks/{quote(BARE)}/latest", key),
            request(f"/api/v1/ticks/rb?venue={path}&token={path}", key),
            request(lines=[f"X-Request-Id: {path}", "User-Agent: \x80\x9b1m"]),
            request(lines=["Authorization: Bearer \x80\x9b1m"]),
            request("/api/v1/auth/login", lines=[*posted, f"Content-Length: {len(user)}"], method="POST") + user,
            request("/api/v1/me/keys", key, "POST", [*posted, f"Content-Length: {len(name)}"]) + name,
            request(f"/api/v1/me/keys/{path}", key, "DELETE"),
            request(f"/api/v1/admin/users/{path}", key, "DELETE"),
            request(method="GET\x1b[2J"),
        )
    ):
        await asked(port, sent.encode("latin-1"), f"127.0.0.{80 + number}")


@pytest.mark.parametrize("form", ["json", "console"])
async def test_a_line_of_the_log_is_one_event_whatever_was_asked(nats_url: str, tmp_path: Path, form: str) -> None:
    (key,) = await keys_at(nats_url, admin="bulk")
    process = Process("api", nats_url, tmp_path / "log", form)
    try:
        await _attack((await asyncio.to_thread(process.wait)).port, key)
    finally:
        process.end()
    text = process.log.read_bytes().decode()
    plain = _COLOURS.sub("", text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", plain)
    assert plain.count("http.request") >= 9
    lines = plain.splitlines()
    if form == "json":
        assert all(json.loads(line)["event"] != "forged" for line in lines)
    else:
        assert [line for line in lines if not re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z? +\[", line)] == []
        assert [line for line in lines if "forged" in line.partition("] ")[2].split(" ")[0]] == []
