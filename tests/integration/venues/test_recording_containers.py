"""Containers of recordings: packed in every way, lines that say what they are, addresses of others, what is cut off."""

from __future__ import annotations

import asyncio
import base64
import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from marketprism_adapters.venues.recordings.recording import VenueRecording
from marketprism_adapters.venues.recordings.source import VenueReplay
from marketprism_application.errors import SourceError
from marketprism_services.cli import app
from tests.integration.venues.recordings_made import SECOND, T0, book, depth, hour, lines, report_of, row_of, trade

HELD = lines(*hour())


def zst(data: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(data, asbytes=True)
    return packed


def zst_frames(data: bytes) -> bytes:
    """Several frames, one that holds no data first, each of some lines."""
    rows = data.splitlines(keepends=True)
    return b"\x50\x2a\x4d\x18\x04\x00\x00\x00note" + zst(b"".join(rows[:7])) + zst(b"".join(rows[7:]))


def zipped(data: bytes, *more: str) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("day/btcusdt.txt", data)
        archive.writestr("__MACOSX/day/._btcusdt.txt", b"\x00")
        for name in more:
            archive.writestr(name, b"x")
    return made.getvalue()


def members(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: pack(data[:1000]) + pack(data[1000:])


PACKED = [
    ("a.txt.zst", zst),
    ("a.zst", zst_frames),
    ("a.txt.gz", members(gzip.compress)),
    ("a.txt.xz", members(lzma.compress)),
    ("a.txt.bz2", members(bz2.compress)),
    (
        "a.lz4",
        lambda data: (
            pa.Codec("lz4").compress(data[:900], asbytes=True) + pa.Codec("lz4").compress(data[900:], asbytes=True)
        ),
    ),
    ("a.txt.lzma", lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE)),
    ("a.zip", zipped),
    ("a.txt.zip", zipped),
    ("b", zst),
    ("c.txt", lambda data: b"\xef\xbb\xbf" + data),
    ("d.txt", lambda data: data.replace(b"\n", b"\r\n")),
    ("e.txt", lambda data: data.removesuffix(b"\n")),
    ("-f.txt", bytes),
    ("g h, \u884c'[1].txt", bytes),
]


@pytest.mark.parametrize(("name", "pack"), PACKED, ids=[name for name, _ in PACKED])
def test_a_recording_is_the_same_however_it_is_packed(tmp_path: Path, name: str, pack: Any) -> None:
    path = tmp_path / name
    path.write_bytes(pack(HELD))
    report = report_of(path)
    assert (report["ok"], report["frames"], report["answers"]) == (True, 40, 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zst", zst(HELD * 50)[:-20], "undamaged: Truncated"),
        ("a.zst", zst(HELD * 50)[:100] + b"\xff" * 200, "expected a readable file: complete and undamaged: "),
        ("a.zip", zipped(HELD, "other.txt"), "zip of one file, was a zip archive of 2"),
        ("a.zip", zipped(HELD)[:-40], "was a zip archive"),
        ("a.gz", gzip.compress(b"PAR1" + bytes(20)), "was a Parquet file"),
        ("a.tar.gz", gzip.compress(bytes(257) + b"ustar" + bytes(300)), "was a tar archive: unpack it"),
        ("a.txt.gz", gzip.compress(gzip.compress(HELD)), "was packed twice: inside is gzip"),
        ("a.txt", HELD.decode().encode("utf-16"), "found none of them: its text is UTF-16"),
        ("a.txt", bytes(64), "64 of its 64 bytes are zero"),
        ("a.txt", b'{"code":-1121,"msg":"Invalid symbol."}', ": the document: expected a frame, was"),
        ("a.pcap.zst", zst(b"\x4d\x3c\xb2\xa1" + bytes(60)), "was a capture of packets"),
        ("a.txt", b"", "found none of them"),
    ],
)
def test_what_cannot_be_unpacked_says_why(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said) as caught:
        report_of(path)
    assert not str(caught.value).rstrip().endswith(":")


