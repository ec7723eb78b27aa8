"""`marketprism data export` on a running read side, and its files imported again: every row is there already."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.query.service import QueryService
from tests.e2e.warm import ask
from tests.integration.history.history_side import Side, archive, kline, side_of

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def side(tmp_path: Path, calendar: MarketCalendar) -> AsyncIterator[Side]:
    """With a read side, as a pipeline has it."""
    async with side_of(tmp_path) as made:
        connection = await NatsConnection.open(made.url, name="query")
        stop = asyncio.Event()
        running = asyncio.create_task(QueryService(connection, ReadRules(calendar, ("1m", "5m", "1d"))).run(stop))
        try:
            yield made
        finally:
            stop.set()
            assert await running == 0
            await connection.close()


async def exported(side: Side, *command: str, code: int = 0) -> dict[str, Any]:
    words = ("data", "export", *command, "--nats-url", side.url)
    done = await asyncio.to_thread(ask, (*words, "--json"), dict(os.environ), 120)
    assert done.returncode == code, (done.stdout, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    return found


@pytest.mark.long
async def test_what_is_exported_is_there_when_it_is_imported_again(side: Side, tmp_path: Path) -> None:
    path = tmp_path / "cu1905.csv"
    path.write_text(
        "datetime,open,high,low,close,volume,open_interest\n"
        + "".join(f"2019-05-06 09:{n:02d}:00,47000,47010,46990,{47000 + n % 2 * 10},{n + 1},100\n" for n in range(60))
    )
    common = ("--symbol", "SHFE.cu1905", "--interval", "1m", "--yes", "--accept-defects")
    assert (await side.imported(str(path), *common))["files"][0]["result"]["stored"] == 60
    for form, options in (("parquet", ()), ("vnpy-sqlite", ())):
        done = await exported(side, "cu1905", "--format", form, "--out", str(tmp_path / form))
        assert done["rows"] == {"bar": 60}
        again = (await side.imported(done["files"][0], *options))["files"][0]
        assert again["series"] == {"kind": "bar", "venue": "shfe", "symbol": "cu1905", "interval": "1m"}
        assert (again["result"]["same"], again["result"]["stored"]) == (60, 0), form


@pytest.mark.long
async def test_klines_by_pages_and_in_a_range(side: Side, tmp_path: Path) -> None:
    # As many as a page has: behind it lies nothing, which is no error.
    await side.imported(str(archive(tmp_path, [kline(n) for n in range(20_000)])))
    whole = await exported(side, "BTC-USDT", "--kind", "kline", "--out", str(tmp_path / "all"))
    assert whole["rows"] == {"kline": 20_000}
    assert len(whole["files"]) == 14
    part = await exported(
        side,
        *("BTC-USDT", "--kind", "kline", "--format", "lean", "--out", str(tmp_path / "lean")),
        *("--from", "2024-01-02", "--to", "2024-01-03", "--tz", "UTC"),
    )
    assert part["rows"] == {"kline": 1_440}
    hints = ("--symbol", "BTC-USDT", "--venue", "binance", "--kind", "kline")
    again = (await side.imported(part["files"][0], *hints))["files"][0]["result"]
    assert (again["same"], again["stored"]) == (1_440, 0)


async def test_what_cannot_be_exported_is_named(side: Side, tmp_path: Path) -> None:
    await side.imported(str(archive(tmp_path, [kline(n) for n in range(5)])))
    out = ("--out", str(tmp_path / "x"))
    unknown = await exported(side, "BTC-USDT", "--format", "excel", *out, code=2)
    assert (
        "--format: expected one of parquet, vnpy-sqlite, lean, nautilus, hftbacktest, was 'excel'" in unknown["error"]
    )
    kind = await exported(side, "BTC-USDT", "--format", "lean", "--kind", "tick", *out, code=2)
    assert "--kind: expected one of bar, kline, was 'tick'" in kind["error"]
    none = await exported(side, "BTC-USDT", "--format", "hftbacktest", *out, code=1)
    assert "symbol: expected one that is stored, was 'BTC-USDT'" in none["error"]
    other = await exported(side, "BTC-USDT", "--format", "lean", "--kind", "kline", "--interval", "5m", *out, code=1)
    assert "nothing is stored" in other["error"]
