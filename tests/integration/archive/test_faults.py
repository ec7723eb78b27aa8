"""What can go wrong with a move: rows that come meanwhile, spoilt files, a full disk, a place that is away."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import polars
import pyarrow.dataset as ds
import pytest

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.cold.folder import FolderStore
from marketprism_application.archiving.mover import Mover
from marketprism_application.archiving.planning import plan_deletions, plan_moves
from marketprism_application.archiving.units import KnownUnits
from marketprism_application.contracts.archive_records import UnitRecord, UnitState
from marketprism_application.contracts.kinds import BAR, GAP, TICK
from marketprism_application.contracts.questions import Records, Statistics, Symbols
from marketprism_application.errors import ColdAwayError, ColdStoreError, VerifyError
from tests.support.archive import (
    DAY,
    FIRST,
    MemoryLog,
    Scene,
    answers,
    counted,
    fill,
    put,
    questions,
    rows_of,
    scene_of,
)

UNIT = ("market_ticks", "20250330")
ALL = Records("tick", "rb2505", limit=10_000)


class Spoilt(FolderStore):
    """A folder whose disk is full after so many bytes, or that gives back other bytes than it took."""

    def __init__(self, folder: Path, *, room: int = 1 << 40, lies: bool = False) -> None:
        super().__init__(folder)
        self.room = room
        self.lies = lies

    async def put(self, path: str, local: Path) -> None:
        self.room -= len(await asyncio.to_thread(local.read_bytes))
        if self.room < 0:
            raise ColdStoreError(f"archive {self.place}: {path}: {OSError(errno.ENOSPC, 'No space left on device')}")
        if self.lies:
            await asyncio.to_thread(flip, local)
        await super().put(path, local)


def flip(path: Path, at: float = 0.5) -> None:
    """One bit of a file is another one."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 4
    path.write_bytes(data)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene_of(tmp_path) as found:
        await fill(found.store, 7, [TICK, BAR, GAP])
        yield found


