"""The formats of files that are read: one row each, asked in this order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.imports import archive_files, bar_programs, databento, guesses, nautilus, own_files, tardis
from marketprism_adapters.imports.containers import packed
from marketprism_adapters.imports.csv_tables import TextTable
from marketprism_adapters.imports.layout import Layout, Sample
from marketprism_adapters.imports.table_file import DatabaseFile, Table, TableFile
from marketprism_adapters.imports.typed_tables import ArrowTable
from marketprism_adapters.imports.veighna.settings import DatabasePlace, database_of, is_settings
from marketprism_adapters.imports.veighna.table import SqlTable
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
        f"SQLite, MySQL, PostgreSQL (dbbardata; vt_setting.json), {_TEXT}",
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
        databento.NAME,
        lambda _: None,  # known by its container
        ("bar", "trade"),
        "DBN, plain or zstd",
        "by the vendor's library, extra databento; prices to nine digits, times of the exchange",
    ),
    Format(
        nautilus.NAME,
        lambda _: None,  # known by its metadata
        ("bar", "trade", "book_top"),
        "Parquet of a ParquetDataCatalog",
        "the instrument and the interval by the metadata; bars at their close, numbers of 8 or 16 bytes",
    ),
    Format(
        "marketprism",
        own_files.recognise,
        ("bar", "trade", "funding_rate", "open_interest"),
        f"Parquet, Feather, Arrow, {_TEXT}",
        "what this program exports",
    ),
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
    if file.container == "dbn":
        of_vendor = databento.DbnTable.of(file)
        return TableFile(file, of_vendor, guesses.with_columns(of_vendor.layout, hints.columns), hints)
    if file.container == "parquet" and (catalog := nautilus.CatalogTable.of(file)) is not None:
        return TableFile(file, catalog, guesses.with_columns(catalog.layout, hints.columns), hints)
    if file.container == "sqlite":
        return _of_database(DatabasePlace("sqlite", path=path, name=path.name), hints)
    table: Table = ArrowTable.of(file) if file.container in ("arrow", "parquet") else TextTable.of(file)
    return TableFile(file, table, _layout(f"file {path}", table.sample, hints), hints)


def open_rows(path: Path, hints: FileHints | None = None) -> RowsFile:
    """What `open_rows_file` opens, or the database, also of a server, that `vt_setting.json` of VeighNa names.

    Raises:
        SourceError: what `open_rows_file` raises; settings that cannot be, a database that cannot be reached or read.
    """
    hints = hints or FileHints()
    if not is_settings(path):
        return open_rows_file(path, hints)
    place = database_of(path)
    return _of_database(place, replace(hints, zone=hints.zone or place.zone))


def _of_database(place: DatabasePlace, hints: FileHints) -> RowsFile:
    table = SqlTable.of(place)
    return DatabaseFile(table, _layout(str(place), table.sample, hints), hints)


def _layout(name: str, sample: Sample, hints: FileHints) -> Layout:
    for each in FORMATS[:-1]:
        layout = each.recognise(sample)
        if layout is not None:
            return guesses.with_columns(layout, hints.columns)
    names = sample.names or guesses.numbered_columns(sample.width)
    guesses.check_columns(hints.columns, names)
    layout = guesses.generic(sample, hints.columns)
    if layout is None:
        columns = ", ".join(sample.names) or f"{sample.width} columns without a header"
        raise SourceError(
            f"{name}: expected columns of bars or trades, was {columns[:120]}; --map open=… and so on name them"
        )
    return guesses.with_columns(layout, hints.columns)
