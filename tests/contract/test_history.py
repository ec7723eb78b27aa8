"""History: every market's own, and the archive of those that have one, against a simulated venue with all its faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.kinds import FUNDING_RATE, INSTRUMENT, KLINE, OPEN_INTEREST, TRADE
from marketprism_application.errors import QueryError, SourceError, UnknownSymbolError
from marketprism_application.ports.history import Fetched, History, Hole
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.integrity.dataset import Dataset
from tests.support.downloads import DAY, LISTED, LISTED_MS, MINUTE, history_of, klines, simulated, symbol_of

ARCHIVED = [name for name, row in MARKETS.items() if row.archive is not None]
TRADED = [name for name, row in MARKETS.items() if TRADE.name in row.history("").kinds]
HOLE_MS = (LISTED_MS + 300 * 60_000, LISTED_MS + 310 * 60_000)
HOLE = Hole(HOLE_MS[0] * 1_000_000, HOLE_MS[1] * 1_000_000)


async def all_of(history: History, dataset: Dataset) -> Fetched:
    """The rows of every part, one after the other."""
    found = [await history.fetch(part) for part in await history.plan(dataset)]
    holes = [hole for each in found for hole in each.holes]
    return Fetched(
        pa.concat_tables([each.rows for each in found]), holes=holes, requests=sum(e.requests for e in found)
    )


@pytest.mark.parametrize("market", MARKETS)
async def test_klines_are_complete_and_each_once_whatever_befalls_their_pages(market: str) -> None:
    async with simulated(market, share=0.3, seed=5, holes=[HOLE_MS]) as venue, history_of(market, venue.rest_url) as it:
        dataset = klines(market, symbol_of(venue), 6_000)
        found = await all_of(it, dataset)
        times = found.rows.column("ts_open").to_pylist()
        hole = range(HOLE.ts_from, HOLE.ts_to, MINUTE)
        assert times == [ts for ts in range(LISTED, LISTED + 6_000 * MINUTE, MINUTE) if ts not in hole]
        assert found.rows.schema == schema_of(KLINE.name)
        assert all(found.rows.column("closed").to_pylist())
        dense = MARKETS[market].history("").kinds[KLINE.name].dense
        assert list(found.holes) == ([HOLE] if dense else [])
        assert sum(venue.struck.values()) > 1
    async with simulated(market, holes=[HOLE_MS]) as calm, history_of(market, calm.rest_url) as it:
        assert (await all_of(it, dataset)).rows.equals(found.rows)


@pytest.mark.parametrize("market", TRADED)
async def test_trades_are_one_tape(market: str) -> None:
    async with simulated(market, share=0.25, seed=9) as venue, history_of(market, venue.rest_url) as it:
        symbol = symbol_of(venue)
        now = LISTED + 3 * DAY if market != "okx" else (await it.bounds(symbol, TRADE.name, "")).last
        begin = now - now % DAY - 2 * DAY
        dataset = Dataset(TRADE.name, MARKETS[market].make("", "").name, symbol, "", begin, begin + DAY // 4)
        found = await all_of(it, dataset)
        numbers = found.rows.column("seq").to_pylist()
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        past = next(each for each in venue.past.pasts.values() if each.pair.symbol == symbol)
        first, last = (past.first_id(ts // 1_000_000) for ts in (dataset.ts_from, dataset.ts_to))
        assert (numbers[0], numbers[-1]) == (first, last - 1)
        assert found.holes == []


@pytest.mark.parametrize("kind", [FUNDING_RATE.name, OPEN_INTEREST.name])
@pytest.mark.parametrize("market", MARKETS)
async def test_rates_and_open_interest_are_complete(market: str, kind: str) -> None:
    how = MARKETS[market].history("").kinds.get(kind)
    if how is None:
        pytest.skip(f"{market} has no history of it")
    async with simulated(market, share=0.3, seed=2) as venue, history_of(market, venue.rest_url) as it:
        symbol = symbol_of(venue, "-PERP")
        last = (await it.bounds(symbol, kind, "")).last
        begin = last - last % DAY - 4 * DAY
        dataset = Dataset(kind, MARKETS[market].make("", "").name, symbol, "", begin, begin + 3 * DAY)
        found = await all_of(it, dataset)
        period = 300 * 1_000_000_000 if kind == OPEN_INTEREST.name else DAY // (24 if market == "deribit" else 3)
        assert found.rows.column("ts_event").to_pylist() == list(range(begin, begin + 3 * DAY, period))


@pytest.mark.parametrize("market", MARKETS)
async def test_a_bar_that_still_runs_is_not_there(market: str) -> None:
    now = LISTED + DAY + 90 * MINUTE + MINUTE // 2
    async with (
        simulated(market, now_ms=lambda: now // 1_000_000) as venue,
        history_of(market, venue.rest_url, now_ns=lambda: now) as it,
    ):
        bounds = await it.bounds(symbol_of(venue), KLINE.name, "1m")
        found = await all_of(it, klines(market, symbol_of(venue), 3_000))
        assert found.rows.column("ts_close").to_pylist()[-1] == now - MINUTE // 2 == bounds.last
        assert found.rows.num_rows == 1_440 + 90


@pytest.mark.parametrize("market", MARKETS)
async def test_before_the_listing_nothing_is_asked(market: str) -> None:
    async with simulated(market) as venue, history_of(market, venue.rest_url) as it:
        symbol = symbol_of(venue)
        bounds = await it.bounds(symbol, KLINE.name, "1m")
        asked = venue.asked.total()
        assert bounds.first == LISTED or market == "okx"  # its list has no time of listing here: bars by weeks
        assert await it.plan(klines(market, symbol, 1_000, begin=LISTED - 30 * DAY)) == []
        assert venue.asked.total() == asked


@pytest.mark.parametrize("market", MARKETS)
async def test_what_there_is_not_is_refused_with_what_there_is(market: str) -> None:
    async with simulated(market) as venue, history_of(market, venue.rest_url) as it:
        symbol = symbol_of(venue)
        with pytest.raises(UnknownSymbolError, match=symbol[:3]):
            await it.bounds(symbol.replace("BTC", "BTX"), KLINE.name, "1m")
        with pytest.raises(QueryError, match=r"interval: expected one of .*1m.*7m"):
            await it.bounds(symbol, KLINE.name, "7m")
        with pytest.raises(QueryError, match="kind: expected one of kline"):
            await it.bounds(symbol, "liquidation", "")
        assert set(it.kinds()) >= {KLINE.name, INSTRUMENT.name}


@pytest.mark.parametrize("market", MARKETS)
async def test_a_venue_that_only_says_to_wait_is_waited_for(market: str) -> None:
    """However often: that is no failure."""
    async with (
        simulated(market, share=0.6, faults=("rate_limit", "ban"), seed=1) as venue,
        history_of(market, venue.rest_url) as it,
    ):
        found = await all_of(it, klines(market, symbol_of(venue), 1_500))
        assert found.rows.num_rows == 1_500
        assert it.budget(KLINE.name).refused == venue.struck["rate_limit"] + venue.struck["ban"] > 2


@pytest.mark.parametrize("fault", ["empty", "repeat"])
async def test_pages_that_never_bring_what_is_asked_for_end_in_a_hole_and_in_no_endless_loop(fault: str) -> None:
    market = "binance"
    async with simulated(market) as venue, history_of(market, venue.rest_url) as it:
        dataset = klines(market, symbol_of(venue), 2_000)
        parts = await it.plan(dataset)
        venue.inflict((fault,), share=1.0, most=10**9)
        asked = venue.asked.total()
        found = [await it.fetch(part) for part in parts]
        assert venue.asked.total() - asked <= 4 * sum(part.requests for part in parts)
        lost = sum(hole.ts_to - hole.ts_from for each in found for hole in each.holes) // MINUTE
        assert lost + sum(each.rows.num_rows for each in found) == 2_000
        assert lost > 0
        assert {hole.cause for each in found for hole in each.holes} == {"venue_missing"}


async def test_a_venue_that_does_not_answer_is_given_up_in_words() -> None:
    async with simulated("binance") as venue, history_of("binance", venue.rest_url) as it:
        parts = await it.plan(klines("binance", symbol_of(venue), 100))
        venue.inflict(("error",), share=1.0, most=10**9)
        with pytest.raises(SourceError, match=r"binance: expected an answer in 8 attempts: .*503"):
            await it.fetch(parts[0])


# -- archives ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KLINE.name, TRADE.name, FUNDING_RATE.name])
@pytest.mark.parametrize("market", ARCHIVED)
async def test_files_of_an_archive_are_the_rows_that_the_venue_answers(market: str, kind: str, tmp_path: Path) -> None:
    if kind not in MARKETS[market].history("").kinds:
        pytest.skip(f"{market} has none")
    length = 33 * DAY if kind != TRADE.name else DAY
    async with simulated(market, share=0.1, seed=4, holes=[HOLE_MS]) as venue:
        symbol = symbol_of(venue, "" if kind == KLINE.name else MARKETS[market].history("").kinds[kind].suffix)
        interval = "5m" if kind == KLINE.name else ""
        venue_name = MARKETS[market].make("", "").name
        dataset = Dataset(kind, venue_name, symbol, interval, LISTED, LISTED + length)
        async with history_of(market, venue.rest_url, tmp_path) as archive:
            filed = await all_of(archive, dataset)
        async with history_of(market, venue.rest_url) as rest:
            answered = await all_of(rest, dataset)
    columns = [
        name
        for name in answered.rows.column_names
        if name not in ("source", "interval_s", "mark_price")  # of rates, files have less
    ]
    assert filed.rows.select(columns).equals(answered.rows.select(columns))
    assert filed.rows.num_rows > 50
    if kind == KLINE.name:
        assert list(filed.holes) == list(answered.holes) == [HOLE]
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


async def test_a_month_without_a_file_is_had_by_its_days_and_a_day_without_one_is_a_hole(tmp_path: Path) -> None:
    def lacking(path: str) -> bool:
        return ("monthly" in path and "2024-01" in path) or "2024-01-07" in path

    async with (
        simulated("binance-usdm", lacking=lacking) as venue,
        history_of("binance-usdm", venue.rest_url, tmp_path) as it,
    ):
        found = await all_of(it, klines("binance-usdm", symbol_of(venue), 33 * 1_440))
    assert found.rows.num_rows == 32 * 1_440
    assert list(found.holes) == [Hole(LISTED + 6 * DAY, LISTED + 7 * DAY)]


async def test_days_before_the_first_row_are_no_hole_of_a_download_that_goes_on_either(tmp_path: Path) -> None:
    """A process that goes on has its parts from the journal, and plans nothing."""
    before = ("1m-2024-01.zip", "1m-2024-01-01.zip", "1m-2024-01-02.zip")
    async with simulated("binance", lacking=lambda path: path.endswith(before)) as venue:
        async with history_of("binance", venue.rest_url, tmp_path) as it:
            part, *_ = await it.plan(klines("binance", symbol_of(venue), 3 * 1_440))
            planned = await it.fetch(part)
        async with history_of("binance", venue.rest_url, tmp_path) as it:
            resumed, beside = await asyncio.gather(it.fetch(part), it.fetch(part))
    assert planned.rows.num_rows == 1_440
    assert planned.holes == resumed.holes == beside.holes == []


async def test_a_folder_with_the_same_layout_is_an_archive(tmp_path: Path) -> None:
    async with simulated("binance") as venue:
        await asyncio.to_thread(_mirror, tmp_path / "mirror", venue.files)
        async with history_of("binance", str(tmp_path / "mirror"), tmp_path / "work") as it:
            found = await all_of(it, klines("binance", symbol_of(venue), 2 * 1_440))
            assert found.rows.num_rows == 2 * 1_440
            sums = await asyncio.to_thread(_sums, tmp_path / "mirror")
            await asyncio.to_thread(sums[0].unlink)
            with pytest.raises(SourceError, match=r"expected \.CHECKSUM beside it"):
                await all_of(it, klines("binance", symbol_of(venue), 2 * 1_440))


def _sums(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.CHECKSUM"))


def _mirror(folder: Path, files: Callable[[str], bytes | None]) -> None:
    for day in ("2024-01-01", "2024-01-02"):
        for end in ("", ".CHECKSUM"):
            path = f"data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-{day}.zip{end}"
            data = files(path)
            assert data is not None
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
    last = folder / "data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip"
    last.parent.mkdir(parents=True, exist_ok=True)
    last.write_bytes(b"")  # that a month is there tells when the instrument began


async def test_a_wrong_sum_is_tried_once_more_and_then_fails_with_both_sums(tmp_path: Path) -> None:
    async with (
        simulated("binance", share=1.0, faults=("checksum",)) as venue,
        history_of("binance", venue.rest_url, tmp_path) as it,
    ):
        assert (await all_of(it, klines("binance", symbol_of(venue), 1_440))).rows.num_rows == 1_440
        rejected = await asyncio.to_thread(lambda: sorted((tmp_path / "rejected").glob("*.json")))
        assert len(rejected) == 1
        venue.inflict(("checksum",), share=1.0, most=10**9)
        with pytest.raises(SourceError, match=r"checksum: expected [0-9a-f]{64}, was [0-9a-f]{64}, twice"):
            await all_of(it, klines("binance", symbol_of(venue), 1_440, begin=LISTED + 3 * DAY))
        rejected = await asyncio.to_thread(lambda: sorted((tmp_path / "rejected").glob("*.json")))
        facts = json.loads(await asyncio.to_thread(rejected[-1].read_text))
    assert len(rejected) == 3
    assert facts["expected"] != facts["was"]
    assert facts["file"].startswith("data/spot/daily/klines/BTCUSDT")


async def test_an_instrument_that_an_archive_has_no_file_of_is_unknown(tmp_path: Path) -> None:
    async with simulated("binance") as venue, history_of("binance", venue.rest_url, tmp_path) as it:
        with pytest.raises(UnknownSymbolError, match=r"expected one that .* has files of, was 'BTX-USDT'"):
            await it.bounds("BTX-USDT", KLINE.name, "1m")
        first = await it.bounds(symbol_of(venue), KLINE.name, "1m")
        assert first.first == LISTED
        assert await it.plan(klines("binance", symbol_of(venue), 100, begin=LISTED - 9 * DAY)) == []
