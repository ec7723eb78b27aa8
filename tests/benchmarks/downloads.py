"""Downloads: how much of a venue's budget is used, and how fast files of an archive become files of ours."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from marketprism_adapters.venues.live.history import RestHistory
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.history_server import SimulatedHistoryServer
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.ports.history import Fetched
from tests.support.downloads import downloaded, history_of, klines, simulated, symbol_of

LATENCY_S = 0.05
SECONDS = 20.0
ARCHIVE_DAYS = 366


def measure_downloads() -> dict[str, Any]:
    """The share of each market's budget that a download uses while it runs, answers coming after 50 ms, and klines of
    an archive stored a second (read, checked against their sums, written as Parquet), on one machine."""
    used = {market: asyncio.run(_budget(market)) for market in ("binance", "binance-usdm", "okx", "bybit", "deribit")}
    return {"budget_used": used, **asyncio.run(_archive())}


async def _budget(market: str) -> float:
    """Weight that was asked for by what the budget gave meanwhile: its burst, and its rate times the time."""
    async with simulated(market) as calm:
        past = calm.past
    async with SimulatedHistoryServer(past, latency_s=LATENCY_S) as venue:
        history = MARKETS[market].history(venue.rest_url)
        rate, burst = history.venue.limits.budgets["rest"]
        async with RestClient(venue.rest_url, history.venue.limits) as rest:
            it = RestHistory(history, rest)
            symbol = symbol_of(venue)
            await it.bounds(symbol, KLINE.name, "1m")
            page = history.kinds[KLINE.name]
            pages = (burst + rate * SECONDS) / page.weight
            dataset = klines(market, symbol, int(pages * page.page))
            before, started = it.used["rest"], time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                progress = await downloaded(it, dataset, Path(folder), workers=8)
            seconds = time.monotonic() - started
            assert progress.is_complete
            return round((it.used["rest"] - before) / (burst + rate * seconds), 4)


async def _archive() -> dict[str, float]:
    async with simulated("binance") as venue:
        symbol = symbol_of(venue)
        dataset = klines("binance", symbol, ARCHIVE_DAYS * 1_440)
        with tempfile.TemporaryDirectory() as folder:
            mirror = Path(folder) / "mirror"
            await asyncio.to_thread(_mirror, mirror, venue)
            async with history_of("binance", str(mirror), Path(folder) / "work") as it:
                parts = await it.plan(dataset)
                started = time.monotonic()
                found: list[Fetched] = [await it.fetch(part) for part in parts]
                fetched = time.monotonic() - started
                rows = sum(each.rows.num_rows for each in found)
                started = time.monotonic()
                progress = await downloaded(it, dataset, Path(folder) / "rows")
                stored = time.monotonic() - started
    assert progress.rows == rows == ARCHIVE_DAYS * 1_440
    return {"archive_klines_read_per_s": rows / fetched, "archive_klines_stored_per_s": rows / stored}


def _mirror(folder: Path, venue: SimulatedHistoryServer) -> None:
    for month in range(1, 13):
        for end in ("", ".CHECKSUM"):
            path = f"data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-{month:02}.zip{end}"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(venue.files(path) or b"")
