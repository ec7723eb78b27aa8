"""A storage over chDB and NATS, files to be imported into it, and commands as users give them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.e2e.warm import ask
from tests.integration.storage.storage_side import Market, Storage, market_of, storage_of, until

T0 = 1_704_067_200_000  # 2024-01-01T00:00Z in milliseconds
MINUTE = 60_000


class Side:
    """One pipeline's storage, and what is asked of it."""

    def __init__(self, market: Market, storage: Storage) -> None:
        self.market, self.storage = market, storage

    @property
    def url(self) -> str:
        """Of NATS."""
        return str(self.market.connection.url)

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """What the tables have, behind the service's back."""
        table: pa.Table = await self.storage.engine.fetch(query)
        return table.to_pylist()

    async def count(self, table: str) -> int:
        """Rows as they lie there, before any merge."""
        return int((await self.rows(f"SELECT count() AS n FROM market.{table}"))[0]["n"])

    async def imported(self, *command: str, code: int = 0) -> dict[str, Any]:
        """`marketprism data import … --json`; what it printed."""
        done = await asyncio.to_thread(
            ask, ("data", "import", *command, "--json", "--nats-url", self.url), dict(os.environ), 120
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        found: dict[str, Any] = json.loads(done.stdout or "{}")  # what is refused prints nothing
        return found


@asynccontextmanager
async def side_of(folder: Path) -> AsyncIterator[Side]:
    """NATS, and a storage that is open."""
    async with market_of(folder / "nats") as market, storage_of(market, folder / "store") as storage:
        await until(storage.is_open)
        yield Side(market, storage)


def kline(n: int, close: str = "42005.0") -> str:
    ts = T0 + n * MINUTE
    volume = Decimal(f"{n % 7 + 1}.125")
    money = Decimal(42005) * volume
    return f"{ts},42001.1,42010.5,41990.25,{close},{volume},{ts + MINUTE - 1},{money},17,0.5,21000.03,0"


def archive(folder: Path, rows: list[str], name: str = "BTCUSDT-1m-2024-01") -> Path:
    """A file of the venue's archive, with its sum beside it."""
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{name}.csv", "\n".join(rows) + "\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return path
