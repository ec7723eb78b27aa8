"""A store with rows of every kind over some months, an archive of it, and questions about both."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from marketprism_adapters.clickhouse.archive.hot import SqlHotStore, wait_no_longer
from marketprism_adapters.clickhouse.archive.reader import TieredReader
from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import Topology
from marketprism_adapters.cold.folder import FolderStore
from marketprism_application.archiving.layout import ARCHIVABLE
from marketprism_application.archiving.mover import Mover
from marketprism_application.archiving.units import KnownUnits
from marketprism_application.contracts.archive_records import UnitRecord
from marketprism_application.contracts.kinds import INSTRUMENT, KINDS, DataKind
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.contracts.questions import (
    Audit,
    BarSeries,
    Daily,
    Latest,
    Listing,
    Names,
    Records,
    Statistics,
    StoreQuestion,
    Symbols,
    key_of,
)
from marketprism_application.ports.archive import ColdStore
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.resilience import Backoff, retry
from tests.contract.test_codec import SAMPLES

DAY = 86_400 * 10**9
FIRST = 1_740_787_200 * 10**9  # 2025-03-01
DAYS = 40
SYMBOLS = (("rb2505", "shfe"), ("ru2505", "shfe"), ("BTC-USDT", "okx"), ("BTC-USDT", "binance"))


class MemoryLog:
    """Fulfils `UnitLog`: what a bucket would hold."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[UnitRecord, int]] = {}
        self._last = 0

    async def all(self) -> Sequence[tuple[UnitRecord, int]]:
        return list(self.records.values())

    async def write(self, record: UnitRecord, revision: int) -> int:
        there = self.records.get(record.key)
        if there is not None and not revision:
            raise KeyExists(f"{record.key}: it is there")
        if (there[1] if there is not None else 0) != revision:
            raise RevisionConflict(f"{record.key}: expected revision {revision}")
        self._last += 1
        self.records[record.key] = record, self._last
        return self._last

    async def forget(self, record: UnitRecord, revision: int) -> None:
        if self.records[record.key][1] != revision:
            raise RevisionConflict(f"{record.key}: expected revision {revision}")
        del self.records[record.key]