# -- lines that say what they are --------------------------------------------------------------------------------------


def typed(*, format_: int = 2, exchange: str = "BINANCE", host: str = "binance.com", late: bool = False) -> bytes:
    """The minute as cryptofeed records it; `late`: the kind stands behind the payload."""
    rows: list[dict[str, Any]] = [{"t": "header", "format": format_, "exchange": exchange, "config": {}}]
    url = f"https://api.{host}/api/v3/depth?symbol=BTCUSDT&limit=1000"
    rows.append({"t": "http", "conn": "B.http.0", "ts": T0 / 1000, "url": url, "data": json.dumps(book(0))})
    rows.append({"t": "connect", "conn": "B.ws.1", "ts": T0 / 1000, "addr": f"wss://stream.{host}:9443/stream"})
    rows.append({"t": "send", "conn": "B.ws.1", "ts": T0 / 1000, "addr": f"wss://stream.{host}:9443", "data": "{}"})
    for number, (at, frame) in enumerate(hour()[1:]):
        text = json.dumps(frame)
        data = {"b64": base64.b64encode(text.encode()).decode()} if number == 3 else {"data": text}
        row = {"t": "recv", "conn": "B.ws.1", "ts": at / 1000, **data}
        rows.append(dict(reversed(row.items())) if late else row)
    rows.append({"t": "recv", "conn": "B.ws.1", "ts": T0 / 1000, "data": "pong"})
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.mark.parametrize("format_", [2, 3])
@pytest.mark.parametrize("late", [False, True])
def test_lines_that_say_what_they_are(tmp_path: Path, format_: int, late: bool) -> None:
    path = tmp_path / "BINANCE.jsonl.zst"
    path.write_bytes(zst(typed(format_=format_, late=late)))
    report = report_of(path)
    assert (report["ok"], report["frames"], report["answers"], report["market_by"]) == (True, 40, 1, "host")
    assert row_of(report, "BTC-USDT", "orderbook")["updates"] == 20
    assert {row.ts_recv % 1_000_000 for row in VenueRecording(path).rows()} == {0}


@pytest.mark.parametrize("bad", ["1e999999999", '"x"', "null", "-1", "[]", "99999999999999999999999999"])
def test_a_line_with_another_time_is_refused_by_itself(tmp_path: Path, bad: str) -> None:
    held = typed().splitlines()
    held[10] = held[10].replace(b'"ts": 1700000003.001', b'"ts": ' + bad.encode())
    assert bad.encode() in held[10]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(held))
    report = report_of(path)
    assert (report["frames"], report["rejected"]) == (39, 1)
    assert "line 11: " in report["examples"]["malformed"]


# -- addresses of others -----------------------------------------------------------------------------------------------


def text_capture(host: str, frame: dict[str, Any]) -> bytes:
    opened = f"wss://{host} <-> {T0 / 1000}\n"
    return opened.encode() + b"%f: %b\n" % ((T0 + 1) / 1000, json.dumps(frame).encode())


