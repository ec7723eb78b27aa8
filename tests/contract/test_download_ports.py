"""RowSink and DownloadJournal: rows that are replaced part by part, and records written by compare-and-swap."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from marketprism_adapters.downloads.folder_journal import FolderJournal
from marketprism_adapters.downloads.folder_sink import MANIFEST, FolderSink
from marketprism_adapters.venues.kit.history_rows import table_of_messages
from marketprism_application.contracts.download_records import CLAIMED, DONE, JobRecord, PartRecord
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.contracts.venue_messages import KlineMessage
from marketprism_application.errors import StoreError
from marketprism_application.ports.downloads import DownloadJournal, JournalConflict, Receipt, RowSink
from marketprism_application.ports.history import Fetched, Hole, Part
from marketprism_domain.integrity.dataset import Dataset
from tests.support.downloads import DAY, LISTED, MINUTE, digests, stored

SERIES = Dataset(KLINE.name, "binance", "BTC-USDT", "1m", LISTED, LISTED + 3 * DAY)
JOB = JobRecord("ab12", KLINE.name, "binance", "BTC-USDT", "1m", LISTED, LISTED + DAY, "rest", "missing", 2)


@pytest.fixture(params=["folder"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> RowSink:
    """An empty sink of each sort."""
    assert request.param == "folder"
    return FolderSink(tmp_path)


@pytest.fixture(params=["folder"])
def journals(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[DownloadJournal, DownloadJournal]:
    """The same journal as two processes have it."""
    assert request.param == "folder"
    return FolderJournal(tmp_path), FolderJournal(tmp_path)


def rows(ts_from: int, ts_to: int, price: str = "1.5") -> pa.Table:
    """A bar for each minute."""
    return table_of_messages(
        KLINE,
        [
            KlineMessage(1, "binance", "BTC-USDT", "x", 0, ts, ts, 0, 0, "1m", ts, ts + MINUTE, *[price] * 4, "7", True)
            for ts in range(ts_from, ts_to, MINUTE)
        ],
    )


def part(ts_from: int, ts_to: int, number: int = 0) -> Part:
    return Part(SERIES, number, ts_from, ts_to)


async def store(sink: RowSink, of: Part, fetched: Fetched) -> Receipt:
    """Write a part, and make it known."""
    text = await sink.write(of, fetched)
    receipt = Receipt(PartRecord(of.number, of.ts_from, of.ts_to), text)
    await sink.finish(SERIES, "rest", [receipt])
    return receipt


async def test_what_is_stored_is_not_missing_and_what_is_half_stored_is_fetched_whole(sink: RowSink) -> None:
    assert list(await sink.missing(SERIES)) == [(LISTED, LISTED + 3 * DAY)]
    half = LISTED + DAY + DAY // 2
    await store(sink, part(LISTED + DAY, half), Fetched(rows(LISTED + DAY, half)))
    assert list(await sink.missing(SERIES)) == [(LISTED, LISTED + 3 * DAY)]
    assert list(await sink.missing(replace(SERIES, ts_from=LISTED + DAY, ts_to=half))) == []
    later = replace(SERIES, ts_from=half + MINUTE, ts_to=half + 2 * MINUTE)
    assert list(await sink.missing(later)) == [(LISTED + DAY, half + 2 * MINUTE)]
    whole = part(LISTED + DAY, LISTED + 2 * DAY)
    await store(sink, whole, Fetched(rows(whole.ts_from, whole.ts_to)))
    assert list(await sink.missing(SERIES)) == [(LISTED, LISTED + DAY), (LISTED + 2 * DAY, LISTED + 3 * DAY)]


async def test_a_part_takes_the_place_of_what_was_there_and_twice_is_once(sink: RowSink, tmp_path: Path) -> None:
    of = part(LISTED, LISTED + 2 * DAY)
    await store(sink, of, Fetched(rows(of.ts_from, of.ts_to, "1.5")))
    hole = Hole(LISTED + DAY - MINUTE, LISTED + DAY + MINUTE)
    receipt = await store(sink, of, Fetched(rows(of.ts_from, of.ts_to, "2.5"), holes=[hole]))
    first = await asyncio.to_thread(digests, tmp_path)
    await store(sink, of, Fetched(rows(of.ts_from, of.ts_to, "2.5"), holes=[hole]))
    assert await asyncio.to_thread(digests, tmp_path) == first
    table = await asyncio.to_thread(stored, tmp_path, SERIES)
    assert table.column("ts_open").to_pylist() == list(range(LISTED, LISTED + 2 * DAY, MINUTE))
    assert {str(each.normalize()) for each in table.column("open").to_pylist()} == {"2.5"}
    # A hole that lies in two files is in each of them, as far as it is in it.
    assert list(await sink.holes(SERIES)) == [Hole(hole.ts_from, LISTED + DAY), Hole(LISTED + DAY, hole.ts_to)]
    assert await sink.holds(of, receipt.text)


async def test_files_that_were_lost_are_not_held(sink: RowSink, tmp_path: Path) -> None:
    of = part(LISTED, LISTED + 2 * DAY)
    receipt = await store(sink, of, Fetched(rows(of.ts_from, of.ts_to)))

    def lose() -> None:
        next(tmp_path.rglob("day=2024-01-02/rows.parquet")).unlink()

    await asyncio.to_thread(lose)
    assert not await sink.holds(of, receipt.text)
    assert (LISTED + DAY, LISTED + 3 * DAY) in await sink.missing(SERIES)


async def test_a_manifest_that_is_none_is_named(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path)
    await store(sink, part(LISTED, LISTED + DAY), Fetched(rows(LISTED, LISTED + DAY)))
    path = sink.series_folder(SERIES) / MANIFEST
    await asyncio.to_thread(path.write_bytes, b"{")
    with pytest.raises(StoreError, match="expected a manifest"):
        await sink.missing(SERIES)


async def test_rows_lie_in_a_layout_that_others_read(tmp_path: Path) -> None:
    """Names of folders are columns; the manifest counts the rows of each file, and has its sum."""
    import duckdb  # noqa: PLC0415 (a tool of the tests)

    sink = FolderSink(tmp_path, raw=False)
    await store(sink, part(LISTED, LISTED + DAY), Fetched(rows(LISTED, LISTED + DAY)))

    def read() -> tuple[object, ...] | None:
        files = f"{tmp_path}/kind=*/**/*.parquet"
        question = (
            "select count(*), min(symbol), min(day)::varchar, min(kind) from read_parquet(?, hive_partitioning=true)"
        )
        return duckdb.execute(question, [files]).fetchone()

    assert await asyncio.to_thread(read) == (1_440, "BTC-USDT", "2024-01-01", "kline")
    manifest = await asyncio.to_thread(sink.manifest, SERIES)
    unit = manifest.units["day=2024-01-01"]
    path = sink.series_folder(SERIES) / "day=2024-01-01" / "rows.parquet"
    assert (await asyncio.to_thread(parquet.read_metadata, path)).num_rows == unit.rows == 1_440
    assert (await asyncio.to_thread(digests, tmp_path))[str(path.relative_to(tmp_path))] == unit.sha256


async def test_a_part_is_written_over_the_revision_that_was_read(
    journals: tuple[DownloadJournal, DownloadJournal],
) -> None:
    mine, theirs = journals
    assert await mine.job(JOB.id) is None
    parts = [PartRecord(number, LISTED + number * DAY, LISTED + (number + 1) * DAY) for number in range(2)]
    await mine.begin(JOB, parts)
    assert await theirs.job(JOB.id) == JOB
    assert [each for each, _ in await theirs.parts(JOB.id)] == parts
    (_, revision), _ = await mine.parts(JOB.id)
    claimed = msgspec.structs.replace(parts[0], state=CLAIMED, worker="mine")
    later = await mine.write(JOB.id, claimed, revision)
    with pytest.raises(JournalConflict):
        await theirs.write(JOB.id, msgspec.structs.replace(parts[0], state=CLAIMED, worker="theirs"), revision)
    assert await theirs.parts(JOB.id) == [(claimed, later), (parts[1], revision)]
    done = msgspec.structs.replace(claimed, state=DONE, rows=5, holes=[(1, 2, "venue_missing")], receipt="[]")
    await theirs.write(JOB.id, done, later)
    assert (await mine.parts(JOB.id))[0][0].rows == 5
    await mine.end(JOB.id)
    assert await theirs.job(JOB.id) is None
    assert (await theirs.parts(JOB.id))[0][0] == done
    with pytest.raises(JournalConflict):
        await theirs.write(JOB.id, done, later + 1)
    await theirs.begin(JOB, parts[:1])
    assert [each for each, _ in await mine.parts(JOB.id)] == parts[:1]


async def test_a_line_that_was_not_written_to_its_end_is_none(tmp_path: Path) -> None:
    """Wherever the process was killed while it wrote, what was written before stands and what comes next follows it."""
    whole = FolderJournal(tmp_path)
    parts = [PartRecord(number, number, number + 1) for number in range(3)]
    await whole.begin(JOB, parts)
    path = tmp_path / ".downloads" / f"{JOB.id}.jsonl"
    before = await asyncio.to_thread(path.read_bytes)
    claimed = msgspec.structs.replace(parts[1], state=CLAIMED, worker="mine")
    await whole.write(JOB.id, claimed, 1)
    after = await asyncio.to_thread(path.read_bytes)
    for cut in range(len(before), len(after), 7):
        await asyncio.to_thread(path.write_bytes, after[:cut])
        found = FolderJournal(tmp_path)
        assert [each for each, _ in await found.parts(JOB.id)] == parts
        await found.write(JOB.id, msgspec.structs.replace(claimed, worker="next"), 1)
        assert (await FolderJournal(tmp_path).parts(JOB.id))[1][0].worker == "next"
