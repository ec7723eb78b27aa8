"""The console's files, as a browser and as others ask for them."""

from __future__ import annotations

import gzip
import re
from typing import Any

import aiohttp
import pytest
from yarl import URL

from marketprism_console.files import WEB, Console, read_console
from tests.integration.api.access_side import Gateway, gateway

_PAGE = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
def console() -> Console:
    return read_console()


async def _get(api: Gateway, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes, Any]:
    url = URL(api.base + path, encoded=True)
    async with aiohttp.ClientSession(auto_decompress=False) as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers.copy()


async def test_a_browser_gets_the_page_and_its_files_and_programs_get_what_they_ask_for(
    nats_url: str, console: Console
) -> None:
    async with gateway(nats_url) as api:
        for path in ("/", "/market", "/market/shfe.rb2605?i=5m", "/no/such/page", "/market/a%20b"):
            status, body, headers = await _get(api, path, _PAGE)
            assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8"), path
            assert body == console.page.body
        assert headers["Cache-Control"] == "no-cache"
        assert "require-trusted-types-for 'script'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        status, body, same = await _get(api, "/", {**_PAGE, "If-None-Match": headers["ETag"]})
        assert (status, body) == (304, b"")
        # A browser takes these in the place of those that it has kept.
        for name in ("Content-Security-Policy", "Permissions-Policy", "Vary"):
            assert name not in headers or same[name] == headers[name], name
        named = re.findall(rb'(?:src|href)="(/[^"]+)"', console.page.body)
        assert len(named) > 5
        for each in named:
            status, body, headers = await _get(api, each.decode(), {"Accept-Encoding": "gzip"})
            assert (status, headers["Content-Encoding"], "immutable" in headers["Cache-Control"]) == (200, "gzip", True)
            assert gzip.decompress(body) == console.assets[each.decode()].body
        # Who asks for no page gets none: programs, and paths of the API.
        assert (await _get(api, "/", {"Accept": "application/json"}))[1][:1] == b"{"
        for path in ("/api/v1/nothing", "/api", "/ws/v1/stream", "/metrics", "/health", "/status", "/console/x/y.js"):
            assert not (await _get(api, path, _PAGE))[1].startswith(b"<!doctype"), path
        assert (await _get(api, "/market", {"Accept": "application/json"}))[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/console/{v}/../files.py",
        "/console/{v}/%2e%2e/files.py",
        "/console/{v}/..%2ffiles.py",
        "/console/{v}//shell.js",
        "/console/{v}/vendor\\lit.js",
        "/console/{v}/shell.js%00",
        "/console/0000000000000000/shell.js",
        "/console/{v}/shell/app.js",
        "/console/{v}/vendor/lit.d.ts",
        "/console/{v}/",
        "/console/",
    ],
)
async def test_only_what_is_named_is_served(nats_url: str, path: str, console: Console) -> None:
    async with gateway(nats_url) as api:
        status, body, _ = await _get(api, path.replace("{v}", console.version), _PAGE)
        assert status in (400, 404)
        assert body.startswith(b'{"success"')


async def test_it_can_be_left_out(nats_url: str) -> None:
    async with gateway(nats_url, console=False) as api:
        assert (await _get(api, "/market", _PAGE))[0] == 404
        assert (await _get(api, "/", _PAGE))[1][:1] == b"{"


def test_another_file_is_another_address() -> None:
    files = {
        "index.html": b"<!-- assets -->",
        "shell/app.js": b"import '../core/a.js';",
        "core/a.js": b"",
        "style/a.css": b"a {}",
        "style/b.css": b"b {}",
    }
    first, second = Console(files), Console({**files, "core/a.js": b"1"})
    assert first.version != second.version
    assert first.page.body.count(b"modulepreload") == 2
    assert first.page.body.count(b'rel="stylesheet"') == 1
    assert first.assets[first.address("style.css")].body == b"a {}\nb {}"
    with pytest.raises(KeyError, match=r"core/b\.js"):
        Console({**files, "core/a.js": b"import './b.js';"})


def test_the_libraries_stand_with_their_licences() -> None:
    vendor = WEB / "vendor"
    for library in vendor.glob("*.js"):
        assert len((vendor / f"{library.stem}.LICENSE").read_text()) > 500
