"""Several recordings at once, the books in them, and the markets that they are of."""

from __future__ import annotations

import asyncio
import itertools
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marketprism_adapters.venues.recordings.recording import VenueRecording
from marketprism_services.cli import app
from tests.integration.venues.recordings_made import (
    SECOND,
    T0,
    at,
    book,
    gaps_of,
    hour,
    inspect_recordings,
    lines,
    rebuilt,
    report_of,
    row_of,
    trade,
)

# -- several recordings ------------------------------------------------------------------------------------------------


@pytest.mark.long
async def test_recordings_of_other_years_and_other_numberings_are_both_told(fixtures: Path, tmp_path: Path) -> None:
    """One has aggTrade, the other trade: together they are what each is alone."""
    paths = at(
        fixtures, "binance/spot/dob_BTCUSDT_20201101_09_trades.json.gz", "binance/spot/hft_btcusdt_20240808.txt.xz"
    )
    with lzma.open(paths[1]) as whole, lzma.open(tmp_path / paths[1].name, "wb") as part:
        part.writelines(itertools.islice(whole, 4_000))  # some minutes of it
    paths[1] = tmp_path / paths[1].name
    alone = [bar for path in paths for bar in (await rebuilt(path))[0].bars]
    together, gaps, source = await rebuilt(*paths)
    assert [bar._replace(source="", seq=0) for bar in together.bars] == [
        bar._replace(source="", seq=0) for bar in alone
    ]
    assert len({bar.trading_day for bar in together.bars}) == 2
    assert source.skipped == {}
    assert {gap.cause for gap in gaps} == {"recording_end"}


@pytest.mark.long
def test_files_of_one_market_have_no_gaps_between_them_that_none_has(fixtures: Path) -> None:
    folder = fixtures / "binance/spot"
    paths = sorted([*folder.glob("cf_*"), *folder.glob("hft_*"), *folder.glob("dob_*")])
    if not paths:
        pytest.skip("no recordings of Binance in the fixtures")
    report = report_of(*paths)
    assert gaps_of(report) == 0
    assert (report["runs"], len(report["files"])) == (4, len(paths))
    assert report["ok"]
    assert row_of(report, "BTC-USDT", "orderbook")["checks"]["best_prices"]["made"] >= 1_059


@pytest.mark.parametrize(
    ("second", "gap_s", "runs"),
    [(21, 2, 1), (21, 3_600, 1), (900, 3, 2), (900, 86_400 * 400, 2)],
    ids=["goes on", "goes on after a quiet hour", "begins anew at once", "begins anew later"],
)
def test_a_recording_goes_on_where_another_ended_only_by_its_ids(
    tmp_path: Path, second: int, gap_s: int, runs: int
) -> None:
    start = T0 + 20 * SECOND + gap_s * SECOND
    later = hour(start, second)
    (tmp_path / "b.txt").write_bytes(lines(*hour()))
    (tmp_path / "a.txt").write_bytes(lines(*(later if runs == 2 else later[1:])))
    report = report_of(tmp_path / "a.txt", tmp_path / "b.txt")
    assert (report["runs"], gaps_of(report), report["ok"]) == (runs, 0, True)
    updates = row_of(report, "BTC-USDT", "orderbook")
    assert (updates["messages"], updates["updates"], updates["without_book"]) == (40, 40, 0)
    assert row_of(report, "BTC-USDT", "trade")["normalised"] == 40


async def test_trades_that_are_passed_over_are_counted_and_a_stream_that_ends_is_followed(tmp_path: Path) -> None:
    both = [(T0 + n * 500, trade(T0 + n * 500, n, event="aggTrade")) for n in range(1, 20)]
    both += [(T0 + n * 500 + 5, trade(T0 + n * 500, 5_000 + n, event="trade")) for n in range(1, 60)]
    path = tmp_path / "both.txt"
    path.write_bytes(lines(*sorted(both, key=lambda each: each[0])))
    _, gaps, source = await rebuilt(path)
    (count,) = source.skipped.values()
    report = await asyncio.to_thread(report_of, path)
    told = row_of(report, "BTC-USDT", "trade")["normalised"]
    assert told + count == len(both)
    assert told > 19  # those of the stream that went on
    assert any(gap.cause != "recording_end" for gap in gaps)  # nobody knows what lies between the two numberings
    assert report["controls"] == {"ignored: trades that another stream tells, in other numbers": count}


# -- books -------------------------------------------------------------------------------------------------------------


