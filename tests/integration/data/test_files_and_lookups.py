"""Imports, exports, revisions of a bar and the universe of a day, asked of a data service on real parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from marketprism_application.contracts.data_jobs import JobStage
from marketprism_sdk.errors import RemoteError
from tests.integration.data.data_side import DataSide, data_side_of

pytestmark = pytest.mark.timeout(180)
DAY = 1_704_067_200_000  # 2024-01-01 00:00 UTC, milliseconds
MINUTE_MS = 60_000
FILE = "BTCUSDT-1m-2024-01-01.csv"


def klines(minutes: int, close: str = "100.5") -> str:
    """Rows as Binance's archive has them."""
    return "".join(
        f"{DAY + n * MINUTE_MS},100.0,101.0,99.5,{close},3.25,{DAY + (n + 1) * MINUTE_MS - 1},326.5,7,1.5,150.5,0\n"
        for n in range(minutes)
    )


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[DataSide]:
    async with data_side_of(tmp_path) as made:
        (tmp_path / "in").mkdir()
        yield made


async def imported(side: DataSide, path: str = FILE, **values: object) -> Any:
    begun = await side.begun("imports", path=path, venue="binance", symbol="BTC-USDT", **values)
    return await side.ended(begun.id)


async def test_a_file_is_looked_at_then_stored_and_a_differing_bar_is_a_revision(
    side: DataSide, tmp_path: Path
) -> None:
    (tmp_path / "in" / FILE).write_text(klines(60))
    dry = await imported(side, dry_run=True)
    assert (dry.stage, dry.error) == (JobStage.DONE, "")
    (looked,) = dry.series[0].result["series"]  # type: ignore[misc]
    assert (looked["kind"], looked["symbol"], looked["stored"]) == ("kline", "BTC-USDT", 60)
    assert await side.side.count("klines") == 0
    stored = await imported(side)
    assert (stored.stage, stored.error, stored.series[0].result["rows"]) == (JobStage.DONE, "", 60)
    (tmp_path / "in" / FILE).write_text(klines(60, close="100.75"))
    kept = await imported(side)
    assert kept.series[0].result["series"][0]["conflicts"] == 60  # type: ignore[index]
    await imported(side, replace=True)
    asked = {"symbol": "BTC-USDT", "venue": "binance", "kind": "kline", "interval": "1m", "at": DAY * 1_000_000}
    both = await side.ask("revisions", **asked)
    assert [Decimal(each["close"]) for each in both] == [Decimal("100.5"), Decimal("100.75")]
    assert both[0]["ts_pub"] < both[1]["ts_pub"]
    with pytest.raises(RemoteError, match="at: expected the time at which a stored 1m kline opens"):
        await side.ask("revisions", **{**asked, "at": DAY * 1_000_000 + 1})


async def test_rows_are_written_below_the_folder_of_exports(side: DataSide, tmp_path: Path) -> None:
    (tmp_path / "in" / FILE).write_text(klines(60))
    await imported(side)
    begun = await side.begun(
        "exports", symbols=["BTC-USDT"], venue="binance", kind="kline", interval="1m", target="parquet", folder="a/b"
    )
    job = await side.ended(begun.id)
    assert (job.stage, job.error) == (JobStage.DONE, "")
    assert job.series[0].result["rows"] == {"kline": 60}
    (file,) = (tmp_path / "out" / "a" / "b").rglob("*.parquet")
    assert parquet.ParquetFile(file).metadata.num_rows == 60


async def test_stored_series_are_listed_and_a_day_is_ranked(side: DataSide, tmp_path: Path) -> None:
    for symbol, close in (("BTC-USDT", "100.5"), ("ETH-USDT", "102.5"), ("XRP-USDT", "99.75")):
        rows = klines(1, close=close).replace(str(DAY + MINUTE_MS - 1), str(DAY + 1_440 * MINUTE_MS - 1))
        (tmp_path / "in" / "day.csv").write_text(rows.replace(",101.0,", ",103.0,"))
        begun = await side.begun(
            "imports", path="day.csv", venue="binance", symbol=symbol, interval="1d", mapping={}, kind="kline"
        )
        job = await side.ended(begun.id)
        assert (job.stage, job.error) == (JobStage.DONE, "")
    listed = await side.ask("series", venue="binance")
    assert [(each["kind"], each["symbol"], each["interval"], each["rows"]) for each in listed] == [
        ("kline", symbol, "1d", 1) for symbol in ("BTC-USDT", "ETH-USDT", "XRP-USDT")
    ]
    assert listed[0]["first"] == DAY * 1_000_000
    best = await side.ask("universe", day="20240101", top=2, venue="binance")
    assert [(each["symbol"], Decimal(each["change"])) for each in best] == [
        ("ETH-USDT", Decimal("0.025")),
        ("BTC-USDT", Decimal("0.005")),
    ]
    assert await side.ask("universe", day="20240102", venue="binance") == []
    (tmp_path / "in" / "minutes.csv").write_text(klines(60, close="110.5").replace(",101.0,", ",111.0,"))
    await side.ended((await side.begun("imports", path="minutes.csv", venue="binance", symbol="ADA-USDT")).id)
    (first,) = await side.ask("universe", day="20240101", top=1)  # of 60 minutes, without a bar of the day
    assert (first["symbol"], Decimal(first["change"]), Decimal(first["volume"])) == (
        "ADA-USDT",
        Decimal("0.105"),
        Decimal(195),
    )


async def test_no_file_beside_the_folder_is_read(side: DataSide, tmp_path: Path, subtests: pytest.Subtests) -> None:
    (tmp_path / "secret.csv").write_text(klines(1))
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "secret.csv")
    for path in ("../secret.csv", "/etc/passwd", "", ".", "link.csv", "none.csv", "a\0b"):
        with subtests.test(path=path):
            with pytest.raises(RemoteError) as refused:
                await side.ask("imports", path=path)
            assert (refused.value.code, refused.value.details["field"]) == ("INVALID_PARAMETER", "path")
            folder = path.replace("none.csv", "../x")
            with pytest.raises(RemoteError) as refused:
                await side.ask("exports", symbols=["BTC-USDT"], target="parquet", folder=folder)
            assert path == "link.csv" or refused.value.details["field"] == "folder"


@pytest.mark.parametrize(
    ("name", "values", "field"),
    [
        ("imports", {"path": FILE, "contract_size": "NaN"}, "contract_size"),
        ("exports", {"target": "parkett", "folder": "a"}, "target"),
        ("exports", {"target": "lean", "folder": "a", "kind": "book"}, "kind"),
        ("universe", {"rank": "size"}, "rank"),
        ("universe", {"top": 0}, "top"),
        ("universe", {"day": "20241340"}, "day"),
        ("universe", {"venue": "nowhere"}, "venue"),
        ("revisions", {"symbol": "X", "at": 0, "kind": "tick"}, "kind"),
        ("revisions", {"symbol": "X", "at": 0, "interval": "1x"}, "interval"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    side: DataSide, tmp_path: Path, name: str, values: dict[str, Any], field: str
) -> None:
    (tmp_path / "in" / FILE).write_text(klines(1))
    with pytest.raises(RemoteError) as refused:
        await side.ask(name, **values)
    assert (refused.value.code, refused.value.details["field"]) == ("INVALID_PARAMETER", field)
