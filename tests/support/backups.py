"""A store with rows, a broker with streams and buckets, and backups of both."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.ledger import SqlLedger
from marketprism_adapters.clickhouse.row_copies import SqlRowCopies
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import Topology
from marketprism_adapters.cold.age import AgeOpener, AgeSealer, new_identity
from marketprism_adapters.cold.folder import FolderStore
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.stream_copies import NatsStreamCopies
from marketprism_application.backups.catalogue import BackupCatalogue
from marketprism_application.backups.making import BackupMaker, Source
from marketprism_application.contracts.backup_records import BackupManifest
from marketprism_application.contracts.kinds import BAR, GAP, TICK, TRADE, DataKind
from marketprism_application.ports.archive import ColdStore, Measured
from marketprism_application.ports.storage import StoreMark
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.resilience import Backoff, retry
from marketprism_services.platform.restoring import Progress, RestoreOrder, RestoreReport, restore
from marketprism_services.settings.settings import Settings
from tests.support.archive import fill

KEYS = "BACKUP_TEST_KEYS"  # a child process has those of the test
IDENTITY, RECIPIENT = os.environ[KEYS].split() if KEYS in os.environ else new_identity()
SETTINGS = {"settings.json": b'{"log": {"level": "INFO"}}'}


class Heard:
    """Hooks of a backup that note what they are told, and do something at the number of a part."""

    def __init__(self, at: int = -1, work: Callable[[], None] = lambda: None) -> None:
        self.parts: list[tuple[str, bool]] = []
        self._at, self._work = at, work

    def on_part(self, name: str, rows: int, size: int, *, reused: bool) -> None:
        self.parts.append((name, reused))
        if len(self.parts) == self._at:
            self._work()


class BackupScene(NamedTuple):
    """What is backed up, and where."""

    engine: Engine
    rows: SqlRowCopies
    streams: NatsStreamCopies | None
    catalogue: BackupCatalogue
    staging: Path
    heard: Heard

    def maker(self, recipients: Sequence[str] = (RECIPIENT,)) -> BackupMaker:
        return BackupMaker(self.rows, self.streams, self.catalogue, AgeSealer(recipients), self.staging, self.heard)

    async def make(self) -> BackupManifest:
        return await self.maker().make(Source("1.0", "store", SETTINGS, ("MARKETPRISM_X_FILE=/run/secrets/x",)))


@asynccontextmanager
async def engine_at(path: Path) -> AsyncIterator[ChdbEngine]:
    """The embedded engine on a folder."""
    engine = await retry(lambda: ChdbEngine.open(path), attempts=50, backoff=Backoff(0.2, 0.2))
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def backed_up(
    path: Path,
    place: ColdStore | None = None,
    kinds: Sequence[DataKind] = (TICK, BAR, GAP, TRADE),
    streams: NatsStreamCopies | None = None,
    heard: Heard | None = None,
) -> AsyncIterator[BackupScene]:
    """A store in a folder, with rows and a place of a stream; backups go to a folder beside it."""
    (path / "place").mkdir(exist_ok=True)
    async with engine_at(path / "db") as engine:
        store = SqlStore(engine, Topology(dense_days=0))
        await store.migrate()
        await fill(store, 11, kinds, days=4)
        await SqlLedger(engine).identity()
        await SqlLedger(engine).record("MARKET_TICKS", "2025-03-01T00:00:00Z", StoreMark(77, 5))
        yield BackupScene(
            engine,
            SqlRowCopies(engine, "chdb", 50),
            streams,
            BackupCatalogue(place or FolderStore(path / "place", "backup")),
            path / "staging",
            heard or Heard(),
        )


@asynccontextmanager
async def broker(path: Path) -> AsyncIterator[NatsConnection]:
    """A nats-server of its own with two buckets."""
    server = await EmbeddedServer.start(EmbeddedOptions(path, port=0))
    connection = await NatsConnection.open(server.url)
    try:
        things = await NatsKeyValue.open(connection, "things")
        for number in range(60):
            await things.put(f"key{number % 9}", f"value {number}".encode())
        await (await NatsKeyValue.open(connection, "aging", ttl_s=6.0)).put("a", b"old soon")
        yield connection
    finally:
        await connection.close()
        await server.stop()


async def counted(rows: SqlRowCopies) -> dict[tuple[str, str], Measured]:
    """Rows and digest of every partition."""
    shapes = await rows.shapes()
    return {
        (each.table, each.partition): await rows.measure(each.table, each.partition, shapes[each.table].columns)
        for each in await rows.partitions()
    }


async def restored(
    data_dir: Path, catalogue: BackupCatalogue, order: RestoreOrder | None = None, identity: str = IDENTITY
) -> RestoreReport:
    """Restore into a data directory."""
    wanted = order or RestoreOrder(parts=("store", "settings"))
    return await restore(Settings(data_dir=data_dir), catalogue, AgeOpener([identity]), wanted, Progress())


async def rewritten(place: Path, backup: str, change: Callable[[dict[str, object]], None]) -> None:
    """A manifest with something else in it, whose digest is right again."""
    from marketprism_application.backups.catalogue import digest_of  # noqa: PLC0415 (beside what it is for)

    def work() -> None:
        path = place / "backups" / backup / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        change(manifest)
        manifest["digest"] = digest_of(manifest)
        path.write_text(json.dumps(manifest), encoding="utf-8")

    await asyncio.to_thread(work)
