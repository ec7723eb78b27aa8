"""The formats of files that are read: one row each, asked in this order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.imports import archive_files, bar_programs, guesses, tardis
from marketprism_adapters.imports.containers import Packed, packed
from marketprism_adapters.imports.csv_tables import TextTable
from marketprism_adapters.imports.layout import Layout, Sample
from marketprism_adapters.imports.table_file import Table, TableFile
from marketprism_adapters.imports.typed_tables import ArrowTable, SqlTable
from marketprism_adapters.venues.binance import archive
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import FileHints, RowsFile


class Format(NamedTuple):
    """A format: how a table of it is recognised, which kinds it has, and what is special about it."""

    name: str
    recognise: Callable[[Sample], Layout | None]
    kinds: tuple[str, ...]
    containers: str
    note: str


_TEXT = "CSV, plain or as gzip, zip, xz, bzip2, zstd"
FORMATS: tuple[Format, ...] = (
    Format(
        archive.NAME,
        archive_files.recognise,
        ("bar", "trade", "funding_rate", "open_interest", "book_top"),
        _TEXT,
        "with or without a header; the unit of times by their digits; a zip needs its .CHECKSUM beside it",
    ),
    Format(
        "tardis",
        tardis.recognise,
        ("trade", "book_top", "orderbook", "open_interest"),
        _TEXT,
        "times in microseconds; the exchange and the symbol are in the rows",
    ),
    Format(
        "vnpy",
        bar_programs.vnpy,
        ("bar",),
        f"SQLite (dbbardata), {_TEXT}",
        "times of China without an offset; whether they are of a bar's begin or end is found out",
    ),
    Format("tqsdk", bar_programs.tqsdk, ("bar",), _TEXT, "datetime_nano, the begin of a bar; each minute has one"),
    Format(
        "freqtrade",
        bar_programs.freqtrade,
        ("bar", "trade", "funding_rate"),
        f"Feather, Parquet, {_TEXT}",
        "a bar without a trade is not there",
    ),
    Format("lean", bar_programs.lean, ("bar",), "zip of CSV", "milliseconds of the day that the member's name has"),
    Format(
        "table",
        lambda sample: guesses.generic(sample, {}),
        ("bar", "trade"),
        f"Feather, Arrow, Parquet, {_TEXT}",
        "any table whose columns have usual names; --map names others",
    ),
)


def open_rows_file(path: Path, hints: FileHints | None = None) -> RowsFile:
    """A file of rows of any of the formats, recognised by its content.

    Raises:
        SourceError: missing, damaged, of no format, or a hint that the file contradicts.
    """
    hints = hints or FileHints()
    file = packed(path)
    table = _table(file)
    for each in FORMATS[:-1]:
        layout = each.recognise(table.sample)
        if layout is not None:
            return TableFile(file, table, guesses.with_columns(layout, hints.columns), hints)
    names = table.sample.names or guesses.numbered_columns(table.sample.width)
    guesses.check_columns(hints.columns, names)
    layout = guesses.generic(table.sample, hints.columns)
    if layout is None:
        columns = ", ".join(table.sample.names) or f"{table.sample.width} columns without a header"
        raise SourceError(
            f"file {path}: expected columns of bars or trades, was {columns[:120]}; --map open=… and so on name them"
        )
    return TableFile(file, table, guesses.with_columns(layout, hints.columns), hints)


def _table(file: Packed) -> Table:
    if file.container in ("arrow", "parquet"):
        return ArrowTable.of(file)
    return SqlTable.of(file) if file.container == "sqlite" else TextTable.of(file)
