"""Who may do what at the ClickHouse server of one's own: nobody without a password, and no more than the tables need."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.nats.local_server import choose_port
from marketprism_application.errors import StoreError

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("clickhouse")]

OUTSIDE = (
    "INSERT INTO FUNCTION file('{folder}/written', 'CSV', 'a String') VALUES ('x')",
    "INSERT INTO FUNCTION file('written.csv', 'CSV', 'a String') VALUES ('x')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "INSERT INTO FUNCTION url('http://127.0.0.1:1/', 'CSV', 'a String') VALUES ('x')",
    "SELECT * FROM remote('127.0.0.1:1', 'system.one')",
    "SELECT * FROM executable('id', 'TSV', 'x String')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/x', 'CSV', 'a String')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV', 'a String')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM jdbc('x', 'a', 'b')",
    "SELECT * FROM odbc('x', 'a', 'b')",
    # The engine opens this file, and so makes an empty one, before it looks at rights; nothing is read or written.
    "SELECT * FROM sqlite('{folder}/clickhouse/x.db', 'a')",
    "SELECT * FROM mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'a String')",
    "CREATE TABLE market.file (a String) ENGINE = File(CSV)",
    "CREATE TABLE market.url (a String) ENGINE = URL('http://127.0.0.1:1/', 'CSV')",
    "CREATE TABLE market.script (a String) ENGINE = Executable('id', 'TSV')",
    "CREATE DICTIONARY market.d (a UInt64) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'CSV')) "
    "LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE FUNCTION f AS (x) -> x",
    "BACKUP TABLE market.gaps TO File('{folder}/backup')",
    "SELECT 1 INTO OUTFILE '{folder}/out'",
    "CREATE DATABASE other",
    "CREATE USER other",
    "SYSTEM SHUTDOWN",
    "SELECT * FROM system.users",
)
CHANGES = (
    "INSERT INTO market.dead_letters (reason) VALUES ('x')",
    "ALTER TABLE market.gaps DELETE WHERE 1",
    "TRUNCATE TABLE market.gaps",
    "DROP TABLE market.gaps",
    "DROP DATABASE market",
    "OPTIMIZE TABLE market.gaps",
    "CREATE TABLE market.x (a Int8) ENGINE = ReplacingMergeTree ORDER BY a",
)
REFUSED = r"ACCESS_DENIED|READONLY|UNKNOWN_FUNCTION|UNKNOWN_STORAGE|INTO_OUTFILE_NOT_ALLOWED|inside user scripts folder"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[LocalClickHouse]:
    running = await LocalClickHouse.start(LocalOptions(folder / "clickhouse", choose_port(0), choose_port(0)))
    yield running
    await running.stop()


async def _ask(url: str, headers: dict[str, str], text: str = "SELECT 1", query: str = "") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/{query}", data=text.encode(), headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def test_nobody_is_served_without_a_password(server: LocalClickHouse) -> None:
    cross_site = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
    told = [
        await _ask(server.bare_url, {}),
        await _ask(server.bare_url, cross_site, "CREATE DATABASE pwned"),
        await _ask(server.bare_url, cross_site, "CREATE DATABASE pwned", "?user=default"),
        await _ask(server.bare_url, {"X-ClickHouse-User": "default"}),
        await _ask(server.bare_url, {"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""}),
        await _ask(server.bare_url, {"X-ClickHouse-User": "market_writer"}),
        await _ask(server.bare_url, {"X-ClickHouse-User": "market_writer", "X-ClickHouse-Key": "guess"}),
        await _ask(server.bare_url, {"X-ClickHouse-User": "xmarket_writer"}),
        await _ask(server.bare_url, {"X-ClickHouse-User": "market_writer"}, query="?user=default"),
        await _ask(server.bare_url, {"Authorization": aiohttp.encode_basic_auth("default", "")}),
        await _ask(server.bare_url, {"Authorization": aiohttp.encode_basic_auth("market_reader", "guess")}),
    ]
    assert [status in (401, 403) for status, _ in told] == [True] * len(told), told
    for path in ("play", "dashboard", "?query=SELECT%201", "query?query=SELECT%201"):
        assert (await _ask(server.bare_url, {}, query=path))[0] == 401
    engine = await ClickHouseEngine.open(server.url)
    assert (await engine.fetch("SELECT name FROM system.databases WHERE name = 'pwned'")).num_rows == 0
    await engine.close()
    password = json.loads(server.passwords_file.read_text())["market_reader"] if server.passwords_file else ""
    reader = {"Authorization": aiohttp.encode_basic_auth("market_reader", password)}
    assert await _ask(server.bare_url, reader, "SELECT currentUser() FORMAT TSV") == (200, "market_reader\n")


async def test_both_users_are_kept_to_the_tables(server: LocalClickHouse, folder: Path) -> None:
    writer = await ClickHouseEngine.open(server.url)
    await SqlStore(writer).migrate()
    await writer.execute("SYSTEM STOP MERGES")
    await writer.execute("SYSTEM START MERGES")
    await writer.execute("ALTER TABLE market.gaps MODIFY SETTING min_free_disk_bytes_to_perform_insert = 0")
    reader = await ClickHouseEngine.open(server.read_url)
    for engine, statements in ((writer, OUTSIDE), (reader, (*OUTSIDE, *CHANGES))):
        for statement in statements:
            with pytest.raises(StoreError, match=REFUSED):
                await engine.execute(statement.format(folder=folder))
    assert {path.name for path in folder.iterdir()} == {"clickhouse"}
    assert (await reader.fetch("SELECT count() AS n FROM market.gaps")).to_pylist() == [{"n": 0}]
    await reader.close()
    await writer.close()


async def test_passwords_are_nowhere_but_in_a_private_file(server: LocalClickHouse, folder: Path) -> None:
    assert server.passwords_file is not None
    passwords = json.loads(await asyncio.to_thread(server.passwords_file.read_text)).values()
    commands = await asyncio.to_thread(Path(f"/proc/{server.process.pid}/cmdline").read_text)
    environment = await asyncio.to_thread(Path(f"/proc/{server.process.pid}/environ").read_text)
    shown = f"{server.url} {server.url!r} {server.options}"
    for password in passwords:
        assert len(password) >= 24
        assert password not in commands + environment + shown
    assert server.url.reveal() != str(server.url) == f"http://***@127.0.0.1:{server.options.http_port}"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder / "clickhouse" / "access").rglob("*")}
    assert stat.S_IMODE((folder / "clickhouse").stat().st_mode) == 0o700
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600) or path.name == "server.log", path


async def test_a_server_that_was_killed_comes_back_with_its_data_port_and_passwords(server: LocalClickHouse) -> None:
    engine = await ClickHouseEngine.open(server.url)
    await SqlStore(engine).migrate()
    await engine.execute("INSERT INTO market.dead_letters (reason) VALUES ('kept')")
    url = server.url
    server.kill()
    await asyncio.to_thread(server.process.wait)
    assert server.ended == -9
    await server.restart()
    assert server.ended is None
    assert server.url == url
    await server.probe()
    assert (await engine.fetch("SELECT reason FROM market.dead_letters")).to_pylist() == [{"reason": "kept"}]
    await engine.close()
