"""A catalog of NautilusTrader: by its documented layout, and by its own reader where that is installed."""

from __future__ import annotations

import importlib
import importlib.util
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from marketprism_adapters.exports import nautilus
from marketprism_application.errors import QueryError, SourceError
from tests.contract.test_codec import SAMPLES
from tests.unit.adapters.exports.export_rows import MINUTE, PERP, T0, klines, level, rows, trades


def number(raw: bytes) -> Decimal:
    """Of 16 bytes, least first, in units of 10^-16."""
    assert len(raw) == 16
    return Decimal(int.from_bytes(raw, "little", signed=True)).scaleb(-16)


def test_bars_are_stamped_at_their_close_and_exact(tmp_path: Path) -> None:
    done = nautilus.write(PERP, {"kline": [rows("kline", klines(3)), rows("kline", klines(2, 3))]}, tmp_path)
    assert dict(done.rows) == {"kline": 5}
    (path,) = done.files
    bar_type = "BTCUSDT.BINANCE-1-MINUTE-LAST-EXTERNAL"
    name = "2024-01-01T00-01-00-000000000Z_2024-01-01T00-05-00-000000000Z.parquet"
    assert path == tmp_path / "data" / "bar" / bar_type / name
    table = pq.read_table(path)
    assert table.schema.metadata == {
        b"bar_type": bar_type.encode(),
        b"instrument_id": b"BTCUSDT.BINANCE",
        b"price_precision": b"2",
        b"size_precision": b"3",
    }
    assert table.column_names == ["open", "high", "low", "close", "volume", "ts_event", "ts_init"]
    assert not any(field.nullable for field in table.schema)
    row = table.to_pylist()[1]
    assert (row["ts_event"], row["ts_init"]) == (T0 + 2 * MINUTE, T0 + 2 * MINUTE)
    assert [number(row[name]) for name in ("open", "low", "close", "volume")] == [
        Decimal(text) for text in ("42001.1", "41990.25", "42006", "2.125")
    ]


def test_trades_and_quotes_of_books_and_of_ticks(tmp_path: Path) -> None:
    # The second was received before the first: files are in the order of that.
    taken = rows("trade", trades([(1, 5), (2, 4)]))
    tops = rows(
        "book_top",
        [
            SAMPLES["book_top"]._replace(ts_event=T0, ts_recv=T0 + 1, bids=(level("1", 2),), asks=(level("3", 4),)),
            SAMPLES["book_top"]._replace(ts_event=T0, ts_recv=T0 + 2, bids=(), asks=(level("3", 4),)),
        ],
    )
    done = nautilus.write(PERP, {"trade": [taken], "book_top": [tops]}, tmp_path)
    assert dict(done.rows) == {"trade": 2, "book_top": 1}
    first, second = pq.read_table(done.files[0]).to_pylist()
    assert (first["aggressor_side"], first["trade_id"], second["aggressor_side"]) == (1, "0", 2)
    assert (first["ts_init"], second["ts_init"]) == (T0 + 5 * 10**6, T0 + 5 * 10**6)
    (quote,) = pq.read_table(done.files[1]).to_pylist()
    assert [number(quote[name]) for name in ("bid_price", "bid_size", "ask_price", "ask_size")] == [1, 2, 3, 4]


def test_what_the_catalog_cannot_hold_is_refused_by_name(tmp_path: Path) -> None:
    fine = [klines(1)[0]._replace(volume=Decimal("0.12345678901234567"))]
    with pytest.raises(QueryError, match="volume: expected at most 16 digits behind the point"):
        nautilus.write(PERP, {"kline": [rows("kline", fine)]}, tmp_path)
    with pytest.raises(SourceError, match="kline: expected rows in the range, there are none"):
        nautilus.write(PERP, {"kline": []}, tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("nautilus_trader") is None, reason="nautilus_trader is not installed")
def test_its_own_reader_reads_it(tmp_path: Path) -> None:
    nautilus.write(PERP, {"kline": [rows("kline", klines(5))], "trade": [rows("trade", trades([(1, 2)]))]}, tmp_path)
    catalog = importlib.import_module("nautilus_trader.persistence.catalog").ParquetDataCatalog(str(tmp_path))
    bars = catalog.bars()
    assert [str(bar.close) for bar in bars] == ["42005.00", "42006.00", "42007.00", "42005.00", "42006.00"]
    assert [bar.ts_event for bar in bars] == [T0 + (n + 1) * MINUTE for n in range(5)]
    (trade,) = catalog.trade_ticks()
    assert (str(trade.price), str(trade.size)) == ("42000.5", "0.25")
