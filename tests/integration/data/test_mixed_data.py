"""A store holds real or simulated rows, never both: downloads, imports and repairs of the other kind are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_application.contracts.data_jobs import JobStage
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import MixedData
from marketprism_application.ports.history_log import SeriesKey
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_services.data.stored import Stored
from marketprism_services.wiring.pipeline_contents import REAL, SIMULATED, held
from tests.integration.data.data_side import CALENDAR, DataSide, data_side_of
from tests.integration.data.test_files_and_lookups import FILE, klines
from tests.integration.history.history_side import archive, kline
from tests.support.downloads import LISTED, MINUTE, symbol_of

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[DataSide]:
    """The venue is on this machine: its rows are simulated."""
    async with data_side_of(tmp_path, is_simulated=None) as made:
        (tmp_path / "in").mkdir()
        yield made


def download(side: DataSide) -> dict[str, object]:
    span = {"ts_from": LISTED, "ts_to": LISTED + 10 * MINUTE}
    return {"symbols": [symbol_of(side.venue)], "interval": "1m", "venue": "binance", **span}


async def refused(side: DataSide, name: str, **values: object) -> str:
    with pytest.raises(RemoteError) as caught:
        await side.begun(name, **values)
    assert caught.value.code == Code.MIXED_DATA
    assert await side.ask("jobs") == [] or all(job["stage"] != "failed" for job in await side.ask("jobs"))
    return str(caught.value)


async def test_a_store_of_simulated_rows_takes_no_file_of_real_ones(side: DataSide, tmp_path: Path) -> None:
    job = await side.ended((await side.begun("downloads", **download(side))).id)
    assert (job.stage, job.error) == (JobStage.DONE, "")
    connection = side.side.market.connection
    assert await held(connection) == SIMULATED
    stored = await side.side.count("klines")
    (tmp_path / "in" / FILE).write_text(klines(60))
    file = {"path": FILE, "venue": "binance", "symbol": "BTC-USDT"}
    text = await refused(side, "imports", **file)
    assert f"{FILE}: expected simulated rows, as the pipeline at " in text
    path = archive(tmp_path, [kline(n) for n in range(10)])
    await side.side.imported(str(path), code=3)
    await side.side.imported(str(path), "--dry-run", code=3)
    assert await side.side.count("klines") == stored
    assert (await side.ended((await side.begun("imports", **file, simulated=True)).id)).stage is JobStage.DONE
    assert await side.side.count("klines") == 60 > stored
    # Of these the store has others: they were looked at, not refused.
    looked_at = await side.side.imported(str(path), "--simulated", code=3)
    assert looked_at["files"][0]["result"]["conflicts"] == 10


async def test_a_store_of_real_rows_takes_no_download_of_simulated_ones(side: DataSide, tmp_path: Path) -> None:
    await side.side.imported(str(archive(tmp_path, [kline(n) for n in range(10)])))
    connection = side.side.market.connection
    assert await held(connection) == REAL
    assert "rows of binance: expected real rows" in await refused(side, "downloads", **download(side))
    # A task that was cut before anybody knew finds the door of the store itself shut.
    stored = Stored(connection, RpcClient(NatsBus(connection)), CALENDAR)
    series = SeriesKey("kline", "binance", "BTC-USDT", "1m")
    with pytest.raises(MixedData, match="rows of binance: expected real rows"):
        await stored.log(SIMULATED, "rows of binance").join(series)
    await stored.log(REAL, "rows of binance").join(series)


async def test_a_repair_asks_no_witness_of_the_other_kind(side: DataSide, tmp_path: Path) -> None:
    # Of ten minutes that are missing the venue on this machine has rows, simulated ones.
    lines = klines(60).splitlines(keepends=True)
    (tmp_path / "in" / FILE).write_text("".join(lines[:20] + lines[30:]))
    connection = side.side.market.connection
    imported = await side.begun("imports", path=FILE, venue="binance", symbol="BTC-USDT")
    assert (await side.ended(imported.id)).stage is JobStage.DONE
    assert await held(connection) == REAL
    check = await side.ended((await side.begun("checks", symbols=["BTC-USDT"], kind="kline")).id)
    assert check.series[0].result["defects"]
    recheck = await side.ended((await side.begun("recheck", id=check.id)).id)
    counts = recheck.series[0].result["counts"]
    assert isinstance(counts, dict)
    assert counts["unknown"] == sum(counts.values()) > 0
    asked = await side.ended((await side.begun("recheck", id=check.id, witnesses=["kline"])).id)
    assert asked.stage is JobStage.FAILED
    assert "witness: expected one of" in asked.error
    before = await side.side.count("kline_revisions")
    await side.ended((await side.begun("repair", id=check.id)).id)
    assert await side.side.count("kline_revisions") == before
