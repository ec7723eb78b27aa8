"""A port of HTTP that was asked for is an error when it is taken; of a usual one another is taken and named."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from tests.e2e.program import ENVIRONMENT, PROGRAM
from tests.e2e.test_commands import running
from tests.e2e.warm import ask


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return ask(arguments, {**ENVIRONMENT, **environment}, 100)


def test_a_service_ends_when_the_port_it_was_given_is_taken(tmp_path: Path, taken: int) -> None:
    server = asyncio.run(EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0)))
    try:
        given = {"MARKETPRISM_HTTP__STORAGE": str(taken)}
        done = run("run", "storage", "--nats-url", server.url, "--data-dir", str(tmp_path / "one"), **given)
        assert done.returncode == 2, done.stderr
        assert f"http of storage: expected a free port, 127.0.0.1:{taken}" in done.stderr
        # With others in its process it is the end of all of them, in order.
        unit = ("query+storage+monitor", "--nats-url", server.url, "--data-dir", str(tmp_path / "one"))
        done = run("run", *unit, **given, MARKETPRISM_LOG__FORMAT="json")
        assert done.returncode == 2, done.stderr
        assert f"http of storage: expected a free port, 127.0.0.1:{taken}" in done.stderr
        assert "service.drain_timed_out" not in done.stderr
        assert "service.failed" not in done.stderr
    finally:
        asyncio.run(server.stop())


def test_up_ends_before_anything_is_written_and_names_the_setting(tmp_path: Path, taken: int) -> None:
    given = {"MARKETPRISM_HTTP__QUERY": str(taken)}
    done = run("up", "--source", "sim", "--nats-port", "0", "--data-dir", str(tmp_path / "data"), **given)
    assert done.returncode == 2, done.stderr
    assert f"http.query: expected a free port, was {taken}" in done.stderr
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {"lock"}


def test_up_says_which_port_it_took_instead_of_a_usual_one(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", 8083))
            holder.listen()
        except OSError:
            pass  # somebody else has it: the same to `up`
        command = [*PROGRAM, "up", "--nats-port", "0", "--data-dir", str(tmp_path / "data")]
        with running(command, MARKETPRISM_HTTP__STORAGE="8083") as up:
            up.until(r"port 8083 of storage is in use; it listens on \d+ instead")


@pytest.mark.long
def test_the_link_of_up_has_the_port_that_a_gateway_of_any_port_listens_at(tmp_path: Path) -> None:
    source = ("--source", "sim:days=1,rate=0.05,instruments=rb2505")
    command = [*PROGRAM, "up", *source, "--nats-port", "0", "--data-dir", str(tmp_path / "data")]
    with running(command, MARKETPRISM_HTTP__API="0") as up:
        link = up.until(r"(http://127\.0\.0\.1:\d+/)market/\S+")[1]
        assert not link.endswith(":0/")
        with urllib.request.urlopen(f"{link}api/v1", timeout=30) as answer:
            assert answer.status == 200
