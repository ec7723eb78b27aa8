"""Files of others: tables as text, in columns, packed, of catalogs and databases, and settings of programs."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import feather, parquet

from marketprism_adapters.imports.registry import open_rows, open_rows_file
from marketprism_adapters.imports.veighna.recorder import recorder_settings
from marketprism_adapters.imports.veighna.settings import database_of, is_settings
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import ROWS, FileHints
from tests.fuzzing.mutation import choosing, mutated_bytes, mutated_json, mutated_table
from tests.fuzzing.on_disk import empty_folder, file_of
from tests.fuzzing.target import Target, expect
from tests.support import import_files as made

_HINTS = (
    FileHints(),
    FileHints("binance", "BTC-USDT", "1m", "Asia/Shanghai"),
    FileHints("SHFE", "rb2405", "1h", "+08:00"),
)
_TEXTS: tuple[tuple[str, tuple[Callable[[Path], Path], ...]], ...] = (
    (
        "binance-vision",
        (
            made.spot_klines,
            made.usdm_klines,
            made.klines_in_us,
            made.aggregated,
            made.single,
            made.rates,
            made.metrics,
            made.book_ticker,
        ),
    ),
    ("tardis", (made.tardis_trades, made.tardis_quotes, made.tardis_book, made.tardis_ticker)),
    ("vnpy", (made.vnpy_csv,)),
    ("tqsdk", (made.tqsdk,)),
    ("lean", (made.lean,)),
    ("marketprism", (made.own_trades,)),
    ("table", (made.chinese_csv,)),
)
_COLUMNS: tuple[tuple[str, tuple[Callable[[Path], Path], ...]], ...] = (
    ("freqtrade", (made.freqtrade_feather,)),
    ("nautilus", (made.nautilus_bars, made.nautilus_trades, made.nautilus_quotes)),
    ("columns", (made.any_parquet, made.own_parquet)),
)


def _read(path: Path, hints: FileHints) -> None:
    """All rows of all series, in the columns of their kinds; twice the same."""
    file = open_rows_file(path, hints)
    for series in file.facts.series[:20]:
        rows = list(file.batches(series))
        expect(
            all(batch.schema.names == ROWS[series.kind].names for batch in rows),
            f"other columns than {series.kind} has",
        )
        expect(list(file.batches(series)) == rows, "a file that is read twice is not the same")
    file.faults()


# -- tables as text ------------------------------------------------------------------------------------------------


def _texts(makers: Sequence[Callable[[Path], Path]]) -> list[tuple[str, bytes]]:
    """Name of the file, or of its member, and the text."""
    found = []
    for maker in makers:
        path = maker(empty_folder("made"))
        data = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                (member,) = archive.namelist()
                found.append((member, archive.read(member)))
        else:
            found.append((path.name, gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data))
    return found


def _text_target(name: str, makers: Sequence[Callable[[Path], Path]]) -> Target:
    names = [name for name, _ in _texts(makers)]

    def run(data: bytes) -> None:
        """The first byte says what the file is called and what is known of it."""
        number = data[0] if data else 0
        _read(file_of(data[1:], names[number % len(names)]), _HINTS[number // 16 % len(_HINTS)])

    def seeds() -> list[bytes]:
        return [bytes([number]) + text for number, (_, text) in enumerate(_texts(makers))]

    return Target(
        f"import-{name}", run, (SourceError,), seeds, choosing(mutated_table, 48), frozenset({f"import:{name}"})
    )


# -- tables in columns ---------------------------------------------------------------------------------------------


def _as_plain(path: Path) -> bytes:
    """A file of columns as plain JSON, which can be changed value by value."""
    table = feather.read_table(path) if path.suffix == ".feather" else parquet.read_table(path)
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        whole = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        values = [
            each.hex() if isinstance(each, bytes) else each if isinstance(each, int | float | None) else str(each)
            for each in whole.to_pylist()
        ]
        columns.append([name, str(column.type), values])
    said = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return msgspec.json.encode([path.name, said, columns])


_TYPES: dict[str, pa.DataType] = {
    **{
        str(each): each
        for each in (
            pa.string(),
            pa.int64(),
            pa.uint64(),
            pa.uint8(),
            pa.float64(),
            pa.bool_(),
            pa.int32(),
            pa.binary(),
            pa.date32(),
            pa.large_string(),
            pa.null(),
        )
    },
    **{
        str(each): each
        for each in (pa.binary(8), pa.binary(16), pa.binary(3), pa.decimal128(38, 10), pa.decimal256(60, 12))
    },
    **{
        str(pa.timestamp(unit, zone)): pa.timestamp(unit, zone)
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "Asia/Shanghai")
    },
}


_plain = msgspec.json.Decoder(tuple[str, dict[str, str], list[tuple[str, str, list[Any]]]])


def _array(made_of: str, values: list[Any]) -> pa.Array:
    found = _TYPES.get(made_of, pa.string())
    if pa.types.is_fixed_size_binary(found) or pa.types.is_binary(found):
        values = [bytes.fromhex(each) if isinstance(each, str) else each for each in values]
    if pa.types.is_timestamp(found):
        return pa.array(values, pa.int64()).cast(found)
    return pa.array(values, found)


def _columns(data: bytes) -> None:
    try:
        name, said, columns = _plain.decode(data)
        arrays = [_array(made_of, values) for _, made_of, values in columns]
        table = pa.table(arrays, names=[each[0] for each in columns]).replace_schema_metadata(said or None)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return  # no such table can be: nothing for a reader
    plain = "".join(each for each in name if each.isalnum() or each in "._-")[:60]
    path = file_of(b"", plain.lstrip(".") or "x.parquet")
    try:
        feather.write_feather(table, str(path)) if path.suffix == ".feather" else parquet.write_table(table, path)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return
    _read(path, _HINTS[len(columns) % 2])


def _column_target(name: str, makers: Sequence[Callable[[Path], Path]]) -> Target:
    def seeds() -> list[bytes]:
        return [_as_plain(maker(empty_folder("made"))) for maker in makers]

    return Target(f"import-{name}", _columns, (SourceError,), seeds, mutated_json, frozenset({f"import:{name}"}))


# -- how files are packed ------------------------------------------------------------------------------------------


def _packed(data: bytes) -> None:
    _read(file_of(data, "BTCUSDT-1m-2024-01.dat"), _HINTS[len(data) % 2])


def _packed_seeds() -> list[bytes]:
    def small(path: Path) -> bytes:
        return path.read_bytes()

    makers = (made.spot_klines, made.tardis_trades, made.packed_in_xz, made.lean)
    return [*(small(maker(empty_folder("made"))) for maker in makers), _zip_of_two(), _zip_in_zip()]


def _zip_of_two() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
        archive.writestr("b.csv", "a,b\n1,2\n")
    return out.getvalue()


def _zip_in_zip() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.zip", _zip_of_two())
    return out.getvalue()


# -- databases and settings of VeighNa -----------------------------------------------------------------------------


def _database(data: bytes) -> None:
    """Rows of its table of bars, each cell of any type that SQLite takes."""
    rows = json.loads(data)
    path = empty_folder("veighna") / "database.db"
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(
            "CREATE TABLE dbbardata (id INTEGER PRIMARY KEY, symbol, exchange, datetime, interval, volume, turnover, open_interest, open_price, high_price, low_price, close_price)"
        )
        for row in rows if isinstance(rows, list) else []:
            cells = (
                [
                    each
                    if isinstance(each, str | float | None) or (isinstance(each, int) and abs(each) < 2**63)
                    else None
                    for each in row
                ]
                if isinstance(row, list)
                else []
            )
            if len(cells) == 11:
                base.execute(
                    f"INSERT INTO dbbardata VALUES (NULL{', ?' * 11})",
                    [str(each) if each != each else each for each in cells],
                )
    _read(path, FileHints())


def _database_seeds() -> list[bytes]:
    rows = [
        ["rb2405", "SHFE", f"2024-01-02 09:0{n}:00", "1m", n + 1, 40000, 90, 4000, 4003, 3998, 4001] for n in range(3)
    ]
    days = [
        ["IF2401", "CFFEX", f"2024-01-0{n + 2} 00:00:00", "d", 1.5, 0.0, 1e300, 4000.2, 4003, 3998, 4001]
        for n in range(3)
    ]
    return [
        json.dumps(each).encode()
        for each in (rows, rows + days, [[*rows[0][:2], "2024-01-02T09:00:00.123456", *rows[0][3:]]])
    ]


def _settings(data: bytes) -> None:
    path = file_of(data, "vt_setting.json")
    if is_settings(path):
        try:
            expect(database_of(path).engine, "a database without an engine")
        except SourceError as error:
            expect(
                b'password":"hunter2"' not in data.replace(b" ", b"")
                or data.count(b"hunter2") > 1
                or "hunter2" not in str(error),
                "an error says a password",
            )
            recorder_settings(path)


def _settings_seeds() -> list[bytes]:
    database = {
        "database.name": "mysql",
        "database.database": "vnpy",
        "database.host": "h",
        "database.port": 3306,
        "database.user": "u",
        "database.password": "hunter2",
        "database.timezone": "Asia/Shanghai",
    }
    recorder = {
        "tick": {"rb2405.SHFE": {"symbol": "rb2405", "exchange": "SHFE", "gateway_name": "CTP"}},
        "bar": {"a.LOCAL": {}},
    }
    return [json.dumps(each).encode() for each in (database, database | {"database.name": "sqlite"}, recorder)]


def _dbn(data: bytes) -> None:
    _read(file_of(data, "a.dbn"), FileHints())


def _dbn_seeds() -> list[bytes]:
    return [b"DBN\x01\x10\x00\x00\x00GLBX.MDP3", b"DBN\x03" + (100).to_bytes(4, "little") + bytes(100)]


def _any(data: bytes) -> None:
    """Whatever file somebody names: rows, settings, a database."""
    open_rows(file_of(data, "anything.json"), FileHints())


def mutated_any(data: bytes, chance: Random) -> bytes:
    """As text, as JSON, or as bytes."""
    return chance.choice((mutated_table, mutated_json, mutated_bytes))(data, chance)


TARGETS = (
    *(_text_target(name, makers) for name, makers in _TEXTS),
    *(_column_target(name, makers) for name, makers in _COLUMNS),
    Target("import-packed", _packed, (SourceError,), _packed_seeds, mutated_bytes),
    Target(
        "import-database",
        _database,
        (SourceError, ValueError),
        _database_seeds,
        mutated_json,
        frozenset({"import:vnpy"}),
    ),
    Target("import-settings", _settings, (SourceError,), _settings_seeds, mutated_json),
    Target("import-databento", _dbn, (SourceError,), _dbn_seeds, mutated_bytes, frozenset({"import:databento"})),
    Target(
        "import-any",
        _any,
        (SourceError,),
        lambda: [
            *_settings_seeds(),
            b"a,b\n1,2\n",
            b"SQLite format 3\x00" + bytes(100),
            b"PAR1" + bytes(8),
            b"ARROW1\x00\x00",
        ],
        mutated_any,
    ),
)
