"""A ClickHouse server over its native protocol: what HTTP gives, and what happens when something is in the way."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.clickhouse.native import NativeEngine
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.server_url import HTTP, NATIVE, is_native, parse_server_url
from marketprism_adapters.clickhouse.sql.schema import inserts_encoded
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.nats.local_server import choose_port
from marketprism_application.contracts.kinds import TICK
from marketprism_application.errors import RowError, StoreError
from marketprism_application.ports.storage import EncodedRows, StreamRange
from marketprism_sdk.urls import Url
from marketprism_services.wiring.store import ServerEngines
from tests.contract.test_market_store import TICKS
from tests.support.clickhouse import serve_clickhouse

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("clickhouse")]


@pytest.fixture(scope="module")
def both_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server for this file alone: what is done to its native port here can end this build of the library."""
    with serve_clickhouse(tmp_path_factory.mktemp("native"), native=True) as urls:
        yield urls


@pytest.fixture(scope="module")
def clickhouse_url(both_urls: tuple[str, str]) -> str:
    """The same server over HTTP, to compare with."""
    return both_urls[0]


@pytest.fixture(scope="module")
def clickhouse_native_url(both_urls: tuple[str, str]) -> str:
    """The server over its native protocol."""
    return both_urls[1]


VALUES = (
    "toInt8(-1)", "toUInt8(1)", "toInt16(1)", "toUInt16(2)", "toInt32(1)", "toUInt32(1)", "toInt64(-1)",
    "toUInt64(18446744073709551615)", "toFloat32(1.5)", "toFloat64(1.5)", "true", "'x'", "'中文'", "toLowCardinality('x')",
    "toNullable('x')", "CAST(NULL AS Nullable(String))", "CAST(NULL AS LowCardinality(Nullable(String)))",
    "toDecimal128('-12345678901234567890.123456789012345678', 18)", "CAST(NULL AS Nullable(Decimal(38, 18)))",
    "toDecimal64('1.5', 4)", "toDecimal32('1.5', 4)", "toDecimal256('1.5', 4)", "[1, 2]", "['a', NULL]",
    "[toLowCardinality('a')]", "[[toDecimal128('1', 18)]]", "emptyArrayString()", "[true, false]",
    "toDate('2025-01-01')", "toDate32('1950-01-01')", "NULL",
)  # fmt: skip
SPARSE = (
    "n Int64, u UInt32, b Bool, s String, l LowCardinality(String), d Decimal(38, 18), o Nullable(Decimal(38, 18)), "
    "a Array(Decimal(38, 18)), f Float64, p Nullable(String), y Date"
)


@pytest.fixture
async def native(clickhouse_native_url: str) -> AsyncIterator[NativeEngine]:
    engine = await NativeEngine.open(clickhouse_native_url)
    yield engine
    await engine.close()


@pytest.fixture
async def http(clickhouse_url: str) -> AsyncIterator[ClickHouseEngine]:
    engine = await ClickHouseEngine.open(clickhouse_url)
    yield engine
    await engine.close()


async def same(native: NativeEngine, http: ClickHouseEngine, statement: str) -> int:
    mine, other = await native.fetch(statement), await http.fetch(statement)
    assert mine.schema.equals(other.schema, check_metadata=True), statement
    assert mine.equals(other), statement
    return mine.num_rows


async def test_tables_are_those_of_http(native: NativeEngine, http: ClickHouseEngine) -> None:
    for value in VALUES:
        assert await same(native, http, f"SELECT {value} AS x") == 1
    every = ", ".join(f"{value} AS c{number}" for number, value in enumerate(VALUES))
    assert await same(native, http, f"SELECT {every} FROM numbers(200000)") == 200_000
    assert await same(native, http, f"SELECT {every} WHERE 0") == 0
    await native.execute("CREATE DATABASE IF NOT EXISTS market")
    await native.execute("DROP TABLE IF EXISTS market.sparse SYNC")
    await native.execute(
        f"CREATE TABLE market.sparse ({SPARSE}) ENGINE = ReplacingMergeTree ORDER BY n "
        "SETTINGS ratio_of_defaults_for_sparse_serialization = 0.5"
    )
    await native.execute(
        "INSERT INTO market.sparse SELECT number, if(m, 7, 0), m, if(m, 'x', ''), if(m, 'y', ''), if(m, 1.5, 0), "
        "if(m, 2, NULL), if(m, [1], []), if(m, 1, 0), if(m, 'z', NULL), if(m, toDate('2025-01-01'), toDate(0)) "
        "FROM (SELECT number, number % 10 = 3 AS m FROM numbers(1000))"
    )
    assert await same(native, http, "SELECT * FROM market.sparse ORDER BY n") == 1_000
    await native.execute("DROP TABLE market.sparse SYNC")