class Noted:
    """Hooks that note what they are told."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str, str]] = []
        self.rows = 0
        self.bytes = 0
        self.wrong: list[str] = []

    def on_state(self, record: UnitRecord) -> None:
        self.states.append((*record.key, record.state.value))

    def on_file(self, table: str, rows: int, size: int) -> None:
        self.rows += rows
        self.bytes += size

    def on_difference(self, record: UnitRecord, wrong: str) -> None:
        self.wrong.append(wrong)


class Scene(NamedTuple):
    """A store, its archive and what reads both."""

    engine: Engine
    store: SqlStore
    hot: SqlHotStore
    cold: ColdStore
    log: Any
    known: KnownUnits
    mover: Mover
    reader: TieredReader
    noted: Noted

    async def move_all(self) -> None:
        for unit in await self.hot.partitions():
            await self.mover.move(unit.table, unit.partition, unit.bytes)


@asynccontextmanager
async def scene_of(
    path: Path, cold: ColdStore | None = None, log: Any = None, server: Engine | None = None, **more: Any
) -> AsyncIterator[Scene]:
    """A scene in a folder; `cold` is a folder in it unless another one is given, the engine embedded unless there is a
    `server`, which then is closed at the end."""
    for name in ("cold", "staging"):
        (path / name).mkdir(exist_ok=True)
    engine = server or await retry(lambda: ChdbEngine.open(path / "db"), attempts=50, backoff=Backoff(0.2, 0.2))
    store = SqlStore(engine, Topology(dense_days=0))
    try:
        await store.migrate()
        await wait_no_longer(engine, 1.0)
        hot = SqlHotStore(engine, (cold := cold or FolderStore(path / "cold")).address, elsewhere=server is not None)
        yield await _over(engine, store, path, cold, hot, log or MemoryLog(), more)
    finally:
        await engine.close()


async def _over(
    engine: Engine, store: SqlStore, path: Path, cold: ColdStore, hot: SqlHotStore, log: Any, more: dict[str, Any]
) -> Scene:
    known, noted = KnownUnits(), Noted()
    mover = Mover(hot, cold, log, known, path / "staging", noted, **{"slice_rows": 30, **more})
    await mover.load()
    return Scene(engine, store, hot, cold, log, known, mover, TieredReader(engine, known, cold.address, "x"), noted)


def rows_of(kind: DataKind, randomness: random.Random, days: int = DAYS, a_day: int = 3) -> list[Any]:
    """Rows of a kind, some a day and symbol; in order of time, no two of one key."""
    found = []
    sample = SAMPLES[kind.name]
    # Of what is cut by days, those around the end of a month: each is a unit.
    by_month = kind.table in ("market_bars", "gaps", "quality_metrics", "domain_events")
    for day in range(days) if by_month or days < 10 else range(28, 33):
        for number, (symbol, venue) in enumerate(SYMBOLS):
            for n in range(a_day):
                ts = FIRST + day * DAY + (n * 7 + number) * 3_600 * 10**9 % DAY + randomness.randrange(10**9)
                values: dict[str, Any] = {"symbol": symbol, "venue": venue, "ts_event": ts, "seq": ts // 1000}
                values |= _times(kind, ts)
                if "trading_day" in kind.fields:
                    values["trading_day"] = f"2025{3 + day // 31:02d}{day % 31 + 1:02d}"
                for name in ("last", "close", "price", "rate"):
                    if name in kind.fields:
                        values[name] = Decimal(randomness.randrange(10**12)).scaleb(-6)
                if kind.name == "event":
                    values["event_id"] = f"{ts}"
                found.append(sample._replace(**values))
    return found


def _times(kind: DataKind, ts: int) -> dict[str, int]:
    minute = ts - ts % (60 * 10**9)
    if "ts_open" in kind.fields:
        return {"ts_open": minute, "ts_close": minute + 60 * 10**9}
    if "ts_from" in kind.fields:
        return {"ts_from": ts - 10**9, "ts_to": ts}
    return {}


async def put(store: SqlStore, kind: DataKind, rows: list[Any], first: int) -> None:
    """Insert rows, one a message."""
    places = [StreamPlace(first + n, 0) for n in range(len(rows))]
    await store.insert(kind, rows, places, StreamRange("S", "2025", first, first + len(rows) - 1), 1)


async def fill(store: SqlStore, seed: int, kinds: Sequence[DataKind] = tuple(KINDS.values()), days: int = DAYS) -> None:
    """Rows of the kinds, some of them twice, bars corrected, a bar whose correction lies in another month."""
    randomness = random.Random(seed)
    first = 1
    for kind in kinds:
        rows = rows_of(kind, randomness, days if kind is not INSTRUMENT else 1)
        again = randomness.sample(rows, min(9, len(rows)))
        if "revision" in kind.fields:
            again = [row._replace(revision=row.revision + 1, close=row.close + 1) for row in again]
            again.append(rows[0]._replace(revision=7, ts_event=rows[0].ts_event + 35 * DAY, close=Decimal(5)))
        await put(store, kind, rows, first)
        await put(store, kind, again, first + len(rows))
        first += len(rows) + len(again)


def questions(seed: int, number: int) -> list[StoreQuestion]:
    """Questions of every sort about random spans."""
    randomness = random.Random(seed)
    found: list[StoreQuestion] = [
        Symbols(),
        Names(),
        BarSeries(),
        Listing(),
        Audit(("replay:day",)),
        Coverage(),
        Coverage(days=5),
    ]
    while len(found) < number:
        symbol, venue = randomness.choice(SYMBOLS)
        start = FIRST + randomness.randrange(-2 * DAY, DAYS * DAY)
        end = start + randomness.choice((DAY // 7, DAY, 9 * DAY, 45 * DAY))
        ts_from, ts_to = randomness.choice(((start, end), (None, end), (start, None), (None, None)))
        kind = randomness.choice(list(KINDS.values()))
        days = ("20250305", "20250402") if randomness.random() < 0.2 else (None, None)
        match randomness.randrange(8):
            case 0 | 1 | 2:
                has_day = "trading_day" in kind.fields
                interval = SAMPLES[kind.name].interval if kind.has_interval else None
                found.append(
                    Records(
                        kind.name,
                        symbol,
                        randomness.choice((None, venue)),
                        ts_from,
                        ts_to,
                        interval,
                        randomness.choice((1, 7, 50, 1000)),
                        last=randomness.random() < 0.4,
                        from_day=days[0] if has_day else None,
                        to_day=days[1] if has_day else None,
                    )
                )
            case 3:
                found.append(Latest(kind.name, (symbol, "ru2505", "none")))
            case 4:
                found.append(Daily(symbol, ts_from, ts_to, *days))
            case 5:
                found.append(Statistics(symbol, ts_from, ts_to, *days))
            case 6:
                names = randomness.choice(((), (symbol,)))
                found.append(Coverage(ts_from=ts_from, ts_to=ts_to, from_day=days[0], to_day=days[1], names=names))
            case _:
                found.append(GapLedger(ts_from=ts_from, ts_to=ts_to, kind=None, limit=randomness.choice((3, 1000))))
                found.append(QualityOverview(ts_from=ts_from, ts_to=ts_to))
    return found


async def answers(scene: Scene, asked: Sequence[StoreQuestion]) -> list[Any]:
    """What is answered, each as a table; of a page that is full, the next one too."""
    found = []
    for question in asked:
        table = await scene.reader.answer(question)
        found.append(table)
        if isinstance(question, Records) and table.num_rows == question.limit and not question.last:
            after = key_of(KINDS[question.kind], table)
            found.append(
                await scene.reader.answer(
                    Records(
                        question.kind,
                        question.symbol,
                        question.venue,
                        question.ts_from,
                        question.ts_to,
                        question.interval,
                        question.limit,
                        after,
                        from_day=question.from_day,
                        to_day=question.to_day,
                    )
                )
            )
    return found


async def counted(scene: Scene) -> dict[str, tuple[int, str]]:
    """Rows and digest of every unit, hot and cold together."""
    units = {(each.table, each.partition) for each in await scene.hot.partitions()} | set(scene.known.records)
    found = {}
    for table, partition in sorted(units):
        record = scene.known.records.get((table, partition))
        measured = await scene.hot.measure(table, partition, record.served if record is not None else None)
        found[f"{table} {partition}"] = tuple(measured)
    return found


__all__ = ["ARCHIVABLE", "MemoryLog", "Noted", "Scene", "answers", "counted", "fill", "put", "questions", "scene_of"]
