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
from marketprism_application.contracts.kinds import KLINE, TRADE
from marketprism_application.ports.history import Fetched, History
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import die_with_parent
from tests.benchmarks.download_peers import measure_peers
from tests.support.downloads import MINUTE, downloaded, history_of, klines, simulated, symbol_of

LATENCY_S = 0.05
SECONDS = 20.0
SHARED_SECONDS = 60.0
SHARED = ((100.0, 200.0, 2.0), (8.0, 16.0, 1.0), (20.0, 20.0, 1.0))  # rate, burst, what is wanted at once
ARCHIVE_DAYS, TRADE_DAYS = 366, 60
ARCHIVE_RUNS = 3


def measure_downloads() -> dict[str, Any]:
    """The share of each market's budget that a download uses while it runs, answers coming after 50 ms; klines and
    aggregated trades of an archive a second of processor time: read and held against their sums, and the same stored as
    Parquet too; and the same minutes by others' programs."""
    used = {market: asyncio.run(_budget(market)) for market in ("binance", "binance-usdm", "okx", "bybit", "deribit")}
    shared = asyncio.run(shared_budgets())
    return {"budget_used": used, "shared_budget": shared, **asyncio.run(_archive()), "beside": measure_peers()}


async def shared_budgets(seconds: float = SHARED_SECONDS) -> dict[str, dict[str, float]]:
    """`shared_budget` of some budgets at once, by "rate a second, burst"."""
    found = await asyncio.gather(*(shared_budget(*each, seconds) for each in SHARED))
    return {f"{rate:g}, {burst:g}": each for (rate, burst, _), each in zip(SHARED, found, strict=True)}


async def shared_budget(
    rate: float, burst: float, weight: float, seconds: float, programs: int = 3
) -> dict[str, float]:
    """Three programs of one address with a connection each, that always want a weight: the share of a budget that they
    were granted together, of the venue's and of what the shared bucket gives; the share after a sixth of the time, when
    no burst is left; and writes into the bucket a second.

    `most_beyond` is how much more than the burst and the rate was used in any time whatever, less than nothing where it
    never was: nothing that a venue with these limits refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = await EmbeddedServer.start(EmbeddedOptions(Path(folder), port=choose_port(0)))
        connections = [await NatsConnection.open(server.url) for _ in range(programs)]
        budgets = [SharedBudget(each, "bench", "venue", {"rest": (rate, burst)}) for each in connections]
        uses: list[float] = []
        started = time.monotonic()

        async def draw(budget: SharedBudget) -> None:
            while time.monotonic() - started < seconds:
                await budget.acquire("rest", weight)
                uses.append(time.monotonic() - started)

        await asyncio.gather(*(draw(each) for each in budgets))
        elapsed = time.monotonic() - started
        writes = sum(each.writes for each in budgets)
        for budget, connection in zip(budgets, connections, strict=True):
            await budget.release()
            await connection.close()
        await server.stop()
    total, lowest, most = 0.0, 0.0, -burst
    for at in sorted(uses):
        lowest = min(lowest, total - rate * at)
        total += weight
        most = max(most, total - rate * at - lowest - burst)
    late = seconds / 6
    held_back = rate * Budget(rate, burst).horizon_s  # of the burst, so that grants used late are never too much
    return {
        "granted_of_venues": round(total / (burst + rate * elapsed), 4),
        "granted_of_shared": round(total / (burst - held_back + rate * elapsed), 4),
        "granted_after_a_sixth": round(
            weight * sum(late <= at < seconds for at in uses) / (rate * (seconds - late)), 4
        ),
        "most_beyond": round(most, 1),
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
    """The best of some runs: others use the machine too."""
    found: dict[str, float] = {}
    async with simulated("binance") as venue:
        symbol = symbol_of(venue)
        minutes = klines("binance", symbol, ARCHIVE_DAYS * 1_440)
        end = minutes.ts_from + TRADE_DAYS * 1_440 * MINUTE
        trades = Dataset(TRADE.name, minutes.venue, symbol, "", minutes.ts_from, end)
        with tempfile.TemporaryDirectory() as folder:
            mirror = Path(folder) / "mirror"
            await asyncio.to_thread(_mirror, mirror, venue)
            async with history_of("binance", str(mirror), Path(folder) / "work") as it:
                for name, dataset in (("klines", minutes), ("agg_trades", trades)):
                    rows, read, stored = await _archive_seconds(it, dataset, Path(folder))
                    found |= {f"archive_{name}_read_per_s": rows / read, f"archive_{name}_stored_per_s": rows / stored}
                    assert name != "klines" or rows == ARCHIVE_DAYS * 1_440
    return {name: round(rate) for name, rate in found.items()}


async def _archive_seconds(it: History, dataset: Dataset, folder: Path) -> tuple[int, float, float]:
    """Rows, and the processor seconds in which they are read, and read and stored."""
    parts = await it.plan(dataset)
    read, stored, rows = [], [], 0
    for run in range(ARCHIVE_RUNS):
        started = time.process_time()
        found: list[Fetched] = [await it.fetch(part) for part in parts]
        read.append(time.process_time() - started)
        rows = sum(each.rows.num_rows for each in found)
        started = time.process_time()
        progress = await downloaded(it, dataset, folder / f"rows-{dataset.kind}-{run}")
        stored.append(time.process_time() - started)
        assert progress.rows == rows
    return rows, min(read), min(stored)


def _mirror(folder: Path, venue: SimulatedHistoryServer) -> None:
    """A year of klines and two months of trades, 4 320 a day."""
    bars = [f"klines/BTCUSDT/1m/BTCUSDT-1m-2024-{month:02}" for month in range(1, 13)]
    trades = [f"aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-{month:02}" for month in (1, 2)]
    for name in (*bars, *trades):
        for end in ("", ".CHECKSUM"):
            path = f"data/spot/monthly/{name}.zip{end}"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(venue.files(path) or b"")