async def test_a_type_that_would_lose_something_is_refused_by_name(native: NativeEngine) -> None:
    with pytest.raises(StoreError, match=r"column late: expected a type .*, was DateTime64\(9, 'UTC'\)"):
        await native.fetch("SELECT now64(9, 'UTC') AS late")
    assert (await native.fetch("SELECT 1 AS x")).to_pylist() == [{"x": 1}]


async def test_a_range_is_stored_once_whichever_way_it_comes(native: NativeEngine, http: ClickHouseEngine) -> None:
    await http.execute("DROP DATABASE IF EXISTS market SYNC")
    stores = [SqlStore(native), SqlStore(http)]
    await stores[0].migrate()
    count = 70_000  # more than one block of the server's reader
    encode = msgspec.msgpack.Encoder().encode
    rows = [encode(TICKS[0]._replace(seq=n, ts_event=TICKS[0].ts_event + n)) for n in range(count)]
    for first, store in enumerate((*stores, *stores)):
        half = first % 4 >= 2  # two the one way round, two the other
        start = 1_000 if half else 1
        for each in (store, stores[0], stores[1]):
            covered = StreamRange("S", "x", start, start)
            assert await each.insert_encoded(TICK, [EncodedRows(start, rows)], covered, 1) == count
    found = await http.fetch("SELECT stream_seq, count() AS n FROM market.market_ticks GROUP BY 1 ORDER BY 1")
    assert found.to_pylist() == [{"stream_seq": 1, "n": count}, {"stream_seq": 1_000, "n": count}]


async def test_a_refused_row_is_a_row_error_with_the_servers_number(native: NativeEngine) -> None:
    await SqlStore(native).migrate()
    with pytest.raises(RowError) as refused:
        await native.insert_encoded(inserts_encoded(TICK, "t", careful=True)[0], b"\xc1")
    assert refused.value.engine_code
    assert not refused.value.retryable
    assert "Stack trace" not in str(refused.value)


async def test_errors_of_the_server_are_those_of_http(clickhouse_url: str, clickhouse_native_url: str) -> None:
    limits = {"max_result_rows": "10", "max_execution_time": "0.3", "max_block_size": "10"}
    engines = [
        await NativeEngine.open(clickhouse_native_url, settings=limits),
        await ClickHouseEngine.open(clickhouse_url, settings=limits),
    ]
    for statement, code in (
        ("SELECT * FROM market.no_such_table", 60), ("SELECT", 62), ("SELECT toInt8('x')", 6),
        ("SELECT * FROM numbers(100)", 396), ("SELECT sum(sleepEachRow(0.05)) AS s FROM numbers(100)", 159),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", 497),
    ):  # fmt: skip
        found = []
        for engine in engines:
            with pytest.raises(StoreError) as raised:
                await engine.fetch(statement)
            found.append((type(raised.value), raised.value.engine_code, raised.value.retryable))
        assert found[0] == found[1], statement
        assert found[0][1] == code, statement
    for engine in engines:
        await engine.close()


async def test_a_setting_that_the_server_does_not_know_is_an_error(clickhouse_native_url: str) -> None:
    with pytest.raises(StoreError, match="no_such_setting"):
        await NativeEngine.open(clickhouse_native_url, settings={"no_such_setting": "1"})


RUNNING = "SELECT count() AS n FROM system.processes WHERE query LIKE '%{}%' AND query NOT LIKE '%processes%'"
SLOW = "SELECT sleepEachRow(0.1) AS slow FROM numbers(1000) SETTINGS max_block_size = 1"


