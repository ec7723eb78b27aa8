"""RowSink and DownloadJournal: rows that are replaced part by part, and records written by compare-and-swap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from marketprism_adapters.downloads.folder_journal import FolderJournal
from marketprism_adapters.downloads.folder_sink import MANIFEST, FolderSink
from marketprism_adapters.nats.download_journal import NatsDownloadJournal
from marketprism_adapters.venues.kit.history_rows import table_of_messages
from marketprism_application.contracts.download_records import CLAIMED, DONE, JobRecord, PartRecord
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.contracts.venue_messages import KlineMessage
from marketprism_application.errors import StoreError
from marketprism_application.ports.downloads import DownloadJournal, JournalConflict, Receipt, RowSink
from marketprism_application.ports.history import Fetched, Hole, Part
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.contract.download_places import JOURNALS, SINKS, SinkPlace, sink_place
from tests.support.downloads import DAY, LISTED, MINUTE, digests

SERIES = Dataset(KLINE.name, "binance", "BTC-USDT", "1m", LISTED, LISTED + 3 * DAY)
JOB = JobRecord("ab12", KLINE.name, "binance", "BTC-USDT", "1m", LISTED, LISTED + DAY, "rest", "missing", 2)


@pytest.fixture(params=SINKS)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SinkPlace]:
    """An empty sink of each sort."""
    async with sink_place(request.param, tmp_path) as made:
        yield made


Journals = tuple[DownloadJournal, DownloadJournal, DownloadJournal]


@pytest.fixture(params=JOURNALS)
async def journals(
    request: pytest.FixtureRequest, tmp_path: Path, nats_url: str, unique: str
) -> AsyncIterator[Journals]:
    """The same journal as three processes have it."""
    if request.param == "folder":
        yield FolderJournal(tmp_path), FolderJournal(tmp_path), FolderJournal(tmp_path)
        return
    connections = [await NatsConnection.open(nats_url) for _ in range(3)]
    buckets = [await NatsKeyValue.open(connection, unique) for connection in connections]
    first, second, third = (NatsDownloadJournal(bucket) for bucket in buckets)
    yield first, second, third
    for connection in connections:
        await connection.close()


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


def minutes(ranges: Sequence[tuple[int, int]]) -> set[int]:
    return {ts for begin, end in ranges for ts in range(begin, end, MINUTE)}


async def test_what_is_stored_is_not_missing_and_what_is_not_is(place: SinkPlace) -> None:
    sink = place.sink
    assert list(await sink.missing(SERIES)) == [(LISTED, LISTED + 3 * DAY)]
    half = LISTED + DAY + DAY // 2
    await store(sink, part(LISTED + DAY, half), Fetched(rows(LISTED + DAY, half)))
    assert list(await sink.missing(replace(SERIES, ts_from=LISTED + DAY, ts_to=half))) == []
    found = minutes(await sink.missing(SERIES))
    assert found >= minutes([(LISTED, LISTED + DAY), (half, LISTED + 3 * DAY)])
    later = replace(SERIES, ts_from=half + MINUTE, ts_to=half + 2 * MINUTE)
    assert half + MINUTE in minutes(await sink.missing(later))
    whole = part(LISTED + DAY, LISTED + 2 * DAY)
    await store(sink, whole, Fetched(rows(whole.ts_from, whole.ts_to)))
    assert list(await sink.missing(SERIES)) == [(LISTED, LISTED + DAY), (LISTED + 2 * DAY, LISTED + 3 * DAY)]


async def test_a_file_that_is_half_stored_is_fetched_whole(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path)
    half = LISTED + DAY + DAY // 2
    await store(sink, part(LISTED + DAY, half), Fetched(rows(LISTED + DAY, half)))
    assert list(await sink.missing(SERIES)) == [(LISTED, LISTED + 3 * DAY)]
    later = replace(SERIES, ts_from=half + MINUTE, ts_to=half + 2 * MINUTE)
    assert list(await sink.missing(later)) == [(LISTED + DAY, half + 2 * MINUTE)]


async def test_a_part_takes_the_place_of_what_was_there_and_twice_is_once(place: SinkPlace) -> None:
    sink, of = place.sink, part(LISTED, LISTED + 2 * DAY)
    hole = Hole(LISTED + DAY - MINUTE, LISTED + DAY + MINUTE)

    def with_hole(price: str) -> Fetched:
        table = pa.concat_tables([rows(of.ts_from, hole.ts_from, price), rows(hole.ts_to, of.ts_to, price)])
        return Fetched(table, holes=[hole])

    await store(sink, of, with_hole("1.5"))
    receipt = await store(sink, of, with_hole("2.5"))
    first = await place.fingerprint(SERIES)
    await store(sink, of, with_hole("2.5"))
    assert await place.fingerprint(SERIES) == first
    table = await place.rows(SERIES)
    there = [*range(LISTED, hole.ts_from, MINUTE), *range(hole.ts_to, LISTED + 2 * DAY, MINUTE)]
    assert table.column("ts_open").to_pylist() == there
    assert {str(each.normalize()) for each in table.column("open").to_pylist()} == {"2.5"}
    # In a folder a hole that lies in two files is in each of them, as far as it is in it.
    found = await sink.holes(SERIES)
    assert minutes([(each.ts_from, each.ts_to) for each in found]) == {hole.ts_from, LISTED + DAY}
    assert {each.cause for each in found} == {"venue_missing"}
    assert await sink.holds(of, receipt.text)
    # What the venue does not have is not asked for again.
    assert list(await sink.missing(replace(SERIES, ts_to=of.ts_to))) == []


async def test_rows_that_were_lost_are_not_held(place: SinkPlace) -> None:
    of = part(LISTED, LISTED + 2 * DAY)
    receipt = await store(place.sink, of, Fetched(rows(of.ts_from, of.ts_to)))
    assert await place.sink.holds(of, receipt.text)
    await place.lose_day("2024-01-02")
    assert not await (await place.again()).holds(of, receipt.text)
    assert (LISTED + DAY, LISTED + 3 * DAY) in await place.sink.missing(SERIES)


async def test_a_part_without_rows_is_stored_too(place: SinkPlace) -> None:
    """Whoever has them knows that nothing is there: a listing that was a day later than it was said to be."""
    of = part(LISTED, LISTED + DAY)
    receipt = await store(place.sink, of, Fetched(rows(LISTED, LISTED), holes=[Hole(LISTED, LISTED + DAY)]))
    assert await place.sink.holds(of, receipt.text)
    assert list(await place.sink.missing(SERIES)) == [(LISTED + DAY, LISTED + 3 * DAY)]


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


async def test_a_part_is_written_over_the_revision_that_was_read(journals: Journals) -> None:
    mine, theirs, _ = journals
    assert await mine.job(JOB.id) is None
    assert await mine.part(JOB.id, 0) is None
    parts = parts_of(2)
    await mine.begin(JOB, parts)
    assert await theirs.job(JOB.id) == JOB
    assert [each for each, _ in await theirs.parts(JOB.id)] == parts
    (_, revision), _ = await mine.parts(JOB.id)
    claimed = msgspec.structs.replace(parts[0], state=CLAIMED, worker="mine")
    later = await mine.write(JOB.id, claimed, revision)
    with pytest.raises(JournalConflict):
        await theirs.write(JOB.id, msgspec.structs.replace(parts[0], state=CLAIMED, worker="theirs"), revision)
    assert await theirs.parts(JOB.id) == [(claimed, later), (parts[1], revision)]
    assert await theirs.part(JOB.id, 0) == (claimed, later)
    assert await theirs.part(JOB.id, 7) is None
    done = msgspec.structs.replace(claimed, state=DONE, rows=5, holes=[(1, 2, "venue_missing")], receipt="[]")
    await theirs.write(JOB.id, done, later)
    assert (await mine.parts(JOB.id))[0][0].rows == 5
    await mine.end(JOB.id)
    assert await theirs.job(JOB.id) is None
    assert (await theirs.parts(JOB.id))[0][0] == done
    with pytest.raises(JournalConflict):
        await theirs.write(JOB.id, done, later + 1)
    await theirs.begin(msgspec.structs.replace(JOB, parts=1), parts[:1])
    assert [each for each, _ in await mine.parts(JOB.id)] == parts[:1]


async def test_who_has_looked_before_others_began_or_ended_a_job_does_not_begin_it_over(journals: Journals) -> None:
    """Between the question what is missing and the begin lie requests to the venue: by then it may all be done."""
    mine, theirs, _ = journals
    before = await mine.state(JOB.id)
    await theirs.begin(JOB, parts_of(2), await theirs.state(JOB.id))
    with pytest.raises(JournalConflict):
        await mine.begin(JOB, parts_of(2), before)
    running = await mine.state(JOB.id)
    for each, revision in await theirs.parts(JOB.id):
        await theirs.write(JOB.id, msgspec.structs.replace(each, state=DONE), revision)
    assert await mine.state(JOB.id) == running  # writes of parts are no begin and no end
    await theirs.end(JOB.id)
    for seen in (before, running):
        with pytest.raises(JournalConflict):
            await mine.begin(JOB, parts_of(2), seen)
    assert {each.state for each, _ in await mine.parts(JOB.id)} == {DONE}
    await mine.begin(JOB, parts_of(2), await mine.state(JOB.id))
    assert await theirs.job(JOB.id) == JOB


async def test_parts_that_three_write_at_once_are_all_written(journals: Journals) -> None:
    """Each claims every third part and ends it; whoever meets the others in a record reads it again."""
    count = 150
    await journals[0].begin(msgspec.structs.replace(JOB, parts=count), parts_of(count))

    async def work(journal: DownloadJournal, of: int) -> None:
        known = {each.number: revision for each, revision in await journal.parts(JOB.id)}
        for number in range(of, count, 3):
            part = msgspec.structs.replace(parts_of(count)[number], state=CLAIMED, worker=str(of))
            revision = await journal.write(JOB.id, part, known[number])
            await journal.write(JOB.id, msgspec.structs.replace(part, state=DONE, rows=number), revision)

    await asyncio.gather(*(work(journal, of) for of, journal in enumerate(journals)))
    for journal in journals:
        found = [each for each, _ in await journal.parts(JOB.id)]
        assert [(each.number, each.rows, each.worker) for each in found] == [(n, n, str(n % 3)) for n in range(count)]


async def test_of_three_that_want_one_part_one_has_it(journals: Journals) -> None:
    await journals[0].begin(JOB, parts_of(2))
    found = [{each.number: revision for each, revision in await journal.parts(JOB.id)} for journal in journals]

    async def claim(journal: DownloadJournal, of: int) -> int:
        part = msgspec.structs.replace(parts_of(2)[1], state=CLAIMED, worker=str(of))
        try:
            return await journal.write(JOB.id, part, found[of][1])
        except JournalConflict:
            return 0

    written = await asyncio.gather(*(claim(journal, of) for of, journal in enumerate(journals)))
    assert sum(bool(each) for each in written) == 1
    winner = next(of for of, each in enumerate(written) if each)
    assert [(await journal.part(JOB.id, 1) or (None,))[0] for journal in journals] == [
        msgspec.structs.replace(parts_of(2)[1], state=CLAIMED, worker=str(winner))
    ] * 3


async def test_a_job_of_twenty_thousand_parts_is_begun_and_read(journals: Journals) -> None:
    count = 20_000
    job, parts = msgspec.structs.replace(JOB, parts=count), parts_of(count)
    await journals[0].begin(job, parts)
    found = await journals[1].parts(JOB.id)
    assert [each for each, _ in found] == parts
    await journals[1].write(JOB.id, msgspec.structs.replace(parts[-1], state=DONE), found[-1][1])
    read = await journals[2].part(JOB.id, count - 1)
    assert read is not None
    assert read[0].state == DONE


def parts_of(count: int) -> list[PartRecord]:
    return [PartRecord(number, LISTED + number * DAY, LISTED + (number + 1) * DAY) for number in range(count)]


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