BYBIT = {
    "topic": "publicTrade.BTCUSDT",
    "type": "snapshot",
    "ts": T0,
    "data": [{"T": T0, "s": "BTCUSDT", "S": "Sell", "v": "2", "p": "1.5", "i": "1", "BT": False}],
}
OKX = {
    "arg": {"channel": "trades", "instId": "BTC-USDT"},
    "data": [{"instId": "BTC-USDT", "tradeId": "1", "px": "1", "sz": "1", "side": "buy", "ts": str(T0)}],
}
DERIBIT = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "quote.BTC-PERPETUAL", "data": {}}}
FOREIGN = [
    ("stream.testnet.binance.vision:9443/ws", trade(T0, 1), "binance"),
    ("stream.binance.us:9443/ws", trade(T0, 1), "binance"),
    ("testnet.binancefuture.com/ws", trade(T0, 1), "binance-usdm"),
    ("stream.binancefuture.com/ws", trade(T0, 1), "binance-usdm"),
    ("nbstream.binance.com/eoptions/ws", trade(T0, 1), "binance"),
    ("STREAM.BINANCE.COM.example.org/ws", trade(T0, 1), "binance"),
    ("127.0.0.1:9443/ws", trade(T0, 1), "binance"),
    ("stream-testnet.bybit.com/v5/public/spot", BYBIT, "bybit"),
    ("stream-demo.bybit.com/v5/public/spot", BYBIT, "bybit"),
    ("stream.bybit.com/v5/public/inverse", BYBIT, "bybit"),
    ("wspap.okx.com:8443/ws/v5/public", OKX, "okx"),
    ("wseea.okx.com:8443/ws/v5/public", OKX, "okx"),
    ("test.deribit.com/ws/api/v2", DERIBIT, "deribit"),
]


@pytest.mark.parametrize(("host", "frame", "market"), FOREIGN, ids=[host for host, _, _ in FOREIGN])
@pytest.mark.parametrize("form", ["text", "typed"])
def test_what_another_network_sent_is_read_only_where_that_is_asked_for(
    tmp_path: Path, host: str, frame: dict[str, Any], market: str, form: str
) -> None:
    path = tmp_path / "capture.txt"
    if form == "text":
        path.write_bytes(text_capture(host, frame))
    else:
        rows = [
            {"t": "connect", "conn": "x.ws.1", "ts": T0 / 1000, "addr": f"wss://{host}"},
            {"t": "recv", "conn": "x.ws.1", "ts": T0 / 1000, "data": json.dumps(frame)},
        ]
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(SourceError, match="another exchange, market or network") as caught:
        VenueRecording(path)
    assert host.partition("/")[0].partition(":")[0].lower() in str(caught.value)
    with pytest.raises(SourceError, match="another exchange"):
        asyncio.run(VenueReplay([path]).connect())
    assert VenueRecording(path, market).market == market


@pytest.mark.parametrize(
    "line",
    [
        b"https://api.binance.us/api/v3/depth?symbol=BTCUSDT -> 1700000000.0: " + json.dumps(book(0)).encode(),
        b"https://api.binance.us/api/v3/depth?symbol=BTCUSDT -> 1700000000000: " + json.dumps(book(0)).encode(),
        b"wss://stream.binance.us:9443 <- 1700000000.0: {}",
        b"wss://stream.binance.us:9443/ws",
        b'{"path":"https://api.binance.us/api/v3/depth","query":"symbol=BTCUSDT","data":{"lastUpdateId":1,"bids":[],"asks":[]}}',
        b'{"t":"header","format":2,"exchange":"BINANCE_US","config":{}}',
    ],
)
def test_one_line_says_whose_a_file_is(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(HELD + line + b"\n")
    with pytest.raises(SourceError, match="another exchange") as caught:
        VenueRecording(path)
    assert "us" in str(caught.value).lower()


def test_the_name_of_a_raw_capture_says_whose_it_is(tmp_path: Path) -> None:
    for name, foreign in (("BINANCE_US.ws.1.0", True), ("BINANCE.ws.1.0", False), ("BTCUSDT.txt", False)):
        path = tmp_path / name
        path.write_bytes(HELD)
        if foreign:
            with pytest.raises(SourceError, match="BINANCE_US"):
                VenueRecording(path)
        else:
            assert VenueRecording(path).market == "binance"


def test_addresses_of_the_venue_that_tell_no_market_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text_capture("stream.bybit.com/v5/private", BYBIT))
    assert VenueRecording(path).market == "bybit"


# -- cut off -----------------------------------------------------------------------------------------------------------


