"""What `doctor --production` says of real servers: NATS without and with accounts and TLS, ClickHouse, and the door."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.server_facts import facts_of, lets_anybody_in, numbers_of
from marketprism_adapters.nats.accounts import passwords_in
from marketprism_adapters.nats.local_server import choose_port, server_binary
from marketprism_adapters.nats.server_facts import greeting_of
from marketprism_adapters.nats.stream_layout import RAW, StreamLayout
from marketprism_adapters.nats.streams import ensure_streams
from marketprism_sdk.client_tls import ClientTls
from marketprism_services.cli.doctor.finding import Finding
from marketprism_services.cli.doctor.production import broker, certificates, door, store
from marketprism_services.cli.doctor.production.checks import Asked, inspect
from marketprism_services.platform import nats_users
from marketprism_services.settings.settings import Settings
from tests.support.certificates import Authority


def graded(findings: list[Finding]) -> dict[str, str]:
    """Of what is not well: its grade."""
    return {each.what: each.grade for each in findings if each.grade != "ok"}


@contextmanager
def serving(folder: Path, more: str = "") -> Iterator[tuple[int, str]]:
    """A nats-server with a configuration of its own: its port, and its address for monitoring."""
    port, monitor = choose_port(0), choose_port(0)
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:{port}"\nhttp: "127.0.0.1:{monitor}"\nserver_name: one\nmax_payload: 8MB\n'
        f'jetstream {{ store_dir: "{folder}/js", max_file_store: 1GB }}\n{more}\n',
        encoding="utf-8",
    )
    process = subprocess.Popen([server_binary(), "-c", str(config), "-l", str(folder / "log")])
    try:
        yield port, f"http://127.0.0.1:{monitor}"
    finally:
        process.terminate()
        process.wait()


async def answering(port: int) -> None:
    """Until the server greets."""
    async with asyncio.timeout(20):
        while True:
            try:
                await greeting_of("127.0.0.1", port)
                return
            except OSError:
                await asyncio.sleep(0.05)


def test_a_server_that_lets_anybody_in_and_writes_late_is_named(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "nats": {"max_store_gb": 2.0}})
    with serving(tmp_path / "nats") as (port, monitor):
        asyncio.run(answering(port))
        what = f"NATS at 127.0.0.1:{port}"
        found = asyncio.run(broker.greetings([f"nats://127.0.0.1:{port}", "nats://127.0.0.1:1"]))
        assert graded(found) == {
            f"{what}, accounts": "wrong",
            f"{what}, log-in": "wrong",
            "NATS at 127.0.0.1:1": "wrong",
        }
        said = asyncio.run(broker.monitored([monitor, "http://127.0.0.1:1"], settings, 1))
        assert graded(said) == {
            "NATS one, room": "wrong",
            "NATS one, sync": "wrong",
            "NATS monitoring at http://127.0.0.1:1": "wrong",
        }
        assert (
            graded(asyncio.run(broker.monitored([monitor], Settings.model_validate({"nats": {"max_store_gb": 1}}), 3)))
            == {}
        )
    assert graded(asyncio.run(broker.monitored([], settings, 1))) == {"NATS sync interval": "warning"}


def test_a_server_with_accounts_and_tls_is_well_and_a_user_without_bounds_is_not(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    cert, key = authority.issue("nats", days=90)
    users = nats_users.accounts(nameless=False)
    passwords = passwords_in(tmp_path / "users", users.names, frozenset())
    # What an operator writes who wants to be done: one user of the service's name, with every right.
    free = f'{{ user: "order", password: "{passwords["order"]}" }}'
    rights = users.config(passwords)
    begin = rights.index('{ user: "order"')
    bare = rights[:begin] + free + rights[rights.index("\n", begin) :]
    tls = f'tls {{ cert_file: "{cert}", key_file: "{key}" }}\n'
    for more, found in ((rights, {}), (bare, {"NATS user order": "wrong"})):
        with serving(tmp_path / "nats", tls + more) as (port, _):
            asyncio.run(answering(port))
            url = f"tls://127.0.0.1:{port}"
            nats = {"url": url, "users": tmp_path / "users", "ca": authority.file, "max_store_gb": 0.5}
            settings = Settings.model_validate({"data_dir": tmp_path / "data", "nats": nats})
            assert graded(asyncio.run(broker.greetings([url]))) == {}
            assert graded(asyncio.run(broker.rights(settings))) == found
    (tmp_path / "users" / "order").unlink()
    (tmp_path / "users" / "query").write_text("another", encoding="utf-8")
    # In clear: the NATS library leaves a refused connection with TLS to the garbage collector.
    with serving(tmp_path / "nats", rights) as (port, _):
        asyncio.run(answering(port))
        plain = {"url": f"nats://127.0.0.1:{port}", "users": tmp_path / "users"}
        settings = Settings.model_validate({"nats": plain})
        assert graded(asyncio.run(broker.rights(settings))) == {
            "NATS user order": "warning",
            "NATS user query": "wrong",
        }


async def test_the_whole_inspection_of_one_server_names_what_it_lacks(tmp_path: Path, nats_url: str) -> None:
    from marketprism_sdk.nats.connection import NatsConnection  # noqa: PLC0415 (one test alone connects)

    connection = await NatsConnection.open(nats_url)
    try:
        await ensure_streams(connection, StreamLayout(1, 1 << 30))
    finally:
        await connection.close()
    settings = Settings.model_validate({"data_dir": tmp_path, "nats": {"url": nats_url}})
    findings = {each.what: each for each in await inspect(Asked(settings, jetstream_dir=tmp_path / "none"))}
    assert findings[f"stream {RAW}"].grade == "ok"
    assert findings["clock of NATS"].grade == "ok"
    assert findings["NATS servers"].grade == "warning"
    assert findings["NATS users"].grade == "wrong"
    assert findings["JetStream store"].grade == "wrong"
    assert findings["service storage"].grade == "wrong"
    assert findings["existing backups"].grade == "wrong"


def test_a_stream_of_one_replica_on_three_servers_is_wrong() -> None:
    def info(replicas: int, *, current: bool = True) -> dict[str, Any]:
        others = [{"name": f"n{number}", "current": current} for number in range(replicas - 1)]
        return {"config": {"num_replicas": replicas}, "cluster": {"replicas": others}}

    assert graded(broker.replicas({"A": info(3)}, 3)) == {}
    assert graded(broker.replicas({"A": info(1)}, 3)) == {"stream A": "wrong"}
    assert graded(broker.replicas({"A": info(3, current=False)}, 3)) == {"stream A": "wrong"}
    assert graded(broker.replicas({"A": info(1)}, 1)) == {"NATS servers": "warning"}


@pytest.mark.xdist_group("clickhouse")
async def test_a_real_clickhouse_says_what_it_is(clickhouse_url: str) -> None:
    engine = await ClickHouseEngine.open(clickhouse_url)
    try:
        found = await facts_of(engine)
    finally:
        await engine.close()
    assert numbers_of(found.version) >= (24, 12)
    assert abs(found.offset_s) < 5
    assert any("market" in line for line in found.grants)
    findings = {each.what: each.grade for each in store.judge(found, Settings())}
    assert findings["ClickHouse version"] == "ok"
    assert findings[f"ClickHouse user {found.user}"] == "ok"
    assert await lets_anybody_in(clickhouse_url) is False


@asynccontextmanager
async def http_server(status: int, tls: Any = None) -> AsyncIterator[int]:
    """Answers everything with a status."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(("status", "grade"), [(200, "wrong"), (401, None), (0, "warning")])
