"""Files of NautilusTrader's catalog: instruments by their ids, bars by their types, what cannot be read by name."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from marketprism_adapters.exports import nautilus as exports
from marketprism_adapters.exports.series import ExportSeries
from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import FileSeries
from tests.support.import_files import nautilus_bars
from tests.unit.adapters.exports.export_rows import MINUTE, T0, klines, rows, trades


def said(folder: Path, **metadata: str) -> Path:
    """The file of bars with other metadata."""
    path = nautilus_bars(folder)
    table = parquet.read_table(path)
    parquet.write_table(table.replace_schema_metadata(dict(metadata)), path)
    return path


@pytest.mark.parametrize(
    ("bar_type", "series"),
    [
        ("BTCUSDT.BINANCE-1-MINUTE-LAST-EXTERNAL", FileSeries("bar", "binance", "BTC-USDT", "1m", "BTCUSDT")),
        (
            "BTCUSDT-PERP.BINANCE-15-SECOND-LAST-INTERNAL",
            FileSeries("bar", "binance", "BTC-USDT-PERP", "15s", "BTCUSDT"),
        ),
        (
            "BTC-USDT-PERP.BINANCE-1-MINUTE-LAST-EXTERNAL",
            FileSeries("bar", "binance", "BTC-USDT-PERP", "1m", "BTC-USDT-PERP"),
        ),
        ("ETHUSDT-LINEAR.BYBIT-1-HOUR-LAST-EXTERNAL", FileSeries("bar", "bybit", "ETH-USDT-PERP", "1h", "ETHUSDT")),
        ("rb2410.SHFE-5-MINUTE-LAST-INTERNAL@1-MINUTE-EXTERNAL", FileSeries("bar", "shfe", "rb2410", "5m", "rb2410")),
        ("rb2410.SHFE-1-DAY-LAST-EXTERNAL", FileSeries("bar", "shfe", "rb2410", "1d", "rb2410")),
    ],
)
def test_an_instrument_and_an_interval_are_known_by_the_type_of_bars(
    bar_type: str, series: FileSeries, tmp_path: Path
) -> None:
    file = open_rows_file(said(tmp_path, bar_type=bar_type))
    assert file.facts.series == (series,)
    assert file.facts.stamped == ("close" if bar_type.count("DAY") else "open")


@pytest.mark.parametrize(
    "bar_type",
    ["BTCUSDT.BINANCE-1-MINUTE-MID-EXTERNAL", "BTCUSDT.BINANCE-100-TICK-LAST-INTERNAL", "BTCUSDT", "A-x-MINUTE-LAST-E"],
)
def test_bars_that_are_none_of_last_prices_by_time_are_refused(bar_type: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="bar_type: expected bars of last prices by time, was"):
        open_rows_file(said(tmp_path, bar_type=bar_type))


def test_other_records_and_numbers_of_another_width_are_refused_by_name(tmp_path: Path) -> None:
    stamps = pa.array([T0], pa.uint64())
    path = tmp_path / "delta.parquet"
    table = pa.table({"action": pa.array([1]), "ts_event": stamps, "ts_init": stamps})
    parquet.write_table(table.replace_schema_metadata({"instrument_id": "BTCUSDT.BINANCE"}), path)
    with pytest.raises(
        SourceError, match="expected bars, trades or quotes of a catalog, was action, ts_event, ts_init"
    ):
        open_rows_file(path)
    narrow = pa.array([b"1234"], pa.binary(4))
    table = pa.table(
        dict.fromkeys(("open", "high", "low", "close", "volume"), narrow) | {"ts_event": stamps, "ts_init": stamps}
    )
    parquet.write_table(table.replace_schema_metadata({"bar_type": "BTCUSDT.BINANCE-1-MINUTE-LAST-EXTERNAL"}), path)
    with pytest.raises(SourceError, match="open: expected numbers of 8 or 16 bytes"):
        open_rows_file(path)


def test_bytes_without_the_metadata_of_a_catalog_are_an_error_that_names_the_field(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="row 2: open: expected a number or a time"):
        open_rows_file(said(tmp_path, other="x"))


def test_what_is_exported_comes_back(tmp_path: Path) -> None:
    series = ExportSeries("binance", "BTC-USDT-PERP", "1m", "BTCUSDT-PERP")
    made = [rows("kline", klines(300))], [rows("trade", trades([(1, 5), (2, 6)]))]
    for kind, tables in zip(("kline", "trade"), made, strict=True):
        (path,) = exports.write(series, {kind: tables}, tmp_path).files
        file = open_rows_file(path)
        (found,) = file.facts.series
        assert (found.venue, found.symbol) == ("binance", "BTC-USDT-PERP")
        table = pa.Table.from_batches(list(file.batches(found)))
        for theirs, ours in (("open", "open"), ("volume", "volume"), ("price", "price"), ("side", "side")):
            if theirs in table.column_names and ours in tables[0].column_names:
                assert table.column(theirs).to_pylist() == tables[0].column(ours).to_pylist()
        if kind == "kline":
            assert table.column("ts_open").to_pylist()[:2] == [T0, T0 + MINUTE]
