"""Archives that others keep are called by what they are, by every way to them."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.sources.registry import make_source, parse_source, replay_spec
from marketprism_adapters.venues.recordings.archives import archive_in, of_text
from marketprism_adapters.venues.recordings.discovery import found_recordings
from marketprism_application.errors import SourceError

KLINES = (
    "1637971200000,0.1,0.2,0.1,0.2,363.2,1637971259999,1.03,79,195.2,0.55,0\n"
    "1637971260000,0.2,0.3,0.1,0.2,89.6,1637971319999,2.54,98,590.4,1.68,0\n"
)
AGG_TRADES = "26129,0.01633102,4.70443515,27781,27781,1498793709153,True,True\n"
TRADES = "28457,4.00000100,12.00000000,48.000012,1499865549590,True,True\n"


def database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE dbbardata (symbol TEXT)")
        made.execute("CREATE TABLE dbtickdata (symbol TEXT)")


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("BTCUSDT-1m-2021-11-27.csv", KLINES)


def text(held: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(held, encoding="utf-8")


BARS = pa.table({"date": [1], "open": [1.0], "high": [1.0], "low": [1.0], "close": [1.0], "volume": [1.0]})
NAMED = {  # columns of a header, with their sign between them
    "timestamp,percentage,depth,notional": "book depth by distance",
    "timestamp,symbol,side,size,price,tickDirection,trdMatchID": "trades as exchanges",
    "instrument_name,trade_id,side,price,size,created_time": "trades as exchanges",
    "trade_id/\u64ae\u5408id,side/\u65b9\u5411,size/\u91cf,price/\u4ef7,created_time/\u65f6": "trades as exchanges",
    "trade_seq,trade_id,timestamp,price,instrument_name,direction": "trades as exchanges",
    "time_exchange;time_coinapi;guid;price": "trades as coinapi",
    "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>": "bars",
    "https://www.example.com\nUnix,Date,Symbol,Open,High,Low,Close": "bars",
    "datetime,datetime_nano,SHFE.rb2405.last_price": "ticks as tqsdk",
    "\u65f6\u95f4,\u5f00\u76d8\u4ef7,\u6700\u9ad8\u4ef7,\u6700\u4f4e\u4ef7,\u6536\u76d8\u4ef7": "bars with Chinese names",
    "1,1,1,2,2,1704067200000,1704067200000": "best prices as exchanges publish them, without a header",
    '{"type":"trade","symbol":"X","exchange":"binance","localTimestamp":"2019"}': "records as tardis",
    '{"ts":1.5,"price":"1","q_base":"1","side":"buy"}': "trades as hummingbot",
    '{"instId":"BTC-USDT","action":"snapshot","ts":"1","asks":[],"bids":[]}': "books as exchanges publish them",
}
STARTS = {b"DBN\x03": "records as databento", b"Obj\x01": "an Avro file", bytes(8) + b"DUCK": "a DuckDB database"}


@pytest.mark.parametrize(("begins", "called"), NAMED.items())
def test_a_text_is_called_by_its_columns(begins: str, called: str) -> None:
    assert called in of_text(f"{begins}\n".encode())


@pytest.mark.parametrize(("begins", "called"), STARTS.items())
def test_a_file_is_called_by_how_it_begins_also_when_it_is_packed(tmp_path: Path, begins: bytes, called: str) -> None:
    for name, content in (("a", begins + bytes(600)), ("a.gz", gzip.compress(begins + bytes(600)))):
        (tmp_path / name).write_bytes(content)
        assert called in archive_in(tmp_path / name)


@pytest.mark.parametrize(
    ("columns", "called"),
    [
        ("ts_event ts_init bid_price ask_price", "quotes as nautilus"),
        ("ts_event ts_init aggressor_side price", "trades as nautilus"),
        ("origin_time received_time trade_id price", "trades as CryptoLake"),
    ],
)
def test_a_parquet_file_is_called_by_its_columns(tmp_path: Path, columns: str, called: str) -> None:
    pq.write_table(pa.table({name: [1] for name in columns.split()}), tmp_path / "a.parquet")
    assert called in archive_in(tmp_path / "a.parquet")


def test_ticks_of_a_counter_are_called_so_where_frames_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("InstrumentID,LastPrice\nrb2405,1\n")
    with pytest.raises(SourceError, match="was ticks of a counter: `rebuild`"):
        found_recordings([str(tmp_path / "a.csv")])


FORMS: list[tuple[str, Callable[[Path], object], str]] = [
    ("BTCUSDT-1m-2021-11-27.csv", text(KLINES), "klines as exchanges publish them, without a header"),
    ("BTCUSDT-1m-2025-01-01.csv", text(KLINES.replace("1637971", "1735689").replace("000,", "000000,")), "klines"),
    ("a.csv.gz", lambda path: path.write_bytes(gzip.compress(KLINES.encode())), "klines"),
    ("a.txt", text(KLINES), "klines"),
    ("BTCUSDT-1m-2021-11-27.zip", zipped, "a zip archive with a table of klines"),
    ("BTCUSDT-aggTrades-2017-07-14.csv", text(AGG_TRADES), "aggregate trades"),
    ("BTCUSDT-trades-2017-07-14.csv", text(TRADES), "trades"),
    ("trades.csv", text("id,price,qty,quote_qty,time,is_buyer_maker\n1,2,3,4,1637971200000,true\n"), "trades"),
    ("k.csv", text("open_time,open,high,low,close,volume\n"), "klines as exchanges publish them"),
    ("t.csv", text("exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"), "trades as tardis"),
    (
        "b.csv",
        text("exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"),
        "book changes as tardis",
    ),
    ("v.csv", text("\ufeffdatetime,open_price,high_price,low_price,close_price,volume\n"), "bars as vnpy"),
    ("database.db", database, "an SQLite database of bars as vnpy keeps them and ticks as vnpy keeps them"),
    (
        "t1.csv",
        text("datetime,datetime_nano,SHFE.cu1805.last_price,SHFE.cu1805.highest,SHFE.cu1805.lowest\n"),
        "ticks as tqsdk",
    ),
    (
        "t2.csv",
        text(",id,datetime,last_price,average,highest,lowest,ask_price1,ask_volume1,bid_price1\n"),
        "ticks as tqsdk",
    ),
    ("t3.csv", text("vtSymbol,symbol,exchange,lastPrice,volume,time,date,bidPrice1,askPrice1\n"), "ticks as vnpy kept"),
    ("t4.csv", text("datetime,trading_date,open,last,high,low,limit_up,a1,a2,b1,b2,a1_v,b1_v\n"), "ticks as RQData"),
    ("t5.csv", text("time,current,high,low,volume,money,position,a1_p,a1_v,b1_p,b1_v\n"), "ticks as JoinQuant"),
    ("t6.csv", text("windcode,datetime,last,ask1,bid1,volume,oi\n"), "ticks as Wind"),
    (
        "t7.csv",
        text("time,lastPrice,open,high,low,lastClose,amount,volume,openInt,askPrice,bidPrice\n"),
        "ticks as QMT",
    ),
    ("t8.csv", text("时间,开盘,最高,最低,收盘,成交量\n"), "bars with Chinese names"),
    ("q.csv", text("datetime,datetime_nano,SHFE.cu1805.open,SHFE.cu1805.close\n"), "bars as tqsdk"),
    ("XRP_ETH-1m.json", text(json.dumps([[1570752000000, 1.5, 1.6, 1.4, 1.5, 3478.0]] * 3)), "bars, as freqtrade"),
    (
        "XRP_ETH-trades.json",
        text(json.dumps([[1570752000000, "1", None, "sell", 1.5, 2.0, 3.0]])),
        "trades, as freqtrade",
    ),
    ("XRP_ETH-1m.feather", lambda path: pyarrow.feather.write_feather(BARS, str(path)), "a Feather file of bars"),
    ("XRP_ETH-1m.parquet", lambda path: pq.write_table(BARS, path), "a Parquet file of bars"),
    ("store.h5", lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64)), "an HDF5 file"),
    ("ohlc.csv", text("Date,Open,High,Low,Close\n2021-01-01,1,2,3,4\n"), "bars"),
]


@pytest.mark.parametrize(("name", "write", "said"), FORMS, ids=[name for name, _, _ in FORMS])
def test_an_archive_is_called_by_what_it_is(
    tmp_path: Path, name: str, write: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / name
    write(path)
    assert said in archive_in(path)
    with pytest.raises(SourceError, match=r"an archive that `replay` does not read yet"):
        found_recordings([str(path)])


@pytest.mark.parametrize(("name", "write", "said"), FORMS, ids=[name for name, _, _ in FORMS])
def test_a_replay_refuses_it_by_that_name(
    tmp_path: Path, name: str, write: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / name
    write(path)
    spec = parse_source(replay_spec([str(path)]))

    def connect() -> None:
        source = make_source(spec, chinese_calendar_of_markets(), speed=None)
        asyncio.run(source.connect())

    with pytest.raises(SourceError, match="does not read yet") as caught:
        connect()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "begins",
    [
        b"localtime,InstrumentID,TradingDay,ActionDay,UpdateTime,UpdateMillisec,LastPrice,Volume\n",
        b"TradingDay,InstrumentID,LastPrice,open,high,low,close\n",
        b"a,b\n1,2\n",
        b"1,2,3,4,5,6\n1,2,3,4,5,6\n",
        b"",
        b"\x00\xff",
        b'[[1,2],"x"]',
        b'[{"e":"aggTrade"}]',
        b'"unclosed\n',
    ],
)
def test_what_is_none_has_no_name(begins: bytes) -> None:
    assert of_text(begins) == ""