async def test_a_door_that_answers_whoever_asks_is_wrong(status: int, grade: str | None) -> None:
    async with http_server(status or 500) as port:
        asked = port if status else 1
        found = graded(await door.asked(Settings.model_validate({"http": {"api": asked}})))
    assert set(found.values()) == ({grade} if grade else set())


async def test_a_clickhouse_whose_default_user_has_no_password_is_named() -> None:
    async with http_server(200) as port:
        assert await lets_anybody_in(f"http://writer:x@127.0.0.1:{port}") is True
    with pytest.raises(OSError, match=r"(?i)connect|refused"):
        await lets_anybody_in("http://127.0.0.1:1")


async def test_what_a_server_shows_is_taken_or_not(tmp_path: Path) -> None:
    own, other = Authority(tmp_path / "own"), Authority(tmp_path / "other")
    cert, key = own.issue("it", days=10)
    import ssl  # noqa: PLC0415 (only here)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    async with http_server(200, context) as port:
        for authority, grade in ((own, "warning"), (other, "wrong")):
            trusts = ClientTls(ca=authority.file).tls()
            found = await certificates.shown({"it": ("localhost", port, trusts)})
            assert graded(found) == {"certificate of it": grade}


def test_the_command_prints_json_and_ends_with_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "marketprism_services", "doctor", "--production", "--json"]
    done = subprocess.run([*command, "--data-dir", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["good"] is False
    assert found["wrong"] == sum(each["grade"] == "wrong" for each in found["findings"]) > 0
    assert {"grade", "what", "text", "expected", "todo"} == set(found["findings"][0])
    without = subprocess.run([*command[:4], "--alertmanager", "http://x"], capture_output=True, text=True, check=False)
    assert without.returncode == 2
    assert "--production" in without.stderr
