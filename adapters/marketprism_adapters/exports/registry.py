"""The formats of files that are written: one row each."""

from __future__ import annotations

from marketprism_adapters.exports import hftbacktest, hive_parquet, lean, nautilus, vnpy_sqlite
from marketprism_adapters.exports.series import ExportFormat

_ROWS = (
    ExportFormat(
        "parquet",
        ("bar", "kline", "trade", "tick", "orderbook", "book_top", "funding_rate", "open_interest"),
        hive_parquet.write,
        "a file a day in Hive layout; everything that is stored of a row",
    ),
    ExportFormat(
        "vnpy-sqlite", ("bar", "kline", "tick"), vnpy_sqlite.write, "database.db with bars, ticks and overviews"
    ),
    ExportFormat("lean", ("bar", "kline"), lean.write, "zips of minute bars of crypto venues, a day each"),
    ExportFormat(
        "nautilus",
        ("bar", "kline", "trade", "tick", "book_top"),
        nautilus.write,
        "a ParquetDataCatalog: bars stamped at their close, trades, quotes of ticks or of books",
    ),
    ExportFormat(
        "hftbacktest",
        ("orderbook", "trade"),
        hftbacktest.write,
        "an .npz of book and trade events, in order for both clocks",
        together=True,
    ),
)
EXPORTS: dict[str, ExportFormat] = {row.name: row for row in _ROWS}
