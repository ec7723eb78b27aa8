"""Files as venues and programs write them: three rows of each format, packed in every way."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import sqlite3
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.queries.arrow_tables import table_of
from marketprism_application.queries.export import render
from tests.contract.test_codec import SAMPLES

T0 = 1_704_067_200_000  # 2024-01-01T00:00Z in milliseconds
MINUTE = 60_000


def kline(n: int, unit: int = 1) -> str:
    ts = (T0 + n * MINUTE) * unit
    end = (T0 + (n + 1) * MINUTE) * unit - 1
    up, volume = n % 3, Decimal(f"{n + 1}.125")
    money = (42005 + up) * volume
    return f"{ts},4200{up}.1,420{10 + up}.5,4199{up}.25,4200{5 + up}.0,{volume},{end},{money},17,0.5,21000.03,0"


def zipped(path: Path, member: str, text: str, *, summed: bool = True) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, text)
    if summed:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_name(path.name + ".CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return path


def spot_klines(folder: Path) -> Path:
    return zipped(folder / "x.zip", "BTCUSDT-1m-2024-01.csv", "\n".join(kline(n) for n in range(3)) + "\n")


def usdm_klines(folder: Path) -> Path:
    head = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore\n"
    )
    text = head + "\n".join(kline(n) for n in range(3)) + "\n"
    return zipped(folder / "y.zip", "BTCUSDT-1m-2024-01.csv", text)


def klines_in_us(folder: Path) -> Path:
    return zipped(folder / "z.zip", "BTCUSDT-1m-2025-01.csv", "\n".join(kline(n, 1_000) for n in range(3)) + "\n")


def aggregated(folder: Path) -> Path:
    rows = [f"{900 + n},42000.5,0.25,{10 + 2 * n},{11 + 2 * n},{T0 + n},True,True" for n in range(3)]
    return zipped(folder / "a.zip", "BTCUSDT-aggTrades-2024-01-01.csv", "\n".join(rows) + "\n")


def aggregated_of_contracts(folder: Path) -> Path:
    head = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    rows = [f"{900 + n},42000.5,0.25,{10 + 2 * n},{11 + 2 * n},{T0 + n},true" for n in range(3)]
    return zipped(folder / "b.zip", "BTCUSDT-aggTrades-2024-01-01.csv", head + "\n".join(rows) + "\n")


def single(folder: Path) -> Path:
    rows = [f"{900 + n},42000.5,0.25,10500.125,{T0 + n},True,True" for n in range(3)]
    return zipped(folder / "c.zip", "BTCUSDT-trades-2024-01-01.csv", "\n".join(rows) + "\n")


def rates(folder: Path) -> Path:
    rows = [f"{T0 + n * 28_800_000},8,0.0001{n}" for n in range(3)]
    text = "calc_time,funding_interval_hours,last_funding_rate\n" + "\n".join(rows) + "\n"
    return zipped(folder / "d.zip", "BTCUSDT-fundingRate-2024-01.csv", text)


def metrics(folder: Path) -> Path:
    head = "create_time,symbol,sum_open_interest,sum_open_interest_value,count_long_short_ratio\n"
    rows = [f"2024-01-01 00:{5 * n:02d}:00,BTCUSDT,{75_000 + n}.5,3150000000.1,1.2" for n in range(3)]
    return zipped(folder / "e.zip", "BTCUSDT-metrics-2024-01-01.csv", head + "\n".join(rows) + "\n")


def tardis_trades(folder: Path) -> Path:
    head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    rows = [
        f"binance-futures,BTCUSDT,{(T0 + n) * 1000},{(T0 + n) * 1000 + 9},{900 + n},sell,42000.5,0.25" for n in range(3)
    ]
    path = folder / "trades.whatever"
    path.write_bytes(gzip.compress((head + "\n".join(rows) + "\n").encode()))
    return path


def book_ticker(folder: Path, rows: list[str] | None = None) -> Path:
    head = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
    usual = [f"{700 + 3 * n},42000.{n},2.5,42001.{n},1.5,{T0 + n},{T0 + n + 4}" for n in range(3)]
    text = "\n".join([head, *(usual if rows is None else rows)]) + "\n"
    return zipped(folder / "q.zip", "BTCUSDT-bookTicker-2024-01-01.csv", text)


def tardis_quotes(folder: Path) -> Path:
    head = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
    rows = [f"okex-swap,BTC-USDT-SWAP,{(T0 + n) * 1000},{(T0 + n) * 1000 + 9},1,42001,42000,2" for n in range(3)]
    path = folder / "quotes.csv"
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def tardis_book(folder: Path) -> Path:
    head = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
    rows = [f"deribit,BTC-PERPETUAL,{(T0 + n) * 1000},{(T0 + n) * 1000 + 9},true,bid,42000,2" for n in range(3)]
    path = folder / "book.csv"
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def tardis_ticker(folder: Path) -> Path:
    head = (
        "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,"
        "open_interest,last_price,index_price,mark_price\n"
    )
    rows = [
        f"bybit,BTCUSDT,{(T0 + n) * 1000},{(T0 + n) * 1000 + 9},,0.0001,,{75_000 + n},42000,42000,42000"
        for n in range(3)
    ]
    path = folder / "ticker.csv"
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def vnpy_csv(folder: Path) -> Path:
    head = "symbol,exchange,datetime,open,high,low,close,volume,turnover,open_interest\n"
    rows = [f"rb2405,SHFE,2024-01-02 09:0{n}:00,4000.0,4003.0,3998.0,4001.0,{n + 1},40000.0,90" for n in range(3)]
    path = folder / "rb.csv"
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def vnpy_sqlite(folder: Path) -> Path:
    path = folder / "database.db"
    with sqlite3.connect(path) as base:
        base.execute(
            "CREATE TABLE dbbardata (id INTEGER PRIMARY KEY, symbol TEXT, exchange TEXT, datetime TIMESTAMP, interval TEXT,"
            " volume REAL, turnover REAL, open_interest REAL, open_price REAL, high_price REAL, low_price REAL,"
            " close_price REAL)"
        )
        for n in (2, 0, 1):
            base.execute(
                "INSERT INTO dbbardata (symbol, exchange, datetime, interval, volume, turnover, open_interest, open_price,"
                " high_price, low_price, close_price) VALUES ('rb2405', 'SHFE', ?, '1m', ?, 40000, 90, 4000, 4003, 3998, 4001)",
                (f"2024-01-02 09:0{n}:00", n + 1),
            )
    base.close()
    return path


def tqsdk(folder: Path) -> Path:
    names = ",".join(
        f"SHFE.rb2405.{name}" for name in ("open", "high", "low", "close", "volume", "open_oi", "close_oi")
    )
    rows = [
        f"2024-01-02 09:0{n}:00.000000,{1_704_157_200 + 60 * n}000000000,4000.0,4003.0,3998.0,4001.0,{n + 1},89,90"
        for n in range(3)
    ]
    path = folder / "tq.csv"
    path.write_text(f"datetime,datetime_nano,{names}\n" + "\n".join(rows) + "\n")
    return path


def _freqtrade() -> pa.Table:
    return pa.table(
        {
            "date": pa.array([(T0 + n * MINUTE) for n in range(3)], pa.timestamp("ms", "UTC")),
            "open": [42000.1] * 3,
            "high": [42010.5] * 3,
            "low": [41990.25] * 3,
            "close": [42005.0] * 3,
            "volume": [1.125, 2.125, 3.125],
        }
    )


def freqtrade_feather(folder: Path) -> Path:
    path = folder / "BTC_USDT-1m.feather"
    feather.write_feather(_freqtrade(), str(path))
    return path


def lean(folder: Path) -> Path:
    rows = [f"{n * MINUTE},42000.1,42010.5,41990.25,42005.0,{n + 1}.125" for n in range(3)]
    return zipped(folder / "lean.zip", "20240101_btcusdt_minute_trade.csv", "\n".join(rows), summed=False)


def any_parquet(folder: Path) -> Path:
    path = folder / "BTCUSDT.parquet"
    parquet.write_table(_freqtrade().rename_columns(["Timestamp", "Open", "High", "Low", "Close", "Vol"]), path)
    return path


def chinese_csv(folder: Path) -> Path:
    rows = [f"2024/1/2,9:0{n},4000,4003,3998,4001,{n + 1}" for n in range(3)]
    path = folder / "rb2405.csv"
    path.write_bytes(("日期,时间,开盘价,最高价,最低价,收盘价,成交量\n" + "\n".join(rows) + "\n").encode("utf-8-sig"))
    return path


def packed_in_xz(folder: Path) -> Path:
    path = folder / "no_ending"
    path.write_bytes(lzma.compress(vnpy_csv(folder).read_bytes()))
    return path


def own_parquet(folder: Path) -> Path:
    """As `marketprism data export` writes klines."""
    rows = [
        SAMPLES["kline"]._replace(
            venue="binance",
            symbol="BTC-USDT",
            interval="1m",
            ts_open=(T0 + n * MINUTE) * 10**6,
            ts_close=(T0 + (n + 1) * MINUTE) * 10**6,
            open=Decimal("42000.1"),
            volume=Decimal(f"{n + 1}.125"),
        )
        for n in range(3)
    ]
    path = folder / "binance.BTC-USDT.1m.parquet"
    parquet.write_table(table_of(KINDS["kline"], rows), path)
    return path


def own_trades(folder: Path) -> Path:
    """As `marketprism` writes trades as CSV."""
    rows = [
        SAMPLES["trade"]._replace(
            venue="binance",
            symbol="BTC-USDT",
            trade_id=str(900 + n),
            ts_event=(T0 + n) * 10**6,
            price=Decimal("42000.5"),
            side="sell",
        )
        for n in range(3)
    ]
    path = folder / "trades.csv"
    path.write_bytes(render(table_of(KINDS["trade"], rows), "csv"))
    return path


def nautilus_bars(folder: Path) -> Path:
    """As `ParquetDataCatalog` writes bars: numbers of 16 bytes, stamped at their close."""
    texts = ("42000.1", "42010.5", "41990.25", "42005")
    columns = {name: _raw([text] * 3, 16) for name, text in zip(("open", "high", "low", "close"), texts, strict=True)}
    columns["volume"] = _raw([f"{n + 1}.125" for n in range(3)], 16)
    times = [(T0 + (n + 1) * MINUTE) * 10**6 for n in range(3)]
    return _catalog(folder, columns, times, {"bar_type": "BTCUSDT-PERP.BINANCE-1-MINUTE-LAST-EXTERNAL"})


def nautilus_trades(folder: Path) -> Path:
    """The same of trades, with numbers of 8 bytes, as standard precision has them."""
    columns = {
        "price": _raw(["42000.5", "42001", "42000.5"], 8),
        "size": _raw(["0.25"] * 3, 8),
        "aggressor_side": pa.array([2, 2, 2], pa.uint8()),
        "trade_id": pa.array(["900", "901", "902"]),
    }
    return _catalog(folder, columns, [(T0 + n) * 10**6 for n in range(3)], {"instrument_id": "BTCUSDT.BINANCE"})


def nautilus_quotes(folder: Path) -> Path:
    """The same of quotes."""
    columns = {name: _raw(["42000.5"] * 3, 16) for name in ("bid_price", "ask_price", "bid_size", "ask_size")}
    return _catalog(folder, columns, [(T0 + n) * 10**6 for n in range(3)], {"instrument_id": "BTC-USDT-SWAP.OKX"})


def _raw(texts: list[str], width: int) -> pa.Array:
    scale = 16 if width == 16 else 9
    units = [int(Decimal(text).scaleb(scale)) for text in texts]
    return pa.array([each.to_bytes(width, "little", signed=True) for each in units], pa.binary(width))


def _catalog(folder: Path, columns: dict[str, pa.Array], times: list[int], said: dict[str, str]) -> Path:
    stamps = pa.array(times, pa.uint64())
    metadata: dict[bytes | str, bytes | str] = {**said, "price_precision": "2", "size_precision": "3"}
    table = pa.table({**columns, "ts_event": stamps, "ts_init": stamps}).replace_schema_metadata(metadata)
    path = folder / "2024-01-01T00-01-00-000000000Z_2024-01-01T00-03-00-000000000Z.parquet"
    parquet.write_table(table, path)
    return path
