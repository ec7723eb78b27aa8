"""Recordings as people keep them: other names, other spacing, damaged, beside other files."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import json
import lzma
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marketprism_adapters.venues.recordings.discovery import is_recording, venue_files
from marketprism_adapters.venues.recordings.recording import VenueRecording
from marketprism_adapters.venues.recordings.source import VenueReplay
from marketprism_application.errors import SourceError
from marketprism_services.cli import app
from marketprism_services.platform import exits
from tests.integration.venues.recordings_made import (
    T0,
    book,
    gaps_of,
    hour,
    inspect_recordings,
    lines,
    report_of,
    row_of,
    trade,
)

# -- damaged -----------------------------------------------------------------------------------------------------------


def _damaged() -> bytes:
    held = bytearray(gzip.compress(lines(*hour()) * 50))
    held[len(held) // 2] ^= 0xFF
    return bytes(held)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt.gz", _damaged(), "complete compressed file"),
        ("a.txt.gz", gzip.compress(lines(*hour()))[:-20], "complete compressed file"),
        ("a.txt.xz", lzma.compress(lines(*hour()))[:-20], "complete compressed file"),
        ("a.txt.bz2", bz2.compress(lines(*hour()))[:-20], "complete compressed file"),
        ("a.txt", lines((T0, book(1)))[:60] + b"\n" + lines((T0, book(1)))[:60], "line 1: expected a whole book"),
        ("dob_ETHBTC_20201101_09_update.json", b'{"a":1}', "expected a frame"),
        ("dob_ETHBTC_20201101_09_update.json", b"[1,2]", "element 1: expected a frame, was"),
        ("dob_ETHBTC_20201101_09_update.json", b'[{"e":"depthUpdate","s":"ETHBTC"}]', "an event time `E`"),
        ("dob_ETHBTC_20201101_09_snapshot.json", b"[]", "an empty list"),
        ("dob_ETHBTC_20201399_09_snapshot.json", json.dumps(book(1)).encode(), "was 20201399_09"),
        ("a.zip", b"PK\x03\x04...", "was a zip archive"),
        ("a.json", b'{"lastUpdateId":"x","bids":1}', "expected a whole book"),
        ("a.jsonl", b"\xff\xfe\x00garbage\n" * 3, "found none of them"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said) as caught:
        inspect_recordings([path])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_of_the_system_becomes_one_line() -> None:
    stop = exits.stop_of(PermissionError(13, "Permission denied", "/x"))
    assert str(stop) == "/x: Permission denied"


# -- names and forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("btcusdt_20240808.gz", gzip.compress),
        ("btcusdt_20240808.dat.gz", gzip.compress),
        ("a.jsonl.xz", lzma.compress),
        ("a.bz2", bz2.compress),
        ("a.log", bytes),
        ("capture", bytes),
        ("a.gz", bytes),  # unpacked by a browser, say
    ],
)
def test_the_content_says_how_a_file_is_packed(tmp_path: Path, name: str, pack: Any) -> None:
    path = tmp_path / name
    path.write_bytes(pack(lines(*hour())))
    report = report_of(path)
    assert (report["ok"], row_of(report, "BTC-USDT", "orderbook")["updates"]) == (True, 20)


def test_recordings_are_known_under_any_name(tmp_path: Path) -> None:
    held = lines(*hour())
    for name, content, known in (
        ("btcusdt_20240808.gz", gzip.compress(held), True),
        ("capture", held, True),
        ("OKX.ws.1.0", b"", True),
        ("notes", b"hello\n", False),
        ("t.csv", b"", False),
        ("t.csv.gz", gzip.compress(b"a,b\n"), False),
        ("broken", b"\x1f\x8bxx", False),
    ):
        (tmp_path / name).write_bytes(content)
        assert is_recording(tmp_path / name) == known, name


@pytest.mark.parametrize(
    "stamp",
    ["1700000000.123456 ", "1700000000123 ", "1700000000123456\t", "1700000000123000000 ", "2023-11-14T22:13:20.123Z "],
)
def test_times_are_read_in_every_unit(tmp_path: Path, stamp: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"".join(stamp.encode() + json.dumps(frame).encode() + b"\n" for _, frame in hour()[1:3]))
    (first, *_) = VenueRecording(path).rows()
    assert first.ts_recv // 1_000_000 == 1_700_000_000_123


def test_dumps_of_an_hour_lie_in_a_folder_of_their_instrument(tmp_path: Path) -> None:
    folder = tmp_path / "ETHBTC"
    folder.mkdir()
    start = 1_604_221_200_000
    rows = hour(start, symbol="ETHBTC")[1:]
    for what, held in (
        ("snapshot", book(0)),
        ("update", [row["data"] for _, row in rows if "depth" in row["stream"]]),
        ("trades", [row["data"] for _, row in rows if "Trade" in row["stream"]]),
    ):
        (folder / f"2020-11-01T09-00-00_{what}.json").write_text(json.dumps(held), encoding="utf-8")
    report = report_of(*sorted(folder.iterdir()))
    assert (report["runs"], report["ok"], gaps_of(report)) == (1, True, 0)
    assert row_of(report, "ETH-BTC", "orderbook")["updates"] == 20
    assert {VenueRecording(path).name for path in folder.iterdir()} == {
        f"ETHBTC_2020-11-01T09-00-00_{what}" for what in ("snapshot", "update", "trades")
    }


@pytest.mark.parametrize(("name", "rejected"), [("btcusdt_depth20.txt", 0), ("top.txt", 5)])
def test_whole_tops_without_a_name_take_it_from_the_files(tmp_path: Path, name: str, rejected: int) -> None:
    path = tmp_path / name
    path.write_bytes(lines(*[(T0 + n, book(n)) for n in range(1, 6)]))
    report = report_of(path)
    assert report["rejected"] == rejected
    if not rejected:
        assert [(row["symbol"], row["normalised"]) for row in report["streams"]] == [("BTC-USDT", 5)]


@pytest.mark.parametrize("escaped", [False, True])
def test_books_and_updates_of_an_instrument_with_any_name_come_together(tmp_path: Path, escaped: bool) -> None:
    name = "币安人生USDT"
    rows = [(at, json.dumps(frame, ensure_ascii=escaped)) for at, frame in hour(symbol=name)]
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{at * 1_000_000} {frame}\n" for at, frame in rows), encoding="utf-8")
    report = report_of(path)
    row = row_of(report, "币安人生-USDT", "orderbook")
    assert (report["ok"], row["updates"], row["without_book"]) == (True, 20, 0)
    top = tmp_path / f"{name}_depth20.txt"
    top.write_bytes(lines(*[(T0 + n, book(n)) for n in range(1, 6)]))
    assert row_of(report_of(top), "币安人生-USDT", "book_top")["normalised"] == 5


def test_one_document_is_a_frame_or_a_list_of_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for held, count in ((trade(T0, 1), 1), ([trade(T0, 1), trade(T0, 2)], 2)):
        path.write_text(json.dumps(held, indent=2), encoding="utf-8")
        report = report_of(path)
        assert (report["frames"], report["ok"]) == (count, True)


def test_saved_requests_are_read_as_answers(tmp_path: Path) -> None:
    path = tmp_path / "rest.jsonl"
    rows = [
        {
            "path": "/fapi/v1/openInterest",
            "method": "GET",
            "query": "symbol=BTCUSDT",
            "data": {"symbol": "BTCUSDT", "openInterest": "10.5", "time": T0},
        },
        {"path": "/fapi/v1/depth", "method": "GET", "query": "limit=5", "data": {**book(5), "E": T0, "T": T0}},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    report = report_of(path)
    assert (report["market"], report["answers"]) == ("binance-usdm", 2)
    assert row_of(report, "BTC-USDT-PERP", "open_interest")["normalised"] == 1
    assert "'symbol' among the parameters" in report["examples"]["missing"]


# -- folders -----------------------------------------------------------------------------------------------------------


def test_a_folder_is_read_with_all_below_it_and_the_rest_is_named(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "good.txt").write_bytes(lines(*hour()))
    (tmp_path / "a" / "trades.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    (tmp_path / "manifest.json").write_text('{"files": []}', encoding="utf-8")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(lines(*hour()))[:-20])
    done = CliRunner().invoke(app.app, ["inspect", str(tmp_path), "--json"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["ok"], found["recordings"]) == (0, True, [str(tmp_path / "a" / "b" / "good.txt")])
    assert {Path(each["path"]).name for each in found["unread"]} == {"trades.csv.gz", "manifest.json", "cut.txt.gz"}
    text = CliRunner().invoke(app.app, ["inspect", str(tmp_path)]).stdout
    assert text.count("not read: ") == 3


async def test_a_replay_of_a_folder_takes_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    good, cut = tmp_path / "a" / "good", tmp_path / "cut.txt.gz"
    good.write_bytes(lines(*hour()))
    cut.write_bytes(gzip.compress(lines(*hour()) * 500)[:-20])
    (tmp_path / "trades.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "manifest.json").write_text('{"files": []}', encoding="utf-8")
    paths, found = await asyncio.to_thread(venue_files, [str(tmp_path)])
    assert set(paths) == found == {good, cut}
    source = VenueReplay(paths, found=found)
    await source.connect()
    assert source.rows
    with pytest.raises(SourceError, match="complete compressed file"):
        await VenueReplay(paths).connect()


@pytest.mark.parametrize("name", ["manifest.json", "empty"])
def test_what_is_named_and_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "manifest.json").write_text('{"files": []}', encoding="utf-8")
    done = CliRunner().invoke(app.app, ["inspect", str(tmp_path / name)])
    assert isinstance(done.exception, SourceError)
    assert "replay" not in str(done.exception)


# -- what is shown -----------------------------------------------------------------------------------------------------


async def test_the_book_of_a_replay_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(lines(*hour()))
    source = VenueReplay([path])
    await source.connect()
    assert source.book("binance", "BTC-USDT", 5) is None
    async for _ in source.stream({}):
        pass
    shown = source.book("binance", "BTC-USDT", 5)
    assert shown is not None
    assert (shown.valid, shown.seq) == (True, 20)
    assert [Decimal(value) for value in shown.bids[0]] == [99, 1]
    assert source.book("okx", "BTC-USDT", 5) is source.book("binance", "ETH-USDT", 5) is None


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_no_number_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(lines(*[(T0 + n, trade(T0 + n, n + 1)) for n in range(12_345)]))
    monkeypatch.setenv("COLUMNS", columns)
    shown = CliRunner().invoke(app.app, ["inspect", str(path)]).stdout
    assert "12345" in shown
    assert "…" not in shown
