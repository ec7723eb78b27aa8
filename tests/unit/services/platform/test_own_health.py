"""`marketprism health`: what it finds out by itself, what it says, and how little it loads."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from marketprism_sdk.observability import Metrics
from marketprism_sdk.service._http_server import HttpServer
from marketprism_services.cli import health_check
from marketprism_services.platform.own_health import NotKnown, ask, command_of_first, urls_of

TINI = ["/usr/bin/tini", "--", "marketprism", "run"]


@asynccontextmanager
async def served(names: tuple[str, ...] = ()) -> AsyncIterator[HttpServer]:
    server = HttpServer("query", "1.0", Metrics("query"), names)
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.stop()


async def asked(server: HttpServer, *, ready: bool) -> tuple[bool, str]:
    return tuple(await asyncio.to_thread(ask, f"http://127.0.0.1:{server.port}", ready=ready))  # type: ignore[return-value]


async def test_ready_and_healthy_are_two_questions() -> None:
    async with served(names=("desk.example",)) as server:  # asked by no name at all
        assert await asked(server, ready=True) == (False, f"http://127.0.0.1:{server.port}: not ready")
        assert (await asked(server, ready=False))[0]
        server.ready = True
        assert await asked(server, ready=True) == (True, f"http://127.0.0.1:{server.port}: ready")

        async def away() -> str:
            return "unhealthy: no connection"

        server.check("nats", away)
        assert await asked(server, ready=False) == (
            False,
            f"http://127.0.0.1:{server.port}: unhealthy (nats: no connection)",
        )
        assert (await asked(server, ready=True))[0]


async def test_a_path_of_the_url_is_asked_as_it_is() -> None:
    async with served() as server:
        url = f"http://127.0.0.1:{server.port}"
        assert (await asyncio.to_thread(ask, f"{url}/health/live?x=1", ready=True)).well
        assert "answered 404" in (await asyncio.to_thread(ask, f"{url}/healthz", ready=False)).text


async def test_who_does_not_answer_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert (await asyncio.to_thread(ask, url, ready=True, timeout_s=0.1)).text == f"{url}: no answer within 0.1 s"
    refused = await asyncio.to_thread(ask, url, ready=True)
    assert (refused.well, refused.text) == (False, f"{url}: no answer: Connection refused")


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://x:1", "http://", "http://x:99999999", "http://[x"])
def test_what_is_no_url_is_said(url: str) -> None:
    with pytest.raises(NotKnown, match="--url: expected http://host:port"):
        ask(url, ready=True)


def test_where_it_listens_is_known_from_process_1_and_the_settings(tmp_path: Path) -> None:
    everywhere = {"MARKETPRISM_HTTP__HOST": "0.0.0.0"}
    assert urls_of("", everywhere, [*TINI, "gateway+validator"]) == ["http://127.0.0.1:8089", "http://127.0.0.1:8088"]
    assert urls_of("", {}, ["python", "/opt/marketprism/bin/marketprism", "up", "--processes", "1"]) == [
        "http://127.0.0.1:8086"
    ]
    assert urls_of("query", {"MARKETPRISM_HTTP__QUERY": "9000"}, []) == ["http://127.0.0.1:9000"]
    assert urls_of("query", {"MARKETPRISM_HTTP__HOST": "::"}, []) == ["http://[::1]:8084"]
    assert urls_of("query", {"MARKETPRISM_HTTP__TLS__CERT": "/c"}, []) == ["https://127.0.0.1:8084"]
    file = tmp_path / "marketprism.toml"
    file.write_text('[http]\nhost = "10.0.0.7"\nquery = 9001\n[http.tls]\ncert = "/c"\n')
    assert urls_of("", {}, [*TINI, "query", "--config", str(file)]) == ["https://10.0.0.7:9001"]
    assert urls_of("", {"MARKETPRISM_HTTP__QUERY": "1"}, [*TINI, "query", f"--config={file}"]) == ["https://10.0.0.7:1"]


@pytest.mark.parametrize(
    ("service", "environ", "first", "said"),
    [
        ("", {}, ["/sbin/init"], "process 1 runs none"),
        ("gatway", {}, [], "expected one of aggregator, api, .* was 'gatway'"),
        ("query", {"MARKETPRISM_HTTP__QUERY": "0"}, [], "http.query: expected a port that is known, or --url, was '0'"),
        (
            "",
            {},
            [*TINI, "query", "--config", "/nowhere.toml"],
            "settings file /nowhere.toml: expected one that can be read",
        ),
    ],
)
def test_what_is_not_known_is_said(service: str, environ: dict[str, str], first: list[str], said: str) -> None:
    with pytest.raises(NotKnown, match=said):
        urls_of(service, environ, first)


def test_the_first_process_is_read_or_unknown(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_bytes(b"tini\0--\0marketprism\0run\0query\0")
    assert command_of_first(str(tmp_path / "cmdline")) == ["tini", "--", "marketprism", "run", "query"]
    assert command_of_first(str(tmp_path / "none")) == []


@pytest.mark.parametrize(
    "arguments", [["--help"], ["a", "b"], ["--url"], ["--timeout-s", "x"], ["--timeout-s=0"], ["-x"]]
)
def test_what_is_no_plain_question_is_left_to_the_command_line(arguments: list[str]) -> None:
    assert health_check.check(arguments) is None


async def test_the_exit_code_says_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as server:
        url = f"http://127.0.0.1:{server.port}"
        assert await asyncio.to_thread(health_check.check, ["--url", url]) == 0
        assert capsys.readouterr().out == f"{url}: healthy\n"
        monkeypatch.setenv("MARKETPRISM_LANG", "zh")
        assert await asyncio.to_thread(health_check.check, ["--ready", f"--url={url}", "--timeout-s=2"]) == 1
        assert "尚未就绪" in capsys.readouterr().err
    assert await asyncio.to_thread(health_check.check, ["nobody"]) == 2


def test_it_loads_next_to_nothing() -> None:
    """Asked every few seconds by every container: what takes long to load is not loaded."""
    code = (
        "import sys; sys.argv = ['marketprism', 'health', '--url', 'http://127.0.0.1:9', '--timeout-s', '1']\n"
        "from marketprism_services.__main__ import main\n"
        "try: main()\nexcept SystemExit as end: print(end.code, len(sys.modules))\n"
        "print(sorted({'typer', 'rich', 'pydantic', 'asyncio', 'aiohttp', 'msgspec', 'structlog', 'ssl', 'http.client', 'json'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0].split()[0] == "1"
    assert told[1] == "[]"
