"""Downloads: how much of a venue's budget is used, and how fast files of an archive become files of ours."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from marketprism_adapters.nats.budget_record import Budget
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.nats.shared_budget import SharedBudget
from marketprism_adapters.venues.live.history import RestHistory
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.history_server import SimulatedHistoryServer
from marketprism_adapters.venues.simulator.registry import PASTS
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.ports.history import Fetched
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import die_with_parent
from tests.support.downloads import downloaded, history_of, klines, simulated, symbol_of

LATENCY_S = 0.05
SECONDS = 20.0
ARCHIVE_DAYS = 366


def measure_downloads() -> dict[str, Any]:
    """The share of each market's budget that a download uses while it runs, answers coming after 50 ms, and klines of
    an archive a second of processor time: read and held against their sums, and the same stored as Parquet too."""
    used = {market: asyncio.run(_budget(market)) for market in ("binance", "binance-usdm", "okx", "bybit", "deribit")}
    return {"budget_used": used, "shared_budget": asyncio.run(shared_budget()), **asyncio.run(_archive())}


async def shared_budget(seconds: float = SECONDS, programs: int = 3) -> dict[str, float]:
    """Three programs of one address with a connection each, that always want something: the share of a budget (100 a
    second, 200 at once) that they were granted together, and writes into the bucket a second. More than 1 is too much."""
    rate, burst = 100.0, 200.0
    with tempfile.TemporaryDirectory() as folder:
        server = await EmbeddedServer.start(EmbeddedOptions(Path(folder), port=choose_port(0)))
        connections = [await NatsConnection.open(server.url) for _ in range(programs)]
        budgets = [SharedBudget(each, "bench", "venue", {"rest": (rate, burst)}) for each in connections]
        started = time.monotonic()

        async def draw(budget: SharedBudget) -> float:
            total = 0.0
            while time.monotonic() - started < seconds:
                await budget.acquire("rest", 2.0)
                total += 2.0
            return total

        total = sum(await asyncio.gather(*(draw(each) for each in budgets)))
        elapsed = time.monotonic() - started
        writes = sum(each.writes for each in budgets)
        for budget, connection in zip(budgets, connections, strict=True):
            await budget.release()
            await connection.close()
        await server.stop()
    held_back = rate * Budget(rate, burst).horizon_s  # of the burst, so that grants used late are never too much
    return {
        "granted_of_venues": round(total / (burst + rate * elapsed), 4),
        "granted_of_shared": round(total / (burst - held_back + rate * elapsed), 4),
        "writes_per_s": round(writes / elapsed, 1),
    }


async def _budget(market: str) -> float:
    """Weight that was asked for by what the budget gave meanwhile: its burst, and its rate times the time. The venue is
    a process of its own, as venues are."""
    code = f"import asyncio\nfrom tests.benchmarks.downloads import serve\nasyncio.run(serve({market!r}))"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, preexec_fn=die_with_parent()
    )
    assert child.stdout is not None
    url = (await child.stdout.readline()).decode().strip()
    history = MARKETS[market].history(url)
    rate, burst = history.venue.limits.budgets["rest"]
    page = history.kinds[KLINE.name]
    symbol = next(past.pair.symbol for past in PASTS[market](("BTC",)).pasts.values())
    dataset = klines(market, symbol, int((burst + rate * SECONDS) / page.weight * page.page))
    try:
        async with RestClient(url, history.venue.limits) as rest:
            it = RestHistory(history, rest)
            await it.bounds(symbol, KLINE.name, "1m")
            before, started = it.used["rest"], time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                progress = await downloaded(it, dataset, Path(folder), workers=8)
            seconds = time.monotonic() - started
    finally:
        child.terminate()
        await child.wait()
    assert progress.is_complete
    return round((it.used["rest"] - before) / (burst + rate * seconds), 4)


async def serve(market: str) -> None:
    """A simulated venue that answers after 50 ms, until it is ended; its URL is its first line."""
    async with SimulatedHistoryServer(PASTS[market](("BTC",)), latency_s=LATENCY_S) as venue:
        print(venue.rest_url, flush=True)
        await asyncio.Event().wait()


async def _archive() -> dict[str, float]:
    async with simulated("binance") as venue:
        symbol = symbol_of(venue)
        dataset = klines("binance", symbol, ARCHIVE_DAYS * 1_440)
        with tempfile.TemporaryDirectory() as folder:
            mirror = Path(folder) / "mirror"
            await asyncio.to_thread(_mirror, mirror, venue)
            async with history_of("binance", str(mirror), Path(folder) / "work") as it:
                parts = await it.plan(dataset)
                started = time.process_time()
                found: list[Fetched] = [await it.fetch(part) for part in parts]
                fetched = time.process_time() - started
                rows = sum(each.rows.num_rows for each in found)
                started = time.process_time()
                progress = await downloaded(it, dataset, Path(folder) / "rows")
                stored = time.process_time() - started
    assert progress.rows == rows == ARCHIVE_DAYS * 1_440
    return {"archive_klines_read_per_s": rows / fetched, "archive_klines_stored_per_s": rows / stored}


def _mirror(folder: Path, venue: SimulatedHistoryServer) -> None:
    for month in range(1, 13):
        for end in ("", ".CHECKSUM"):
            path = f"data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-{month:02}.zip{end}"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(venue.files(path) or b"")
