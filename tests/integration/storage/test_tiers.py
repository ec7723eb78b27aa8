"""Older parts on another volume of a real server, with the configuration that users are given."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from marketprism_adapters.clickhouse.inventory import Inventory, inventory
from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.clickhouse.migrations import MIGRATIONS
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.tiers import tier_statements
from marketprism_adapters.clickhouse.topology import Topology
from marketprism_adapters.cold.s3 import S3Store
from marketprism_adapters.nats.local_server import choose_port
from marketprism_application.contracts.kinds import BAR, GAP, TICK, TRADE
from marketprism_application.errors import TierError
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.observability import Metrics
from marketprism_services.settings.sections import StoreSettings
from marketprism_services.storage.measures import measure_store
from marketprism_services.storage.store_health import StoreState
from tests.integration.storage.test_clickhouse_layout import Unreplicated
from tests.support.archive import DAY, FIRST, answers, counted, fill, put, questions, rows_of, scene_of
from tests.support.s3_server import BUCKET, KEYS, S3Server, need_s3, s3_server

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("clickhouse")]

CONFIGURATIONS = Path(__file__).parents[3] / "deploy" / "clickhouse" / "config.d"
POLICIES = {"hot_cold": "cold", "hot_encrypted": "cold_encrypted", "hot_s3": "cold_s3"}  # the disk of volume cold
LINE = FIRST + 31 * DAY  # 2025-04-01: what is older is cold, what is a day younger is hot
COLD, HOT = {"20250329", "20250330"}, {"20250402"}


def days_before(instant: int) -> int:
    """Whole days from an instant (nanoseconds) until now."""
    return (time.time_ns() - instant) // DAY


def tiers(policy: str, days: int, **more: object) -> Topology:
    return Topology(dense_days=0, tier_policy=policy, tier_days={"market_ticks": days}, **more)  # type: ignore[arg-type]


class Tiered(NamedTuple):
    """A server with every policy of `deploy`, and where its disks lie."""

    server: LocalClickHouse
    disks: Path


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    need_s3()
    with s3_server(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
async def tiered(tmp_path: Path, bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tiered]:
    monkeypatch.setenv("CLICKHOUSE_COLD_KEY", "00112233445566778899aabbccddeeff")
    monkeypatch.setenv("CLICKHOUSE_COLD_URL", f"{bucket.endpoint}/{BUCKET}/{tmp_path.name}/")
    monkeypatch.setenv("CLICKHOUSE_COLD_ACCESS_KEY", KEYS[0])
    monkeypatch.setenv("CLICKHOUSE_COLD_SECRET_KEY", KEYS[1])
    folder = tmp_path / "server" / "access" / "config.d"
    folder.mkdir(parents=True)
    for file in CONFIGURATIONS.glob("*.xml"):
        (folder / file.name).write_text(file.read_text().replace("/mnt/cold/", f"{tmp_path}/"))
    host = bucket.endpoint.partition("://")[2]
    options = LocalOptions(tmp_path / "server", choose_port(0), choose_port(0), files_at=host)
    server = await LocalClickHouse.start(options)
    yield Tiered(server, tmp_path)
    await server.stop()


async def disks_of(engine: ClickHouseEngine, table: str = "market_ticks") -> dict[str, set[str]]:
    """Disks of the parts of each partition."""
    found = await engine.fetch(
        f"SELECT partition, disk_name FROM system.parts WHERE active AND database = 'market' AND table = '{table}'"
    )
    disks: dict[str, set[str]] = {}
    for row in found.to_pylist():
        disks.setdefault(str(row["partition"]), set()).add(str(row["disk_name"]))
    return disks


async def until_on(engine: ClickHouseEngine, disk: str, partitions: set[str]) -> dict[str, set[str]]:
    async with asyncio.timeout(60):
        while True:
            disks = await disks_of(engine)
            if all(disks[each] == {disk} for each in partitions):
                return disks
            await asyncio.sleep(0.2)


async def measured_at_rest(engine: ClickHouseEngine) -> tuple[Inventory, Metrics, StoreState, asyncio.Task[None]]:
    """What lies where, and what the leader shows of it; again where the server moved or merged a part meanwhile."""
    async with asyncio.timeout(60):
        while True:
            metrics, state = Metrics("storage"), StoreState()
            before = await inventory(engine)
            measuring = asyncio.create_task(measure_store(engine, metrics, state))
            while not state.disks:
                await asyncio.sleep(0.05)
            if (await inventory(engine)).placed == before.placed:
                return before, metrics, state, measuring
            measuring.cancel()
            await asyncio.gather(measuring, return_exceptions=True)


@pytest.mark.parametrize(
    "policy", [pytest.param(each, marks=pytest.mark.long if each != "hot_cold" else ()) for each in POLICIES]
)
@pytest.mark.long
async def test_old_ticks_are_moved_and_every_answer_stays(tiered: Tiered, tmp_path: Path, policy: str) -> None:
    disk = POLICIES[policy]
    engine = await ClickHouseEngine.open(tiered.server.url)
    async with scene_of(tmp_path, server=engine) as scene:
        await fill(scene.store, 3, [TICK, BAR, GAP, TRADE])
        asked = questions(3, 24)
        before, rows = await answers(scene, asked), await counted(scene)

        async def unchanged() -> None:
            again = await answers(scene, asked)
            assert [n for n, (a, b) in enumerate(zip(before, again, strict=True)) if not a.equals(b)] == []
            assert await counted(scene) == rows

        found = tiers(policy, days_before(LINE))
        days = found.tier_days["market_ticks"]
        assert await SqlStore(engine, found).migrate() == [
            f"market.market_ticks MODIFY SETTING storage_policy = '{policy}', materialize_ttl_recalculate_only = 1",
            f"market.market_ticks MODIFY TTL toDateTime(ts_event) + toIntervalDay({days}) TO VOLUME 'cold'",
        ]
        assert await SqlStore(engine, found).migrate() == []
        assert (await until_on(engine, disk, COLD))["20250402"] == {"default"}
        await unchanged()
        # What comes late for an old day lies there at once; the rows are the same, so the answers are.
        late = [row for row in rows_of(TICK, random.Random(3)) if row.ts_event < LINE - DAY][:1]
        await put(scene.store, TICK, late, 900_000)
        assert all(disks == {disk} for partition, disks in (await disks_of(engine)).items() if partition in COLD)
        before, rows = await answers(scene, asked), await counted(scene)
        await tiered.server.restart()
        await unchanged()
        assert (await until_on(engine, disk, COLD))["20250402"] == {"default"}
        # Fewer days: more of it. None: nothing goes back by itself, and everything is read.
        fewer = tiers(policy, days_before(LINE) - 5)
        assert len(await SqlStore(engine, fewer).migrate()) == 1
        await until_on(engine, disk, COLD | HOT)
        await unchanged()
        assert await SqlStore(engine, Topology(dense_days=0)).migrate() == ["market.market_ticks REMOVE TTL"]
        await unchanged()
        await engine.execute("ALTER TABLE market.market_ticks MOVE PARTITION ID '20250402' TO VOLUME 'default'")
        assert (await disks_of(engine))["20250402"] == {"default"}
        await unchanged()
    files = [each for each in (tiered.disks / "clickhouse-encrypted").rglob("*.*") if each.is_file()]
    if policy == "hot_encrypted":
        assert files
        assert all(each.read_bytes()[:3] == b"ENC" for each in files if each.stat().st_size)


@pytest.mark.long
async def test_moved_parts_are_archived_too(tiered: Tiered, bucket: S3Server, tmp_path: Path) -> None:
    cold = S3Store(bucket.endpoint, BUCKET, f"archive/{tmp_path.name}", *KEYS)
    engine = await ClickHouseEngine.open(tiered.server.url)
    async with scene_of(tmp_path, cold, server=engine) as scene:
        await fill(scene.store, 4, [TICK, BAR])
        asked = questions(4, 16)
        before, rows = await answers(scene, asked), await counted(scene)
        # Rows are kept so long that they are not deleted; bars have a table of revisions, which goes along.
        days = days_before(LINE)
        both = {"market_ticks": days, "market_bars": days}
        layout = Topology(dense_days=0, tier_policy="hot_s3", tier_days=both, keep_days=dict.fromkeys(both, days + 400))
        await SqlStore(engine, layout).migrate()
        assert await SqlStore(engine, layout).migrate() == []
        await until_on(engine, "cold_s3", COLD)
        async with asyncio.timeout(60):  # each table is moved in its own time
            while {"cold_s3"} not in (await disks_of(engine, "market_bars")).values():
                await asyncio.sleep(0.2)
        assert {"cold_s3"} in (await disks_of(engine, "market_bars")).values()
        await scene.move_all()
        assert await scene.hot.partitions() == []
        assert await counted(scene) == rows
        for number, (table, again) in enumerate(zip(before, await answers(scene, asked), strict=True)):
            assert table.equals(again), number
        unit = next(each for each in scene.known.records.values() if each.partition == min(COLD))
        await scene.mover.restore(unit, 1)  # back in the store, where its age puts it
        assert (await disks_of(engine))[min(COLD)] == {"cold_s3"}
        assert await counted(scene) == rows


async def test_what_lies_where_is_measured(tiered: Tiered, tmp_path: Path) -> None:
    engine = await ClickHouseEngine.open(tiered.server.url)
    async with scene_of(tmp_path, server=engine) as scene:
        await fill(scene.store, 3, [TICK])
        await SqlStore(engine, tiers("hot_s3", days_before(LINE))).migrate()
        await until_on(engine, "cold_s3", COLD)
        found, metrics, state, measuring = await measured_at_rest(engine)
        sizes = {each.disk: each for each in found.placed if each.name == "market_ticks"}
        assert sizes.keys() == {"default", "cold_s3"}
        (whole,) = (each for each in found.tables if each.name == "market_ticks")
        assert whole[1:] == tuple(a + b for a, b in zip(sizes["default"][2:], sizes["cold_s3"][2:], strict=True))
        rows = metrics.rows()
        on = {
            row.labels["disk"]: row.value
            for row in rows
            if row.name == "table_disk_bytes" and row.labels["table"] == "market_ticks"
        }
        assert on == {name: size.bytes for name, size in sizes.items()}
        # A disk that is full is seen, whichever it is; a bucket has no end.
        free = {row.labels["disk"] for row in rows if row.name == "store_disk_free_bytes"}
        assert free == {"default", "cold", "cold_plain", "cold_encrypted"}
        shown = state.snapshot()["disks"]
        assert (shown["cold_s3"]["total_bytes"], shown["cold_s3"]["parts"]) == (0, sizes["cold_s3"].parts)
        assert shown["cold"]["total_bytes"] > shown["cold"]["free_bytes"] > 0
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)
        assert state.snapshot()["disks"] == {}


async def test_what_the_server_does_not_have_is_named(tiered: Tiered) -> None:
    engine = await ClickHouseEngine.open(tiered.server.url)
    known = r"\(default, hot_cold, hot_encrypted, hot_s3\), was cold_hot"
    with pytest.raises(TierError, match=rf"store.tier_policy: expected a storage policy of the server \S+ {known}"):
        await SqlStore(engine, tiers("cold_hot", 7)).migrate()
    for volume in ("s3", "default"):  # on the first, new parts are made
        with pytest.raises(TierError, match=rf"behind the first of the policy hot_s3 \(cold\), was {volume}"):
            await SqlStore(engine, tiers("hot_s3", 7, tier_volume=volume)).migrate()
    with pytest.raises(TierError, match=r"policy default \(it has one volume\), was cold"):
        await SqlStore(engine, tiers("default", 7)).migrate()
    await SqlStore(engine, tiers("hot_cold", 7)).migrate()
    has = r"hot_cold that market_ticks has \(default: default; cold: cold\), was hot_s3"
    with pytest.raises(TierError, match=rf"expected every volume and disk of the policy {has}"):
        await SqlStore(engine, tiers("hot_s3", 7)).migrate()
    assert await SqlStore(engine, tiers("hot_cold", 7)).migrate() == []
    await engine.close()


async def test_every_server_of_a_cluster_is_looked_at(tmp_path: Path) -> None:
    port = choose_port(0)
    members = f"<shard><replica><host>127.0.0.1</host><port>{port}</port></replica></shard>" * 2
    (tmp_path / "config.d").mkdir()
    (tmp_path / "users.xml").write_text(
        "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><password/>"
        "<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></clickhouse>"
    )
    (tmp_path / "config.xml").write_text(
        f"<clickhouse><users_config>{tmp_path}/users.xml</users_config>"
        f"<remote_servers><prod>{members}</prod></remote_servers></clickhouse>"
    )
    text = (CONFIGURATIONS / "tiers-local.xml").read_text()
    (tmp_path / "config.d" / "tiers.xml").write_text(text.replace("/mnt/cold/", f"{tmp_path}/"))
    options = LocalOptions(tmp_path / "server", choose_port(0), port, tmp_path / "config.xml")
    server = await LocalClickHouse.start(options)
    engine = await ClickHouseEngine.open(server.url)
    days = {"market_bars": 7}
    layout = Unreplicated("prod", quorum="0", tier_policy="hot_cold", tier_days=days)
    for statement in ("CREATE DATABASE IF NOT EXISTS market", *(s for step in MIGRATIONS for s in step.statements)):
        for rendered in layout.render(statement):
            await engine.execute(rendered)
    settings = "MODIFY SETTING storage_policy = 'hot_cold', materialize_ttl_recalculate_only = 1"
    wanted = [
        f"ALTER TABLE market.{table}_local ON CLUSTER 'prod' {settings}" for table in ("bar_revisions", "market_bars")
    ]
    found = await tier_statements(engine, layout)
    assert sorted(found) == wanted  # once, though both shards need them
    for statement in [*found, *layout.retention("market_bars", "")]:
        await engine.execute(statement.replace(" ON CLUSTER 'prod'", ""))
    assert await tier_statements(engine, layout) == []
    with pytest.raises(TierError, match=r"of the server \S+ of shard 1 \(default, hot_cold\), was hot_s3"):
        await tier_statements(engine, Unreplicated("prod", quorum="0", tier_policy="hot_s3", tier_days=days))
    await engine.close()
    await server.stop()


@pytest.mark.parametrize(
    ("made", "text"),
    [
        ({"tier_days": {"market_ticks": 7}}, "store.tier_policy: expected a name that the server's configuration has"),
        ({"tier_policy": "a'b"}, "store.tier_policy: expected a name"),
        ({"tier_policy": "p", "tier_volume": "", "tier_days": {"gaps": 1}}, "store.tier_volume: expected a name"),
        ({"tier_policy": "p", "tier_days": {"ticks": 1}}, "store.tier_days: expected one of"),
        ({"tier_policy": "p", "tier_days": {"gaps": 0}}, "store.tier_days.gaps: expected at least 1, was 0"),
        (
            {"tier_policy": "p", "tier_days": {"gaps": 30}, "keep_days": {"gaps": 30}},
            r"store.tier_days.gaps: expected less than store.keep_days.gaps \(30\), was 30",
        ),
        (
            {"tier_policy": "p", "tier_days": {"gaps": 30}, "engine": "chdb"},
            "engine clickhouse with it, or archive.place",
        ),
    ],
)
def test_tiers_that_cannot_be_name_the_setting(made: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidValue, match=text):
        StoreSettings(**{"engine": "clickhouse", **made})  # type: ignore[arg-type]
