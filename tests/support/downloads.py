"""Downloads from simulated venues: a venue, a history of it, a download into a folder, and what lies there."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from marketprism_adapters.downloads.archive import ArchiveHistory
from marketprism_adapters.downloads.archive_files import ArchiveFiles
from marketprism_adapters.downloads.folder_journal import FOLDER, FolderJournal
from marketprism_adapters.downloads.folder_sink import FolderSink
from marketprism_adapters.venues.binance.simulate_past import BinanceArchive, BinancePast
from marketprism_adapters.venues.kit.simulated_past import LISTED_MS
from marketprism_adapters.venues.live.history import RestHistory
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.history_server import HISTORY_FAULTS, SimulatedHistoryServer
from marketprism_adapters.venues.simulator.registry import PASTS
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.downloads.engine import Download, Progress
from marketprism_application.ports.history import History
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.resilience import Backoff

LISTED = LISTED_MS * 1_000_000
MINUTE, DAY = 60_000_000_000, 86_400_000_000_000
QUICK = Backoff(0.001, 0.01)


@asynccontextmanager
async def simulated(
    market: str,
    *,
    share: float = 0.0,
    seed: int = 7,
    faults: Sequence[str] = HISTORY_FAULTS,
    holes: Sequence[tuple[int, int]] = (),
    now_ms: Callable[[], int] | None = None,
    lacking: Callable[[str], bool] = lambda _: False,
) -> AsyncIterator[SimulatedHistoryServer]:
    """A venue that has a past; `holes` are (from, before) in milliseconds, `lacking` files are not in its archive."""
    past = PASTS[market](("BTC",))
    for each in past.pasts.values():
        each.holes = holes
        each.now_ms = now_ms or each.now_ms
    archive = BinanceArchive(past, lacking) if isinstance(past, BinancePast) else None
    files = {} if archive is None else {"archive": archive.file, "has": archive.has}
    async with SimulatedHistoryServer(past, share=share, seed=seed, faults=faults, **files) as server:
        yield server


@asynccontextmanager
async def history_of(
    market: str, url: str, work: Path | None = None, *, now_ns: Callable[[], int] | None = None, raw: bool = False
) -> AsyncIterator[History]:
    """The market's own history, with a budget that nobody waits for; with `work` that of its archive."""
    row = MARKETS[market]
    more = {} if now_ns is None else {"now_ns": now_ns}
    if work is not None:
        assert row.archive is not None
        async with ArchiveFiles(url, work, backoff=QUICK) as files:
            yield ArchiveHistory(market, row.archive(), files, raw=raw, **more)
        return
    history = row.history(url)
    limits = history.venue.limits._replace(budgets=dict.fromkeys(history.venue.limits.budgets, (1000000.0, 1000000.0)))
    async with RestClient(url, limits) as rest:
        yield RestHistory(history, rest, backoff=QUICK, raw=raw, **more)


def symbol_of(server: SimulatedHistoryServer, suffix: str = "") -> str:
    """The instrument of a simulated venue, of which there is one of each sort."""
    names = [past.pair.symbol for past in server.past.pasts.values()]
    return next(name for name in names if name.endswith(suffix))


def klines(market: str, symbol: str, minutes: int, *, begin: int = LISTED, interval: str = "1m") -> Dataset:
    """So many minutes from a time on."""
    venue = MARKETS[market].make("", "").name
    return Dataset(KLINE.name, venue, symbol, interval, begin, begin + minutes * MINUTE)


async def downloaded(
    history: History, dataset: Dataset, folder: Path, *, mode: str = "missing", workers: int = 4
) -> Progress:
    """A whole download into a folder."""
    engine = Download(history, FolderSink(folder), FolderJournal(folder), workers=workers)
    return await engine.run(dataset, await engine.plan(dataset, mode))


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file that readers see, by its path."""
    files = [path for path in folder.rglob("*") if path.is_file() and FOLDER not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def stored(folder: Path, dataset: Dataset) -> pa.Table:
    """All rows of a series, by their files."""
    paths = FolderSink(folder).files(dataset)
    return pa.concat_tables([parquet.ParquetFile(path).read() for path in paths])
