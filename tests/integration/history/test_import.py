"""`marketprism data import` on a real storage: each row once, what differs named, what is wrong refused."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR, KLINE
from marketprism_application.contracts.subjects import subject_of
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.kline import Kline
from marketprism_sdk.nats.jetstream import publish_ack
from tests.integration.history.history_side import MINUTE, T0, Side, archive, kline, side_of
from tests.support.import_files import book_ticker

pytestmark = pytest.mark.timeout(180)
NS = 10**6


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with side_of(tmp_path) as made:
        yield made


def live_kline(n: int, close: str, *, closed: bool = True) -> Kline:
    opened = (T0 + n * MINUTE) * NS
    prices = [Decimal(text) for text in ("42001.1", "42010.5", "41990.25", close)]
    now = time.time_ns()
    end = opened + MINUTE * NS
    return Kline(
        "binance", "BTC-USDT", "binance", 1, end, end, now, now, "1m", opened, end, *prices, Decimal("1.125"), closed
    )


async def publish_live(side: Side, row: Kline | Bar) -> None:
    kind = KLINE if isinstance(row, Kline) else BAR
    if kind is KLINE:
        await streams.ensure_venue(side.market.connection, row.venue)
    await publish_ack(side.market.connection, subject_of(kind, row), encode(kind, row))


async def test_an_archive_is_stored_once_however_often_it_is_imported(side: Side, tmp_path: Path) -> None:
    path = archive(tmp_path, [kline(n) for n in range(3_000)])
    first = (await side.imported(str(path)))["files"][0]
    assert first["series"] == {"kind": "kline", "venue": "binance", "symbol": "BTC-USDT", "interval": "1m"}
    assert (first["result"]["stored"], first["result"]["same"], first["result"]["present"]) == (3_000, 0, 3_000)
    again = (await side.imported(str(path)))["files"][0]["result"]
    assert (again["stored"], again["same"], again["present"], again["missing"]) == (0, 3_000, 3_000, 0)
    assert await side.count("klines") == await side.count("kline_revisions") == 3_000
    (row,) = await side.rows("SELECT * FROM market.klines WHERE ts_open = '2024-01-01 00:01:00'")
    assert row["close"] == Decimal(42005)
    assert row["turnover"] == Decimal("89260.625")
    assert (row["trades"], row["source"], row["closed"]) == (17, "import:binance-vision", True)


async def test_a_dry_run_stores_nothing_and_says_what_would_be(side: Side, tmp_path: Path) -> None:
    path = archive(tmp_path, [kline(n) for n in range(10)])
    shown = await side.imported(str(path), "--dry-run")
    assert shown["dry_run"] is True
    assert shown["files"][0]["result"]["stored"] == 10
    assert await side.count("klines") == 0


async def test_a_bar_that_differs_is_named_and_stored_only_where_it_is_to_replace(side: Side, tmp_path: Path) -> None:
    await publish_live(side, live_kline(1, "42005.0"))
    await publish_live(side, live_kline(2, "42004.0"))
    await publish_live(side, live_kline(3, "42003.0", closed=False))  # still being made when the venue went away
    path = archive(tmp_path, [kline(n) for n in range(5)])
    found = (await side.imported(str(path), code=3))["files"][0]["result"]
    # Volume differs in the second and third, for that of the file grows with its number.
    assert (found["stored"], found["replaced"], found["same"], found["conflicts"]) == (2, 1, 0, 2)
    assert [(each["field"], each["stored"], each["of_file"]) for each in found["sample"]] == [
        ("volume", "1.125", "2.125"),
        ("close", "42004", "42005"),
    ]
    closes = "SELECT close FROM market.klines FINAL ORDER BY ts_open"
    assert [row["close"] for row in await side.rows(closes)] == [
        Decimal(text) for text in ("42005", "42005", "42004", "42005", "42005")
    ]
    done = (await side.imported(str(path), "--replace"))["files"][0]["result"]
    assert (done["replaced"], done["same"], done["conflicts"]) == (2, 3, 0)
    assert {row["close"] for row in await side.rows(closes)} == {Decimal(42005)}
    again = (await side.imported(str(path)))["files"][0]["result"]
    assert (again["stored"], again["same"]) == (0, 5)
    # What stood before stands in the revisions.
    stood = "SELECT close FROM market.kline_revisions WHERE ts_open = '2024-01-01 00:02:00' ORDER BY ts_pub"
    assert [row["close"] for row in await side.rows(stood)] == [Decimal(42004), Decimal(42005)]


async def test_bars_of_ours_are_revised(side: Side, tmp_path: Path) -> None:
    path = tmp_path / "cu1905.csv"
    path.write_text(
        "datetime,open,high,low,close,volume,open_interest\n"
        + "".join(f"2019-05-06 09:{n:02d}:00,47000,47010,46990,{47000 + n % 2 * 5},{n + 1},100\n" for n in range(30))
    )
    common = (str(path), "--symbol", "SHFE.cu1905", "--interval", "1m", "--yes", "--accept-defects")
    first = (await side.imported(*common))["files"][0]
    assert first["series"] == {"kind": "bar", "venue": "shfe", "symbol": "cu1905", "interval": "1m"}
    assert first["result"]["stored"] == 30
    (row,) = await side.rows("SELECT * FROM market.market_bars WHERE ts_open = '2019-05-06 01:01:00'")
    assert (row["trading_day"], row["revision"], row["volume"], row["open_interest"]) == ("20190506", 0, 2, 100)
    path.write_text(path.read_text().replace(",47005,", ",47010,"))
    conflicting = (await side.imported(*common, code=3))["files"][0]["result"]
    assert (conflicting["stored"], conflicting["same"], conflicting["conflicts"]) == (0, 15, 15)
    assert len(conflicting["sample"]) == 10
    await side.imported(*common, "--replace")
    found = await side.rows("SELECT close, revision FROM market.market_bars FINAL ORDER BY ts_open LIMIT 2")
    assert [(row["close"], row["revision"]) for row in found] == [(47000, 0), (47010, 1)]
    assert await side.count("bar_revisions") == 45


async def test_trades_are_held_by_their_ids_against_those_that_came_live(side: Side, tmp_path: Path) -> None:
    rows = [f"{900 + n},42000.5,0.25,{10 + 2 * n},{11 + 2 * n},{T0 + n * 10},True,True" for n in range(100)]
    path = archive(tmp_path, rows, "BTCUSDT-aggTrades-2024-01-01")
    done = (await side.imported(str(path)))["files"][0]
    assert done["series"]["kind"] == "trade"
    assert done["result"]["stored"] == 100
    again = (await side.imported(str(path)))["files"][0]["result"]
    assert (again["stored"], again["same"]) == (0, 100)
    assert await side.count("trades") == 100
    single = [f"{5_000 + n},42000.5,0.25,10500.1,{T0 + n * 10},True,True" for n in range(5)]
    other = archive(tmp_path, single, "BTCUSDT-trades-2024-01-01")
    shown = await side.imported(str(other), code=3)
    assert "expected a file of aggregated trades, as those that are stored" in shown["files"][0]["refused"]
    assert await side.count("trades") == 100


async def test_quotes_are_stored_once_beside_those_that_came_live(side: Side, tmp_path: Path) -> None:
    path = book_ticker(tmp_path)
    done = (await side.imported(str(path)))["files"][0]
    assert done["series"]["kind"] == "book_top"
    assert (done["result"]["stored"], done["result"]["present"]) == (3, 3)
    again = (await side.imported(str(path)))["files"][0]["result"]
    assert (again["stored"], again["same"], again["present"]) == (0, 3, 3)
    (row,) = await side.rows("SELECT bids_price, bids_quantity, depth, valid FROM market.book_tops WHERE seq = 703")
    assert (row["depth"], row["valid"]) == (1, True)
    assert (row["bids_price"], row["bids_quantity"]) == ([Decimal("42000.1")], [Decimal("2.5")])


async def test_wrong_rows_and_a_wrong_sum_refuse_a_file(side: Side, tmp_path: Path) -> None:
    wrong = kline(1).replace("41990.25", "42990.25")  # low above high
    path = archive(tmp_path, [kline(0), wrong, kline(2)])
    shown = await side.imported(str(path), code=3)
    assert "not imported, for rows of it are wrong (ohlc, vwap_outside)" in shown["files"][0]["refused"]
    assert shown["files"][0]["result"] is None
    assert await side.count("klines") == 0
    path.with_name(path.name + ".CHECKSUM").write_text("00  x\n")
    shown = await side.imported(str(path), code=3)
    assert "(checksum, ohlc, vwap_outside)" in shown["files"][0]["refused"]
    assert (await side.imported(str(path), "--accept-defects"))["files"][0]["result"]["stored"] == 3


async def test_a_folder_is_imported_file_by_file_and_what_is_no_file_of_rows_is_named(
    side: Side, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    archive(folder, [kline(n) for n in range(10)], "BTCUSDT-1m-2024-01-01")
    archive(folder, [kline(n) for n in range(10, 20)], "BTCUSDT-1m-2024-01-02")
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    shown = await side.imported(str(folder), code=3)
    assert [each["result"]["stored"] for each in shown["files"]] == [10, 10]
    assert "notes.csv: expected columns of bars or trades" in shown["unread"][0]["error"]
    assert await side.count("klines") == 20


async def test_a_guessed_mapping_has_to_be_confirmed(side: Side, tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-1m.csv"
    path.write_text("time,o,h,l,c,v\n" + "".join(f"2024-01-01 00:{n:02d},1,2,1,2,3\n" for n in range(5)))
    with pytest.raises(AssertionError, match="--yes: expected it, for the columns of"):
        await side.imported(str(path), "--venue", "binance")
    done = await side.imported(str(path), "--venue", "binance", "--yes")
    assert done["files"][0]["result"]["stored"] == 5
