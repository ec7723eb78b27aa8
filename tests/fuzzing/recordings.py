"""Recordings: of counters, of venues, and what the product itself has captured."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.capture.files import BlockWriter, CaptureFile
from marketprism_adapters.counters.depth.fields import BadField
from marketprism_adapters.counters.depth.messages import CTP_COLUMNS, Skipped
from marketprism_adapters.counters.depth.reader import DepthReader
from marketprism_adapters.counters.recordings.formats import CFFEX_COLUMNS
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_adapters.counters.simulated_front import wire
from marketprism_adapters.venues.recordings.recording import VenueRecording
from marketprism_application.contracts.codec import decode, encode
from marketprism_application.contracts.kinds import TICK
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from tests.fuzzing import venue_frames
from tests.fuzzing.mutation import lines, mutated_bytes, mutated_json, mutated_msgpack, mutated_table
from tests.fuzzing.on_disk import empty_folder, file_of
from tests.fuzzing.target import Target, expect

CALENDAR = chinese_calendar_of_markets()
_ROW = {
    "TradingDay": "20181009",
    "InstrumentID": "ru1901",
    "ExchangeID": "SHFE",
    "LastPrice": "12485",
    "Volume": "10",
    "Turnover": "1248500",
    "OpenInterest": "300",
    "UpdateTime": "09:00:01",
    "UpdateMillisec": "500",
    "ActionDay": "20181009",
    "BidPrice1": "12480",
    "BidVolume1": "3",
    "AskPrice1": "12490",
    "AskVolume1": "4",
    "UpperLimitPrice": "13000",
    "LowerLimitPrice": "11000",
    "AveragePrice": "12485.5",
}
_CFFEX = {
    "exchg": "CFFEX",
    "code": "IF1812",
    "price": "3200.4",
    "total_volume": "12",
    "total_turnover": "11520000",
    "trading_date": "20181009",
    "action_date": "20181009",
    "action_time": "93000500",
    "bid_price1": "3200",
    "bid_qty1": "2",
    "ask_price1": "3200.6",
    "ask_qty1": "1",
}


def check_tick(tick: Tick) -> None:
    """A tick of a reader can be published, and is read as itself."""
    expect(decode(TICK, encode(TICK, tick)) == tick, f"a tick is read as another one: {tick}")


# -- counters ------------------------------------------------------------------------------------------------------


def _counter(data: bytes) -> None:
    recording = Recording(file_of(data, "ru1901_20181009.csv"), CALENDAR)
    first = list(recording.rows())
    for tick in first:
        check_tick(tick)
    again = list(recording.rows())
    expect(again == first, "a recording that is read twice is not the same")


def _counter_seeds() -> list[bytes]:
    later = _ROW | {"UpdateTime": "09:00:02", "Volume": "12", "Turnover": "1498200"}
    night = _ROW | {"UpdateTime": "21:00:02", "ActionDay": "20181008", "ExchangeID": ""}
    ctp = lines(
        ",".join(CTP_COLUMNS), *(",".join(row.get(name, "0") for name in CTP_COLUMNS) for row in (night, _ROW, later))
    )
    cffex = lines(",".join(CFFEX_COLUMNS), ",".join(_CFFEX.get(name, "0") for name in CFFEX_COLUMNS))
    few = lines("sep=;", "交易日;合约代码;最新价;数量;最后修改时间", "20181009;ru1901;12485;10;09:00:01")
    return [
        ctp,
        cffex,
        few,
        few.replace(b";", b"\t"),
        few.decode().encode("utf-16"),
        few.decode().encode("gbk"),
        gzip.compress(ctp),
    ]


def _depth(data: bytes) -> None:
    fields = json.loads(data)
    if isinstance(fields, dict):
        found = DepthReader(CALENDAR, "ctp", {"ru1901": "SHFE"}).tick(fields, 1, 1_539_046_801_500_000_000)
        if not isinstance(found, Skipped):
            check_tick(found)


def _depth_seeds() -> list[bytes]:
    texts = ("TradingDay", "InstrumentID", "ExchangeID", "UpdateTime", "ActionDay")
    row = {name: _ROW.get(name, "") if name in texts else float(_ROW.get(name, 0)) for name in CTP_COLUMNS}
    return [
        json.dumps(row | more).encode()
        for more in ({}, {"Volume": 10, "UpdateMillisec": 500, "AskPrice2": 1.7976931348623157e308})
    ]


# -- venues --------------------------------------------------------------------------------------------------------


def _venue(data: bytes) -> None:
    for market in ("", "binance-usdm"):
        try:
            recording = VenueRecording(file_of(data, "BTCUSDT_20260101.txt"), market, partial=bool(market))
        except SourceError:
            if market:
                raise
            continue
        rows = [(row.what, row.ts_recv, row.payload, row.line) for row in recording.rows()]
        again = [(row.what, row.ts_recv, row.payload, row.line) for row in recording.rows()]
        expect(rows == again, "a recording that is read twice is not the same")


def _venue_seeds() -> list[bytes]:
    frames = venue_frames.of_market("binance-usdm", "BTCUSDT")[:6]
    at = 1_767_225_600_000_000_000
    address = b"wss://fstream.binance.com/stream?streams=btcusdt@aggTrade"
    typed = [b'{"type":"recv","ts":%d,"data":%s}' % (at, frame) for frame in frames[:2]]
    return [
        lines(*(b"%d %s" % (at, frame) for frame in frames)),
        lines(*(b"2026-01-01 00:00:00.123456\t%s" % frame for frame in frames)),
        lines(
            address + b" -> 1767225600.5: " + frames[0], b"1767225600.6: " + frames[2], address + b" <-> 1767225600.7"
        ),
        lines(*frames),
        b"[" + b",".join(frames) + b"]",
        lines(*typed),
        b'{"path":"https://fapi.binance.com/fapi/v1/depth","query":"symbol=BTCUSDT","data":{"lastUpdateId":5,"bids":[["1","2"]],"asks":[]}}',
        lines(b"1767225600123 " + b'{"lastUpdateId":5,"E":1767225600123,"bids":[["1","2"]],"asks":[["2","2"]]}'),
        *(
            lines(*(b"%d %s" % (at, frame) for frame in venue_frames.of_market(market, native)[:4]))
            for market, native in (("okx", "BTC-USDT-SWAP"), ("bybit", "BTCUSDT"), ("deribit", "BTC-PERPETUAL"))
        ),
        gzip.compress(lines(*(b"%d %s" % (at, frame) for frame in frames))),
    ]


# -- of the product's own ------------------------------------------------------------------------------------------


def _captured() -> Path:
    path = empty_folder("captured") / "a.frames"
    writer = BlockWriter(path)
    writer.write([(1, Channel("one", "ctp"), b"{}"), (2, Channel("two", "json"), b"[1]")])
    writer.write([(3, Channel("one", "ctp"), b"\x00")])
    writer.close()
    return path


def _capture(data: bytes) -> None:
    """The first two bytes say how many of the rest are the file; what is behind is its index."""
    cut = int.from_bytes(data[:2], "big")
    rest = data[2:]
    folder = empty_folder("capture")
    path = folder / "a.frames"
    path.write_bytes(rest[:cut])
    if rest[cut:]:
        path.with_suffix(_captured_index().suffix).write_bytes(rest[cut:])
    file = CaptureFile(path)
    file.is_simulated()
    frames = list(file.read())
    expect(len(frames) <= 100_000 and file.frames >= 0, "a small file has endless frames")
    list(file.read(2, 3))


def _captured_index() -> Path:
    return next(path for path in _captured().parent.iterdir() if path.suffix != ".frames")


def _capture_seeds() -> list[bytes]:
    path = _captured()
    data, index = path.read_bytes(), _captured_index().read_bytes()
    return [len(data).to_bytes(2, "big") + data, len(data).to_bytes(2, "big") + data + index]


def _front(data: bytes) -> None:
    """Frames of the simulated front, in two pieces: the same as in one."""
    whole = wire.Frames().feed(data)
    parts = wire.Frames()
    expect(parts.feed(data[: len(data) // 2]) + parts.feed(data[len(data) // 2 :]) == whole, "pieces are not the whole")


TARGETS = (
    Target(
        "counter-recording", _counter, (SourceError,), _counter_seeds, mutated_table, frozenset({"recording:counter"})
    ),
    Target(
        "counter-depth",
        _depth,
        (BadField, InvalidValue, ValueError),
        _depth_seeds,
        mutated_json,
        frozenset({"recording:depth"}),
    ),
    Target("venue-recording", _venue, (SourceError,), _venue_seeds, mutated_table, frozenset({"recording:venue"})),
    Target("capture", _capture, (SourceError,), _capture_seeds, mutated_bytes, frozenset({"recording:capture"})),
    Target(
        "front-wire",
        _front,
        (SourceError,),
        lambda: [wire.frame("login", {"a": 1}), wire.frame("x", None) * 2],
        mutated_msgpack,
    ),
)