def test_a_book_that_was_never_known_is_not_right(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(lines(*hour()[1:]))
    report = report_of(path)
    updates = row_of(report, "BTC-USDT", "orderbook")
    assert (updates["updates"], updates["without_book"], report["ok"]) == (0, 20, False)
    assert "no update was applied" in report["faults"][0]
    assert CliRunner().invoke(app.app, ["inspect", str(path)]).exit_code == 1


@pytest.mark.parametrize("spaced", [False, True])
def test_a_snapshot_between_the_lines_is_taken_however_it_is_written(tmp_path: Path, spaced: bool) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(lines(*hour(), spaced=spaced))
    report = report_of(path)
    assert (row_of(report, "BTC-USDT", "orderbook")["updates"], report["snapshots"], report["ok"]) == (20, 1, True)


def test_a_snapshot_without_a_name_is_given_to_the_stream_that_its_ids_join(tmp_path: Path) -> None:
    rows = [*hour(), *hour(T0 + 3, 700_001, "ETHUSDT")]
    path = tmp_path / "a.txt"
    path.write_bytes(lines(*sorted(rows, key=lambda each: each[0])))
    report = report_of(path)
    assert report["ok"]
    for symbol in ("BTC-USDT", "ETH-USDT"):
        assert row_of(report, symbol, "orderbook")["updates"] == 20


def test_a_snapshot_that_nothing_says_the_name_of_is_refused(tmp_path: Path) -> None:
    rows = [*hour()[1:], *hour(T0 + 3, 700_001, "ETHUSDT")[1:], (T0, book(350_000))]
    path = tmp_path / "a.txt"
    path.write_bytes(lines(*sorted(rows, key=lambda each: each[0])))
    report = report_of(path)
    assert (report["rejected"], report["snapshots"], report["ok"]) == (1, 0, False)
    assert "expected its instrument's name" in report["examples"]["nameless"]


@pytest.mark.parametrize("market", ["okx", "deribit"])
def test_a_recording_read_as_another_venue_is_not_right(tmp_path: Path, market: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(lines(*hour()))
    report = report_of(path, market=market)
    assert any("nothing normalised" in fault for fault in report["faults"])


# -- markets -----------------------------------------------------------------------------------------------------------


def bare(symbol: str, *, spot: bool) -> dict[str, Any]:
    found: dict[str, Any] = trade(T0, 1, symbol)["data"]
    return found if spot else {name: value for name, value in found.items() if name != "M"}


@pytest.mark.parametrize(
    ("frames", "market", "symbol"),
    [
        ([bare("BTCUSDT", spot=True)], "binance", "BTC-USDT"),
        ([bare("BTCUSDT", spot=False)], "binance-usdm", "BTC-USDT-PERP"),
        ([bare("BTCUSDT_250328", spot=False)], "binance-usdm", "BTC-USDT-250328"),
        ([bare("BTCUSD_PERP", spot=False)], "binance-coinm", "BTC-USD-PERP"),
        ([bare("BTCUSD_211231", spot=False)], "binance-coinm", "BTC-USD-211231"),
    ],
)
def test_the_market_is_told_by_names_and_by_fields(
    tmp_path: Path, frames: list[dict[str, Any]], market: str, symbol: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(json.dumps(frame).encode() + b"\n" for frame in [*frames, *frames]))
    report = report_of(path)
    assert (report["market"], report["market_by"]) == (market, "form")
    assert [row["symbol"] for row in report["streams"]] == [symbol]


KLINE = {
    "e": "kline",
    "E": T0,
    "s": "BTCUSDT",
    "k": {
        "t": T0,
        "T": T0 + 59_999,
        "s": "BTCUSDT",
        "i": "1m",
        "f": 1,
        "L": 1,
        "o": "1.1",
        "c": "1.1",
        "h": "1.1",
        "l": "1.1",
        "v": "1",
        "n": 1,
        "x": False,
        "q": "1",
        "V": "1",
    },
}


@pytest.mark.parametrize(
    ("folder", "market", "by"),
    [("x", "binance-usdm", "assumed"), ("usdm", "binance-usdm", "name"), ("spot", "binance", "name")],
)
def test_what_frames_do_not_tell_the_name_may_else_it_is_said(
    tmp_path: Path, folder: str, market: str, by: str
) -> None:
    path = tmp_path / "a" / folder / "k.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(json.dumps(KLINE).encode() + b"\n")
    assert (VenueRecording(path).market, VenueRecording(path).market_by) == (market, by)
    told = CliRunner().invoke(app.app, ["inspect", str(path), "--json"])
    assert ("--market says it" in told.stderr) == (by == "assumed")


@pytest.mark.parametrize(
    ("url", "market"),
    [
        ("wss://fstream.binance.com/stream", "binance-usdm"),
        ("wss://dstream.binance.com/stream", "binance-coinm"),
        ("wss://stream.bybit.com/v5/public/linear", "bybit-linear"),
        ("wss://stream.bybit.com/v5/public/spot", "bybit"),
    ],
)
def test_the_address_that_was_opened_tells_the_market(tmp_path: Path, url: str, market: str) -> None:
    path = tmp_path / "BYBIT.ws.1.0"
    path.write_bytes(b'%b <-> 1700000000.5\n1700000000.6: {"x":1}\n' % url.encode())
    recording = VenueRecording(path)
    assert (recording.market, recording.market_by) == (market, "host")


def test_frames_of_several_markets_in_one_file_are_read_each_as_its_own(fixtures: Path) -> None:
    (path,) = at(fixtures, "binance/messages/cmp_recorded.jsonl")
    reports = {report["market"]: report for report in inspect_recordings([path])}
    assert set(reports) == {"binance", "binance-usdm", "binance-coinm"}
    for market, symbol in (
        ("binance", "BTC-USDT"),
        ("binance-usdm", "BTC-USDT-PERP"),
        ("binance-coinm", "BTC-USD-PERP"),
    ):
        assert row_of(reports[market], symbol, "trade")["normalised"] == 1
        assert not any(row["symbol"].endswith("-PERP") for row in reports["binance"]["streams"])