async def gone(http: ClickHouseEngine, text: str) -> None:
    async with asyncio.timeout(20):
        while (await http.fetch(RUNNING.format(text))).to_pylist()[0]["n"]:
            await asyncio.sleep(0.02)


async def test_a_caller_who_goes_away_ends_its_query_on_the_server(
    native: NativeEngine, http: ClickHouseEngine
) -> None:
    asking = asyncio.create_task(native.fetch(SLOW))
    async with asyncio.timeout(20):
        while not (await http.fetch(RUNNING.format("AS slow"))).to_pylist()[0]["n"]:
            await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await gone(http, "AS slow")
    assert (await native.fetch("SELECT 1 AS x")).num_rows == 1


async def test_a_statement_that_takes_too_long_is_cut_and_can_be_tried_again(
    clickhouse_native_url: str, http: ClickHouseEngine
) -> None:
    engine = await NativeEngine.open(clickhouse_native_url, timeout_s=1.0)
    with pytest.raises(StoreError, match="no answer: 1 s are over") as late:
        await engine.fetch(SLOW)
    assert late.value.retryable
    await gone(http, "AS slow")
    assert (await engine.fetch("SELECT 1 AS x")).num_rows == 1
    await engine.close()


async def test_statements_run_beside_one_another_and_a_close_ends_them(native: NativeEngine) -> None:
    started = time.monotonic()
    await asyncio.gather(*(native.fetch("SELECT sleep(1) AS s") for _ in range(12)))
    assert time.monotonic() - started < 8
    running = asyncio.create_task(native.fetch(SLOW))
    await asyncio.sleep(0.3)
    await native.close()
    with pytest.raises(StoreError, match="no answer"):
        await running


@asynccontextmanager
async def proxy(
    target: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, set[asyncio.StreamWriter]]]:
    """A port in front of another, and its connections; with TLS where there is a context."""
    writers: set[asyncio.StreamWriter] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inward, outward = await asyncio.open_connection("127.0.0.1", target)
        writers.add(writer)
        await asyncio.gather(copy(reader, outward), copy(inward, writer))
        writers.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], writers
    finally:
        server.close()


def at_port(url: str, port: int, scheme: str = "clickhouse", host: str = "127.0.0.1") -> Url:
    parts = urlsplit(Url(url).reveal())
    return Url(f"{scheme}://{parts.netloc.rpartition('@')[0]}@{host}:{port}")


async def test_a_broken_connection_is_retryable_and_the_next_statement_opens_another(
    clickhouse_native_url: str,
) -> None:
    behind = urlsplit(Url(clickhouse_native_url).reveal()).port or 0
    async with proxy(behind) as (port, connections):
        engine = await NativeEngine.open(at_port(clickhouse_native_url, port))
        asking = asyncio.create_task(engine.fetch(SLOW))
        await asyncio.sleep(0.5)
        for connection in list(connections):
            connection.transport.abort()
        with pytest.raises(StoreError, match="no answer") as broken:
            await asking
        assert broken.value.retryable
        assert (await engine.fetch("SELECT 1 AS x")).num_rows == 1
        for connection in list(connections):  # one that breaks between two statements is noticed by nobody
            connection.transport.abort()
        assert (await engine.fetch("SELECT 1 AS x")).num_rows == 1
        await engine.close()