def test_half_a_last_frame_is_refused_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(HELD + lines((T0 + 30 * SECOND, depth(T0 + 30 * SECOND, 21, 21)))[:90])
    report = report_of(path)
    assert (report["frames"], report["rejected"]) == (41, 1)
    assert row_of(report, "BTC-USDT", "orderbook")["updates"] == 20


@pytest.mark.parametrize(
    "bad",
    [
        b"99999999999 {}",
        b"2023-99-14T22:13:20Z {}",
        lines((T0, book(1)))[:60],
        b'{"lastUpdateId":"x","bids":[],"asks":[]}',
    ],
)
def test_a_line_that_cannot_be_read_is_refused_by_itself_and_named(tmp_path: Path, bad: bytes) -> None:
    rows = HELD.splitlines()
    path = tmp_path / "a.txt"
    path.write_bytes(b"\n".join([*rows[:5], bad, *rows[5:]]))
    report = report_of(path)
    assert (report["frames"], report["rejected"]) == (40, 1)
    assert "line 6: " in report["examples"]["malformed"]


def test_the_whole_part_of_a_damaged_file_is_read_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(HELD) + gzip.compress(b"x" * 1000)[:-20])
    with pytest.raises(SourceError, match="complete compressed file"):
        VenueRecording(path)
    rows = list(VenueRecording(path, partial=True).rows())
    assert [row.what for row in rows].count("frame") == 40
    assert "complete compressed file" in rows[-1].host
    done = CliRunner().invoke(app.app, ["inspect", str(path), "--partial"])
    assert done.exit_code == 1
    assert "rejected (truncated)" in done.stdout
    source = VenueReplay([path], partial=True)
    asyncio.run(source.connect())
    assert source.skipped == {"truncated": 1}


def test_a_name_of_odd_bytes_and_markup_is_printed(tmp_path: Path) -> None:
    path = Path(str(tmp_path / "a") + b"\xff[red]\x1b[31m.txt".decode("utf-8", "surrogateescape"))
    path.write_bytes(HELD)
    for arguments in (["inspect", str(path)], ["inspect", str(path), "--json"]):
        done = CliRunner().invoke(app.app, arguments)
        assert done.exit_code == 0, done.output
        assert "\x1b" not in done.output
    path.write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "marketprism_services", "inspect", str(path)], capture_output=True, check=False
    )
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr, done.stderr


def test_a_pipe_is_no_recording(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(SourceError, match="was a pipe"):
        report_of(tmp_path / "a.txt")


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_what_is_refused_is_named_by_file_and_line_and_an_event_tells_it(tmp_path: Path) -> None:
    rows = HELD.splitlines(keepends=True)
    path = tmp_path / "btcusdt.txt"
    path.write_bytes(b"".join([*rows[:6], rows[6].replace(b'"T":17', b'"T":-17'), b"\xff\xfe" + rows[7], *rows[8:]]))
    report = report_of(path)
    assert report["rejected"] == 2
    assert report["examples"]["time"].startswith(f"{path}, line 7: T: expected a time")
    assert report["examples"]["malformed"].startswith(f"{path}, line 8: expected a time and a frame")

    async def events() -> list[Any]:
        source = VenueReplay([path])
        await source.connect()
        return [event async for batch in source.stream({}) for event in batch.events]

    told = {event.reason: event for event in asyncio.run(events())}
    assert {reason: event.frames for reason, event in told.items()} == {"time": 1, "malformed": 1}
    assert told["time"].error == report["examples"]["time"]


def test_one_frame_that_lacks_what_tells_its_market_makes_no_second_market(tmp_path: Path) -> None:
    rows = HELD.splitlines(keepends=True)
    at = [number for number, row in enumerate(rows) if b"aggTrade" in row][10]
    rows[at] = rows[at].replace(b',"M":true', b"")
    path = tmp_path / "btcusdt.txt"
    path.write_bytes(b"".join(rows))
    report = report_of(path)  # one market
    assert (report["market"], row_of(report, "BTC-USDT", "trade")["normalised"]) == ("binance", 20)
