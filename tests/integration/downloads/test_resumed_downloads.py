"""A download goes on: after a failure, with another range, with another process beside it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.downloads.folder_journal import FolderJournal
from marketprism_adapters.downloads.folder_sink import FolderSink
from marketprism_application.contracts.download_records import CLAIMED, JobRecord, PartRecord
from marketprism_application.downloads.engine import Download, job_name
from tests.support.downloads import DAY, LISTED, MINUTE, digests, downloaded, history_of, klines, simulated, stored

MARKET, SYMBOL = "binance", "BTC-USDT"


async def files_of(folder: Path) -> dict[str, str]:
    return await asyncio.to_thread(digests, folder)


@pytest.mark.long
async def test_what_failed_is_named_and_tried_again_by_the_next_run(tmp_path: Path) -> None:
    dataset = klines(MARKET, SYMBOL, 40 * 1_440)
    async with simulated(MARKET) as venue, history_of(MARKET, venue.rest_url) as it:
        await it.bounds(SYMBOL, "kline", "1m")
        venue.inflict(("error",), share=0.45, most=10**9)
        first = await downloaded(it, dataset, tmp_path / "a")
        venue.inflict((), share=0.0)
        if not first.is_complete:
            assert all("503" in part.error for part in first.failed)
            assert first.done + len(first.failed) == first.parts
        asked = venue.asked.total()
        second = await downloaded(it, dataset, tmp_path / "a")
        assert second.is_complete
        assert (venue.asked.total() == asked) == first.is_complete
        assert await FolderJournal(tmp_path / "a").job(job_name(dataset, "rest")) is None
        await downloaded(it, dataset, tmp_path / "b")
    assert await files_of(tmp_path / "a") == await files_of(tmp_path / "b")


@pytest.mark.long
async def test_a_part_that_never_comes_fails_alone(tmp_path: Path) -> None:
    """A day of the archive has a wrong sum: the other months are there, and nothing of that one."""

    dataset = klines(MARKET, SYMBOL, 90 * 1_440)
    async with simulated(MARKET) as venue:
        files = venue.files
        venue.serve(lambda path: b"0" * 64 + b"  x\n" if path.endswith("2024-02.zip.CHECKSUM") else files(path))
        async with history_of(MARKET, venue.rest_url, tmp_path / "work") as it:
            found = await downloaded(it, dataset, tmp_path / "rows")
    assert (found.done, len(found.failed)) == (found.parts - 1, 1)
    assert "checksum" in found.failed[0].error
    times = (await asyncio.to_thread(stored, tmp_path / "rows", dataset)).column("ts_open").to_pylist()
    assert len(times) == len(set(times)) == (31 + 30) * 1_440
    assert not any(
        f"day=2024-02-{day:02}" in path for path in await files_of(tmp_path / "rows") for day in range(1, 30)
    )


async def test_more_of_a_range_is_fetched_and_what_is_there_is_not(tmp_path: Path) -> None:
    async with simulated(MARKET) as venue, history_of(MARKET, venue.rest_url) as it:
        await downloaded(it, klines(MARKET, SYMBOL, 2_000, begin=LISTED + DAY + 17 * MINUTE), tmp_path)
        asked = venue.asked.total()
        again = await downloaded(it, klines(MARKET, SYMBOL, 1_500, begin=LISTED + DAY + 30 * MINUTE), tmp_path)
        assert (again.parts, venue.asked.total()) == (0, asked)
        wide = klines(MARKET, SYMBOL, 6 * 1_440 + 100)
        await downloaded(it, wide, tmp_path)
        times = (await asyncio.to_thread(stored, tmp_path, wide)).column("ts_open").to_pylist()
        assert times == list(range(LISTED, wide.ts_to, MINUTE))
        before = await files_of(tmp_path)
        asked = venue.asked.total()
        everything = await downloaded(it, wide, tmp_path, mode="all")
        assert everything.rows == 6 * 1_440 + 100
        assert venue.asked.total() > asked
    assert await files_of(tmp_path) == before


@pytest.mark.long
async def test_another_range_keeps_what_an_unfinished_download_has_done(tmp_path: Path) -> None:
    dataset = klines(MARKET, SYMBOL, 40 * 1_440)
    async with simulated(MARKET) as venue, history_of(MARKET, venue.rest_url) as it:
        engine = Download(it, FolderSink(tmp_path), FolderJournal(tmp_path), workers=1)
        plan = await engine.plan(dataset)
        running = asyncio.ensure_future(engine.run(dataset, plan))
        while not engine.progress.done:
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        done = engine.progress.done
        assert 0 < done < len(plan.parts)
        wider = klines(MARKET, SYMBOL, 45 * 1_440)
        further = await Download(it, FolderSink(tmp_path), FolderJournal(tmp_path)).plan(wider)
        assert sum(part.ts_to - part.ts_from for part in further.open) < 45 * DAY
        assert (await downloaded(it, wider, tmp_path)).is_complete
        times = (await asyncio.to_thread(stored, tmp_path, wider)).column("ts_open").to_pylist()
        assert times == list(range(LISTED, wider.ts_to, MINUTE))


@pytest.mark.long
@pytest.mark.parametrize("count", [2, 4])
async def test_several_processes_share_a_job(tmp_path: Path, count: int) -> None:
    """As several engines over journals of their own: each part is fetched by one of them."""
    dataset = klines(MARKET, SYMBOL, 60 * 1_440)
    async with simulated(MARKET) as venue, history_of(MARKET, venue.rest_url) as it:
        engines = [
            Download(
                it,
                FolderSink(tmp_path),
                FolderJournal(tmp_path),
                worker=f"w{number}",
                workers=2,
                alone=False,
            )
            for number in range(count)
        ]
        plan = await engines[0].plan(dataset)
        plans = [plan, *[await each.plan(dataset) for each in engines[1:]]]
        assert all(each.resumed for each in plans[1:])
        before = venue.asked["/api/v3/klines"]
        ended = await asyncio.gather(*(each.run(dataset, of) for each, of in zip(engines, plans, strict=True)))
        assert ended[0].rows == 60 * 1_440
        assert venue.asked["/api/v3/klines"] - before == plan.requests
        times = (await asyncio.to_thread(stored, tmp_path, dataset)).column("ts_open").to_pylist()
    assert times == list(range(LISTED, dataset.ts_to, MINUTE))


def test_who_comes_when_the_first_has_ended_is_not_alone(tmp_path: Path) -> None:
    """The second one still works: its claims are worth something."""
    first, second, third = (FolderJournal(tmp_path).presence() for _ in range(3))
    assert first.__enter__() is True
    assert second.__enter__() is False
    first.__exit__(None, None, None)
    assert third.__enter__() is False
    second.__exit__(None, None, None)
    third.__exit__(None, None, None)
    with FolderJournal(tmp_path).presence() as alone:
        assert alone is True


async def test_who_planned_before_another_one_had_done_it_all_fetches_nothing(tmp_path: Path) -> None:
    """Its plan asked the venue for bounds while the other one began and ended the job."""
    dataset = klines(MARKET, SYMBOL, 4 * 1_440)
    async with simulated(MARKET) as venue, history_of(MARKET, venue.rest_url) as it:
        slow = Download(it, FolderSink(tmp_path), (journal := FolderJournal(tmp_path)), worker="slow", alone=False)
        begin = journal.begin

        async def late(job: JobRecord, parts: Sequence[PartRecord], state: str | None = None) -> None:
            if not (await FolderJournal(tmp_path).parts(job.id)):
                assert (await downloaded(it, dataset, tmp_path)).is_complete
            await begin(job, parts, state)

        journal.begin = late  # type: ignore[method-assign]
        plan = await slow.plan(dataset)
        assert plan.parts == []
        assert (await slow.run(dataset, plan)).is_complete


async def test_a_part_that_takes_long_stays_with_who_fetches_it(tmp_path: Path) -> None:
    """It says now and then that it is at work; another one waits for it."""
    dataset = klines(MARKET, SYMBOL, 4 * 1_440)
    async with simulated(MARKET) as venue, history_of(MARKET, venue.rest_url) as it:
        journal = FolderJournal(tmp_path)
        engine = Download(it, FolderSink(tmp_path), journal, worker="a", alone=False, renew_s=0.01)
        plan = await engine.plan(dataset)
        venue.inflict(("slow",), share=1.0)
        assert (await engine.run(dataset, plan)).is_complete
        (_, revision), *_ = await journal.parts(plan.job.id)
        assert revision > 3  # planned, claimed, done, and in between renewed


async def test_the_part_of_a_process_that_vanished_is_taken_over_when_its_lease_is_over(tmp_path: Path) -> None:
    dataset = klines(MARKET, SYMBOL, 40 * 1_440)
    clock = itertools.count(1_800_000_000_000_000_000, 30_000_000_000)  # each look is half a minute later
    async with simulated(MARKET) as venue, history_of(MARKET, venue.rest_url) as it:
        journal = FolderJournal(tmp_path)
        engine = Download(it, FolderSink(tmp_path), journal, worker="b", alone=False, now_ns=lambda: next(clock))
        plan = await engine.plan(dataset)
        part, revision = (await journal.parts(plan.job.id))[1]
        claim = msgspec.structs.replace(part, state=CLAIMED, worker="a", claimed_at=1_800_000_000_000_000_000)
        await journal.write(plan.job.id, claim, revision)
        assert (await engine.run(dataset, plan)).is_complete


async def test_pages_are_stored_as_they_came_where_that_is_wanted(tmp_path: Path) -> None:
    import zipfile  # noqa: PLC0415 (this test alone)

    dataset = klines(MARKET, SYMBOL, 1_440)
    async with simulated(MARKET) as venue, history_of(MARKET, venue.rest_url, raw=True) as it:
        engine = Download(it, FolderSink(tmp_path, raw=True), FolderJournal(tmp_path))
        await engine.run(dataset, await engine.plan(dataset))

    def index() -> list[dict[str, str]]:
        with zipfile.ZipFile(next((tmp_path / "_raw").rglob("*.zip"))) as archive:
            import hashlib  # noqa: PLC0415 (this test alone)

            found = msgspec.json.decode(archive.read("index.json"), type=list[dict[str, str]])
            assert all(hashlib.sha256(archive.read(each["file"])).hexdigest() == each["sha256"] for each in found)
            return found

    pages = await asyncio.to_thread(index)
    assert len(pages) == 2
    assert pages[0]["request"].startswith(
        "/api/v3/klines?symbol=BTCUSDT&limit=1000&interval=1m&startTime=1704067200000"
    )