async def test_nobody_there_is_retryable_and_a_refusal_is_not(clickhouse_native_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no answer") as away:
        await NativeEngine.open(at_port(clickhouse_native_url, choose_port(0)))
    assert away.value.retryable
    # A server of its own: a login that is refused on its native port ends this build of the library at the next one.
    options = LocalOptions(tmp_path / "clickhouse", choose_port(0), choose_port(0), native=True)
    server = await LocalClickHouse.start(options)
    with pytest.raises(StoreError, match="Authentication failed") as refused:
        await NativeEngine.open(f"clickhouse://market_writer:guess@127.0.0.1:{options.tcp_port}")
    await server.stop()
    assert (refused.value.engine_code, refused.value.retryable) == (516, False)


async def test_a_port_that_speaks_http_is_named_as_such() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(StoreError, match="expected its native protocol") as other:
        await NativeEngine.open(f"clickhouse://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert not other.value.retryable
    server.close()


async def test_tls_with_a_certificate_that_the_system_trusts(
    clickhouse_native_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    try:
        await asyncio.to_thread(subprocess.run, [*command, *names], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await asyncio.to_thread(context.load_cert_chain, certificate, key)
    behind = urlsplit(Url(clickhouse_native_url).reveal()).port or 0
    async with proxy(behind, context) as (port, _):
        url = at_port(clickhouse_native_url, port, "clickhouses", "localhost")
        with pytest.raises(StoreError, match="no answer"):
            await NativeEngine.open(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        engine = await NativeEngine.open(url)
        assert (await engine.fetch("SELECT 1 AS x")).num_rows == 1
        asking = asyncio.create_task(engine.fetch(SLOW))
        await asyncio.sleep(0.3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await engine.close()


async def test_the_url_chooses_the_protocol(clickhouse_url: str, clickhouse_native_url: str) -> None:
    for url, expected in ((clickhouse_url, ClickHouseEngine), (clickhouse_native_url, NativeEngine)):
        engines = ServerEngines(url, {"max_result_rows": "1000"})
        await engines.preload()
        engine = await engines.open()
        assert type(engine) is expected
        (row,) = (await engine.fetch("SELECT getSetting('max_result_rows') AS n")).to_pylist()
        assert row["n"] == 1_000
        await engine.close()


async def test_the_database_of_a_url_is_where_statements_without_one_look(clickhouse_native_url: str) -> None:
    for path, database in (("", "default"), ("/market", "default"), ("/system", "system")):
        engine = await NativeEngine.open(Url(Url(clickhouse_native_url).reveal() + path))
        assert (await engine.fetch("SELECT currentDatabase() AS d")).to_pylist() == [{"d": database}]
        await engine.close()
    with pytest.raises(StoreError, match="no_such_database"):
        await NativeEngine.open(Url(Url(clickhouse_native_url).reveal() + "/no_such_database"))


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse://u:secret@:9000", "clickhouse://u:secret@host:port", "clickhouse://u:secret@host:99999",
        "clickhouse://u:sec#ret@host:9000", "clickhouse://u:sec/ret@host:9000", "clickhouse://u:secret@host:9000/?a=b",
        "tcp://u:secret@host:9000", "http://u:secret@host:8123",
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_named_without_its_password(url: str) -> None:
    with pytest.raises(StoreError) as raised:
        parse_server_url(url, NATIVE)
    text = str(raised.value)
    assert text.startswith("store.url: expected clickhouse://host:9000/database, was '")
    assert "sec" not in text
    assert "ret" not in text
    assert raised.value.__cause__ is None


def test_what_a_url_says() -> None:
    assert parse_server_url("clickhouses://u%40x:p%2Fw@[::1]/db", NATIVE) == (
        "clickhouses",
        "::1",
        0,
        "u@x",
        "p/w",
        "db",
    )
    assert parse_server_url(Url("http://a:b@host:8123"), HTTP) == ("http", "host", 8123, "a", "b", "")
    with pytest.raises(StoreError, match=r"store\.url: expected http://host:8123"):
        parse_server_url("http://host:x", HTTP)
    assert [is_native(url) for url in ("clickhouse://h", "CLICKHOUSES://h", "http://h", "server", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_the_library_is_loaded_by_such_a_url_only_and_named_where_it_is_missing() -> None:
    script = (
        "import asyncio, sys\n"
        "from marketprism_services.wiring.store import ServerEngines\n"
        "assert 'clickhouse_driver' not in sys.modules\n"
        "asyncio.run(ServerEngines('http://127.0.0.1:1').preload())\n"
        "assert 'clickhouse_driver' not in sys.modules\n"
        "sys.modules['clickhouse_driver'] = None\n"
        "for start in ('preload', 'open'):\n"
        "    try: asyncio.run(getattr(ServerEngines('clickhouse://127.0.0.1:1'), start)())\n"
        "    except Exception as error: print(type(error).__name__, error.retryable, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("StoreError False store.url: expected the package clickhouse-driver")
        assert "pip install 'marketprism[native]'" in line
