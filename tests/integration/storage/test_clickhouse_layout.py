"""Layouts of the tables on real servers: shards behind Distributed tables, retention, a user who only reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.clickhouse.migrations import MIGRATIONS, WHOLE_SCHEMA
from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import Topology, read_only_user
from marketprism_adapters.nats.local_server import choose_port
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.questions import Audit, Daily, Latest, Records, Symbols
from marketprism_application.errors import StoreError
from marketprism_application.ports.storage import EncodedRows, StreamPlace, StreamRange
from marketprism_domain.errors import InvalidValue
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.store import reading_engines_of
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, book, tick

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("clickhouse")]

USERS = """<clickhouse><profiles><default/><reading>
    <readonly>2</readonly><max_execution_time>30</max_execution_time><max_result_rows>1000000</max_result_rows>
    <constraints><max_execution_time><max>30</max></max_execution_time>
    <max_result_rows><max>1000000</max></max_result_rows></constraints>
  </reading></profiles><quotas><default/></quotas><users>
  <default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default>
  <quant><password>secret</password><networks><ip>::/0</ip></networks><profile>reading</profile><quota>default</quota>
    <grants><query>GRANT SELECT ON market.*</query></grants></quant>
</users></clickhouse>"""


class Unreplicated(Topology):
    """The layout of a cluster without Keeper, which the servers of these tests do not have."""

    def render(self, statement: str) -> list[str]:
        return [_without_keeper(made) for made in super().render(statement)]


def _without_keeper(statement: str) -> str:
    before, sign, after = statement.partition("ReplicatedReplacingMergeTree(")
    if sign:
        inside, _, rest = after.partition(")")
        version = inside.split("'{replica}'")[1].removeprefix(", ")
        statement = f"{before}ReplacingMergeTree({version}){rest}"
    return statement.replace(" ON CLUSTER 'prod'", "").replace(
        "\nSETTINGS replicated_dedup", "\nSETTINGS non_replicated_dedup"
    )


async def _server(folder: Path, name: str, port: int, config: Path) -> LocalClickHouse:
    return await LocalClickHouse.start(LocalOptions(folder / name, choose_port(0), port, config))


@pytest.fixture
async def shards(tmp_path: Path) -> AsyncIterator[tuple[LocalClickHouse, LocalClickHouse]]:
    ports = (choose_port(0), choose_port(0))
    members = "".join(f"<shard><replica><host>127.0.0.1</host><port>{port}</port></replica></shard>" for port in ports)
    (tmp_path / "users.xml").write_text(USERS)
    config = tmp_path / "config.xml"
    config.write_text(
        f"<clickhouse><users_config>{tmp_path}/users.xml</users_config>"
        f"<remote_servers><prod>{members}</prod></remote_servers></clickhouse>"
    )
    servers = (
        await _server(tmp_path, "one", ports[0], config),
        await _server(tmp_path, "two", ports[1], config),
    )
    yield servers
    for server in servers:
        await server.stop()


IN_ALL = """SELECT table, name, type, position, default_expression, compression_codec, is_in_sorting_key,
    is_in_primary_key, is_in_partition_key FROM system.columns
    WHERE database = 'market' AND endsWith(table, '_local') ORDER BY table, position"""
BUT_FOR_CODECS = """SELECT c.table, c.name, c.type, c.position, c.default_expression, t.engine, t.as_select
    FROM system.columns AS c INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
    WHERE c.database = 'market' ORDER BY c.table, c.position"""


async def described(engine: ClickHouseEngine, asked: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await engine.fetch(asked)).to_pylist()
    assert len(found) > 300
    return found


async def test_a_sharded_store_takes_every_range_once_and_answers_as_one(
    shards: tuple[LocalClickHouse, LocalClickHouse],
) -> None:
    layout = Unreplicated("prod", quorum="0")
    engines = [await ClickHouseEngine.open(server.url, settings=layout.write_settings) for server in shards]
    # An empty store is given the schema as it stands; it is the same on a cluster: what lies on the shards in all, what
    # lies over them, and stores nothing, but for the codecs.
    one_by_one, whole = engines
    made = "CREATE DATABASE IF NOT EXISTS market"
    ways = {
        whole: [made, *WHOLE_SCHEMA],
        one_by_one: [made, *(text for step in MIGRATIONS for text in step.statements)],
    }
    for last in (False, True):  # views, and rows of tables, look at every shard
        for engine, statements in ways.items():
            for statement in statements:
                if statement.startswith(("CREATE VIEW", "INSERT")) is last:
                    for rendered in layout.render(statement):
                        await engine.execute(rendered)
    assert await described(one_by_one, IN_ALL) == await described(whole, IN_ALL)
    assert await described(one_by_one, BUT_FOR_CODECS) == await described(whole, BUT_FOR_CODECS)
    store = SqlStore(engines[0], layout)
    opened = at("2025-03-03 09:00:00")
    symbols = [f"rb25{n:02d}" for n in range(20)]
    ticks = [
        tick(opened + n * 10**9, f"{100 + n}.5", n + 1, **book(99, 100))._replace(seq=n + 1, symbol=symbol)
        for symbol in symbols
        for n in range(10)
    ]
    places = [StreamPlace(n + 1, 0) for n in range(len(ticks))]
    for _ in range(2):
        rows = [msgspec.msgpack.encode(row) for row in ticks]
        await store.insert_encoded(TICK, [EncodedRows(1, rows)], StreamRange("S", "2025", 1, len(ticks)), 1)
        bars = [SAMPLES["bar"]._replace(symbol=symbol, interval="1m") for symbol in symbols]
        await store.insert(BAR, bars, places[:20], StreamRange("S", "2025", 1, 20), 1)
    counts = [
        (await engine.fetch("SELECT count() AS n FROM market.market_ticks_local")).to_pylist()[0]["n"]
        for engine in engines
    ]
    assert sum(counts) == 200
    assert all(counts), "every shard has symbols"
    for engine in engines:
        reader = SqlReader(engine)
        (audit,) = (await reader.answer(Audit(("test",)))).to_pylist()
        assert (audit["stored"], audit["distinct_ticks"], audit["read_back"]) == (200, 200, 200)
        assert (await reader.answer(Records("tick", symbols[3]))).column("seq").to_pylist() == list(range(1, 11))
        assert (await reader.answer(Latest("tick", tuple(symbols)))).num_rows == 20
        assert (await reader.answer(Symbols())).num_rows >= 20
        days = (await reader.answer(Daily(symbols[3]))).to_pylist()
        assert sorted(row["ticks"] for row in days) == [0, 10], "the day of its bar, and that of its ticks"
        assert (await reader.answer(Records("bar", symbols[4], interval="1m"))).num_rows == 1
        assert await SqlStore(engine, layout).verify() == []
        await engine.close()


async def test_a_user_who_only_reads_answers_queries_and_changes_nothing(
    shards: tuple[LocalClickHouse, LocalClickHouse],
) -> None:
    engine = await ClickHouseEngine.open(shards[0].url)
    await SqlStore(engine).migrate()
    await engine.close()
    store = {"engine": "clickhouse", "url": "http://nobody", "read_url": shards[0].url.replace("//", "//quant:secret@")}
    engines = reading_engines_of(Settings.model_validate({"store": store}))
    assert engines is not None
    reading = await engines.open()
    assert (await SqlReader(reading).answer(Records("tick", "rb2505"))).num_rows == 0
    for statement in (
        "INSERT INTO market.dead_letters (reason) VALUES ('x')",
        "DROP TABLE market.gaps",
        "SELECT * FROM system.parts",
        "CREATE TABLE market.x (a Int8) ENGINE = Memory",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    ):
        with pytest.raises(StoreError, match=r"ACCESS_DENIED|READONLY"):
            await reading.execute(statement)
    await reading.close()


async def test_what_cannot_run_here_is_at_least_what_the_server_reads_as_a_statement(clickhouse_url: str) -> None:
    engine = await ClickHouseEngine.open(clickhouse_url)
    layout = Topology("prod", partition_by={"market_ticks": "month"}, keep_days={"market_ticks": 30})
    written = [*(text for step in MIGRATIONS for text in step.statements), *WHOLE_SCHEMA]
    statements = [made for text in written for made in layout.render(text)]
    statements += read_only_user("quant", "secret", seconds=30, rows=1_000, cluster="prod")
    statements += layout.retention("market_ticks", "")
    for statement in statements:
        text = statement.replace("\\", "\\\\").replace("\n", "\\n")
        await engine.fetch("SELECT formatQuery({text:String})", {"text": text})
    created = next(text for text in statements if "market_ticks_local" in text)
    assert (
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/market/market_ticks', '{replica}', stream_seq)"
        in created
    )
    assert "PARTITION BY toYYYYMM(ts_event)" in created
    assert "SETTINGS replicated_deduplication_window" in created
    rows = [text for text in statements if text.startswith("INSERT")]  # by the tables over the shards
    assert sum("ON CLUSTER 'prod'" in text for text in statements) == len(statements) - len(rows)
    assert len(rows) == 2
    await engine.close()


async def test_retention_follows_the_setting(clickhouse_url: str) -> None:
    engine = await ClickHouseEngine.open(clickhouse_url)
    await engine.execute("DROP DATABASE IF EXISTS market SYNC")
    thirty = Topology(keep_days={"market_ticks": 30}, dense_days=0)
    assert (
        "market.market_ticks MODIFY TTL toDateTime(ts_event) + toIntervalDay(30)"
        in await SqlStore(engine, thirty).migrate()
    )
    assert await SqlStore(engine, thirty).migrate() == []
    store = SqlStore(engine, thirty)
    await store.insert(
        TICK, [tick(at("2025-03-03 09:00:00"), 1, 1)], [StreamPlace(1, 0)], StreamRange("S", "x", 1, 1), 1
    )
    await engine.execute("OPTIMIZE TABLE market.market_ticks FINAL")
    assert (await SqlReader(engine).answer(Records("tick", "rb2505"))).num_rows == 0
    dense = Topology(keep_days={"market_ticks": 30}, dense_days=1)
    assert len(await SqlStore(engine, dense).migrate()) == 1
    assert await SqlStore(engine, dense).migrate() == []
    assert await SqlStore(engine, Topology(dense_days=0)).migrate() == ["market.market_ticks REMOVE TTL"]
    await engine.close()


@pytest.mark.parametrize(
    ("made", "text"),
    [
        ({"cluster": "x' ON"}, "store.cluster: expected the name"),
        ({"quorum": "most"}, "store.quorum: expected auto"),
        ({"keep_days": {"ticks": 1}}, "store.keep_days: expected one of"),
        ({"keep_days": {"gaps": 0}}, "gaps: expected at least 1"),
        ({"partition_by": {"gaps": "hour"}}, "store.partition_by.gaps: expected one of day, month, year"),
    ],
)
def test_a_layout_that_is_none_names_the_setting(made: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidValue, match=text):
        Topology(**made)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="name: expected"):
        read_only_user("a b", "x", seconds=1, rows=1)
    with pytest.raises(StoreError, match="password: expected"):
        read_only_user("a", "'", seconds=1, rows=1)