def late(number: int, **more: Any) -> Any:
    """A row of another sequence for the day that is archived, or another version of one that is there."""
    rows = [row for row in rows_of(TICK, random.Random(7)) if row.ts_event // DAY == (FIRST + 29 * DAY) // DAY]
    return rows[0]._replace(**{"seq": number, "ts_event": rows[0].ts_event + number, "last": Decimal(1), **more})


async def test_late_rows_are_answered_at_once_and_are_in_the_next_revision(scene: Scene) -> None:
    before = await scene.reader.answer(ALL)
    await scene.mover.move(*UNIT)
    await put(scene.store, TICK, [late(1), late(2)], 90_000)
    during = await scene.reader.answer(ALL)
    assert during.num_rows == before.num_rows + 2
    rows = await counted(scene)
    record = await scene.mover.move(*UNIT)
    assert record.cold is not None
    assert (record.state, record.cold.revision) == (UnitState.DROPPED, 2)
    assert (await scene.reader.answer(ALL)).equals(during)
    assert await counted(scene) == rows
    names = [each.path for each in await scene.cold.names("table=market_ticks/day=2025-03-30")]
    assert [name.rpartition("/")[2] for name in names] == ["manifest.json", "r0002-0000.parquet"]


async def test_of_a_row_that_comes_again_the_newest_version_counts_wherever_it_lies(scene: Scene) -> None:
    await scene.mover.move(*UNIT)
    before = await scene.reader.answer(ALL)
    there = next(row for row in rows_again(before) if row["ts_event"] // DAY == (FIRST + 29 * DAY) // DAY)
    newer = late(0, seq=there["seq"], ts_event=there["ts_event"], last=Decimal(77))
    await put(scene.store, TICK, [newer], 95_000)
    after = await scene.reader.answer(ALL)
    assert after.num_rows == before.num_rows
    assert Decimal(77) in after.column("last").to_pylist()
    await scene.mover.move(*UNIT)
    assert (await scene.reader.answer(ALL)).equals(after)


def rows_again(table: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.to_pylist()
    return found


async def test_an_older_version_that_comes_late_changes_nothing_and_goes(scene: Scene) -> None:
    record = await scene.mover.move(*UNIT)
    before = await scene.reader.answer(ALL)
    assert record.cold is not None
    await scene.hot.restore(*UNIT, record.cold)  # the same rows, as a stream that is read again brings them
    assert (await scene.reader.answer(ALL)).equals(before)
    again = await scene.mover.move(*UNIT)
    assert again.cold is not None
    assert (again.cold.revision, again.state) == (1, UnitState.DROPPED)
    assert UNIT not in {(each.table, each.partition) for each in await scene.hot.partitions()}


@pytest.mark.parametrize("where", [0.1, 0.5, 0.95])
async def test_a_flipped_bit_is_found_and_nothing_is_dropped(tmp_path: Path, where: float) -> None:
    (tmp_path / "cold").mkdir()
    async with scene_of(tmp_path, Spoilt(tmp_path / "cold", lies=where == 0.5)) as scene:
        await fill(scene.store, 7, [TICK])
        before = await scene.reader.answer(ALL)
        if where != 0.5:
            await scene.mover.move(*UNIT)
            (file,) = (tmp_path / "cold").rglob("*.parquet")
            flip(file, where)
            record = scene.known.records[UNIT]
            assert record.cold is not None
            with pytest.raises(VerifyError, match="sha256: expected"):
                await scene.mover.check_files(record, record.cold)
            with pytest.raises(VerifyError):  # nor are such rows put back
                await scene.mover.restore(record, 1)
        else:
            with pytest.raises((VerifyError, Exception), match="r0001"):
                await scene.mover.move(*UNIT)
            assert scene.known.records[UNIT].cold is None
            assert (await scene.reader.answer(ALL)).equals(before)


@pytest.mark.long
async def test_a_full_disk_loses_nothing_and_the_next_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "cold").mkdir()
    cold = Spoilt(tmp_path / "cold", room=30_000)
    async with scene_of(tmp_path, cold) as scene:
        await fill(scene.store, 7, [TICK, BAR])
        asked = questions(7, 16)
        before, rows = await answers(scene, asked), await counted(scene)
        with pytest.raises(ColdStoreError, match="No space left"):
            await scene.move_all()
        assert await counted(scene) == rows
        cold.room = 1 << 40
        await scene.move_all()
        assert await counted(scene) == rows
        for table, again in zip(before, await answers(scene, asked), strict=True):
            assert table.equals(again)


async def test_what_is_cold_and_away_is_an_error_that_names_it_and_hot_answers_go_on(
    scene: Scene, tmp_path: Path
) -> None:
    await scene.mover.move(*UNIT)
    hot_only = Records("tick", "rb2505", ts_from=FIRST + 31 * DAY, limit=3)
    newest = Records("tick", "rb2505", limit=2, last=True)
    before = [await scene.reader.answer(question) for question in (hot_only, newest)]
    await asyncio.to_thread((tmp_path / "cold").rename, tmp_path / "away")
    for question in (ALL, Symbols()):
        with pytest.raises(ColdAwayError, match=r"archive x: expected to read market_ticks 20250330: store: Code: 107"):
            await scene.reader.answer(question)
    for table, question in zip(before, (hot_only, newest), strict=True):
        assert (await scene.reader.answer(question)).equals(table)
    await asyncio.to_thread((tmp_path / "away" / "table=market_ticks").rename, tmp_path / "elsewhere")
    await asyncio.to_thread((tmp_path / "away").rename, tmp_path / "cold")
    with pytest.raises(ColdAwayError):  # one file that is missing is no hole either
        await scene.reader.answer(ALL)


async def test_a_range_is_hot_again_for_a_while_and_moves_back_without_new_files(scene: Scene, tmp_path: Path) -> None:
    before = await scene.reader.answer(ALL)
    rows = await counted(scene)
    record = await scene.mover.move(*UNIT)
    restored = await scene.mover.restore(record, until=10**18)
    assert await counted(scene) == rows
    plain = SqlReader(scene.engine)
    assert (await plain.answer(ALL)).equals(before)
    hot = await scene.hot.partitions()
    ages = {"market_ticks": 11}
    assert UNIT in {(each.table, each.partition) for each in plan_moves(hot, {}, ages, 2 * 10**18)}
    records = {UNIT: restored}
    assert UNIT not in {(each.table, each.partition) for each in plan_moves(hot, records, ages, 10**18 - 1)}
    assert UNIT in {(each.table, each.partition) for each in plan_moves(hot, records, ages, 2 * 10**18)}
    again = await scene.mover.move(*UNIT)
    assert again.cold is not None
    assert (again.state, again.cold.revision) == (UnitState.DROPPED, 1)
    assert (await scene.reader.answer(ALL)).equals(before)


async def test_hot_rows_stay_where_the_files_of_before_were_spoilt_meanwhile(scene: Scene, tmp_path: Path) -> None:
    before = await scene.reader.answer(ALL)
    await scene.mover.restore(await scene.mover.move(*UNIT), until=1)
    (file,) = await asyncio.to_thread(lambda: list((tmp_path / "cold").rglob("*.parquet")))
    await asyncio.to_thread(flip, file)
    with pytest.raises(VerifyError, match="sha256"):
        await scene.mover.move(*UNIT)
    assert (await scene.reader.answer(ALL)).equals(before)
    assert UNIT in {(each.table, each.partition) for each in await scene.hot.partitions()}


async def test_what_is_held_is_not_deleted_and_what_is_deleted_is_gone_everywhere(scene: Scene, tmp_path: Path) -> None:
    record = await scene.mover.move(*UNIT)
    held = await scene.mover.hold(record, "case 12")
    assert plan_deletions(scene.known.records, 30, 2 * 10**18) == []
    with pytest.raises(VerifyError, match="held: case 12"):
        await scene.mover.delete(held)
    released = await scene.mover.hold(held, "")
    assert plan_deletions(scene.known.records, 30, 2 * 10**18) == [released]
    before = await scene.reader.answer(ALL)
    await scene.mover.delete(released)
    assert await scene.cold.names("table=market_ticks") == []
    assert (await scene.reader.answer(ALL)).num_rows < before.num_rows
    assert scene.known.records == {}


async def test_what_is_archived_is_known_again_from_the_manifests(scene: Scene, tmp_path: Path) -> None:
    await scene.mover.hold(await scene.mover.move(*UNIT), "case 12")
    before = await scene.reader.answer(ALL)
    log: Any = scene.log
    log.records.clear()
    await scene.mover.load()
    assert (await scene.reader.answer(ALL)).equals(before)
    assert scene.known.records[UNIT].hold == "case 12"
    log.records.clear()
    await asyncio.to_thread((tmp_path / "cold").rename, tmp_path / "away")
    with pytest.raises(ColdStoreError, match="expected a folder that is there"):
        await scene.mover.load()


@pytest.mark.parametrize("writes", [1, 2, 4])
async def test_what_was_known_again_in_part_is_known_again_whole(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Whoever is ended while he reads the manifests leaves records of some units: without the others, rows would lack."""
    for unit in [each for each in await scene.hot.partitions() if each.table == UNIT[0]][:3]:
        await scene.mover.move(unit.table, unit.partition)
    before, log = await scene.reader.answer(ALL), scene.log
    log.records.clear()
    left = writes

    async def write(record: UnitRecord, revision: int) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise RuntimeError("ended")
        return await MemoryLog.write(log, record, revision)

    monkeypatch.setattr(log, "write", write)
    with pytest.raises(RuntimeError, match="ended"):
        await scene.mover.load()
    monkeypatch.undo()
    assert log.records
    await scene.mover.load()
    assert (await scene.reader.answer(ALL)).equals(before)
    assert len(scene.known.records) == 3
    assert not any(record.adopted for record in scene.known.records.values())


async def test_a_manifest_that_is_none_is_named_and_nothing_is_answered_without_it(
    scene: Scene, tmp_path: Path
) -> None:
    await scene.mover.move(*UNIT)
    manifest = tmp_path / "cold" / "table=market_ticks" / "day=2025-03-30" / "manifest.json"
    await asyncio.to_thread(manifest.write_bytes, b'{"table": "market_ticks"')
    scene.log.records.clear()
    known = KnownUnits()
    mover = Mover(scene.hot, scene.cold, scene.log, known, tmp_path / "staging", scene.noted)
    with pytest.raises(
        VerifyError, match=r"day=2025-03-30/manifest.json: expected the manifest of a unit, was 24 bytes"
    ):
        await mover.load()
    assert not known.complete


@pytest.mark.parametrize("state", [UnitState.EXPORTING, UnitState.EXPORTED, UnitState.VERIFIED, UnitState.COLD])
async def test_a_move_that_ended_behind_any_step_is_taken_up_again(tmp_path: Path, state: UnitState) -> None:
    class Ended(Exception):
        pass

    class Log(MemoryLog):
        async def write(self, record: UnitRecord, revision: int) -> int:
            written = await super().write(record, revision)
            if record.state is state and ending:
                raise Ended
            return written

    ending, log = True, Log()
    asked = [Records("bar", "rb2505", interval="1m", limit=1000), Statistics("rb2505"), Statistics("BTC-USDT")]
    async with scene_of(tmp_path, log=log) as scene:
        await fill(scene.store, 7, [BAR])
        before, rows = await answers(scene, asked), await counted(scene)
        with pytest.raises(Ended):
            await scene.mover.move("market_bars", "202503")
    ending = False
    async with scene_of(tmp_path, log=log) as again:
        for table, now in zip(before, await answers(again, asked), strict=True):
            assert table.equals(now)
        await again.move_all()
        assert await counted(again) == rows
        for table, now in zip(before, await answers(again, asked), strict=True):
            assert table.equals(now)


@pytest.mark.long
async def test_files_are_read_as_they_lie_by_polars_pyarrow_and_duckdb(scene: Scene, tmp_path: Path) -> None:
    before = await scene.reader.answer(Symbols())
    await scene.move_all()
    place = tmp_path / "cold" / "table=market_ticks"
    found = polars.scan_parquet(str(place / "**" / "*.parquet")).group_by("symbol", "venue").len().collect()
    wanted = {(row["symbol"], row["venue"]): row["ticks"] for row in before.to_pylist()}
    assert {(row["symbol"], row["venue"]): row["len"] for row in found.to_dicts()} == wanted
    whole = ds.dataset(place, format="parquet", partitioning="hive", exclude_invalid_files=True).to_table()
    assert whole.num_rows == sum(wanted.values())
    assert str(whole.schema.field("last").type) == "decimal128(38, 18)"
    files = f"read_parquet('{place}/*/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as reader:  # the module's own connection may have an answer of somebody else's unread
        by_duckdb = reader.execute(f"SELECT symbol, venue, count(*), sum(last) FROM {files} GROUP BY ALL").fetchall()
    assert {(symbol, venue): rows for symbol, venue, rows, _ in by_duckdb} == wanted
    lasts = whole.group_by(["symbol", "venue"]).aggregate([("last", "sum")]).to_pylist()
    assert {row[:2]: row[3] for row in by_duckdb} == {(row["symbol"], row["venue"]): row["last_sum"] for row in lasts}
    assert sorted(set(whole.column("day").to_pylist())) == [f"2025-03-{day}" for day in (29, 30, 31)] + [
        "2025-04-01",
        "2025-04-02",
    ]


async def test_a_column_that_is_newer_than_a_file_has_its_default(scene: Scene) -> None:
    record = await scene.mover.move(*UNIT)
    assert record.cold is not None
    old = msgspec.structs.replace(record.cold, columns=tuple(c for c in record.cold.columns if c[0] != "settlement"))
    scene.known.replace(msgspec.structs.replace(record, cold=old))
    found = await scene.reader.answer(ALL)
    assert found.num_rows
    assert found.column("settlement").null_count
