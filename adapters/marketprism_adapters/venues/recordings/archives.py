"""Archives of bars, trades and books that others keep: said what they are, because a replay does not read them.

Only what a file certainly is gets a name: a header with the columns of one of these forms, rows of numbers without a
header that begin with a time, or a container that says so itself.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal, InvalidOperation
from pathlib import Path

from marketprism_adapters.venues.kit.numbers import instant
from marketprism_adapters.venues.recordings.compression import NotText, check_is_file, foreign_content, opened, reading
from marketprism_application.errors import SourceError
from marketprism_application.venues.protocol import ParseRefused

_LOOKED_AT = 65_536
_PRICES = {"open", "high", "low", "close"}
_OF_A_COUNTER = frozenset({"instrumentid"})  # rows that a replay reads, or refuses by the name of a column
# What a table is, by columns of its header that stand together; the first that fits.
_TABLES: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (what, frozenset(columns.split()))
    for what, columns in (
        (
            "book changes as tardis keeps them",
            "exchange symbol timestamp local_timestamp is_snapshot side price amount",
        ),
        ("trades as tardis keeps them", "exchange symbol timestamp local_timestamp id side price amount"),
        ("quotes as tardis keeps them", "exchange symbol timestamp local_timestamp ask_price bid_price"),
        ("a table as tardis keeps them", "exchange symbol timestamp local_timestamp"),
        ("quotes as nautilus keeps them", "ts_event ts_init bid_price ask_price"),
        ("trades as nautilus keeps them", "ts_event ts_init aggressor_side"),
        ("bars as nautilus keeps them", "ts_event ts_init open high low close"),
        ("records as nautilus keeps them", "ts_event ts_init"),
        ("books as CryptoLake keeps them", "received_time sequence_number bid_0_price ask_0_price"),
        ("books as CryptoLake keeps them", "receipt_timestamp sequence_number bid_0_price ask_0_price"),
        ("trades as CryptoLake keeps them", "origin_time received_time trade_id price"),
        ("a table of CryptoLake", "origin_time received_time"),
        ("a table as cryptofeed keeps it", "receipt_timestamp timestamp symbol exchange"),
        ("bars as vnpy keeps them", "open_price high_price low_price close_price"),
        ("ticks as vnpy keeps them", "last_price bid_price_1 ask_price_1"),
        ("ticks as vnpy kept them before its second version", "vtsymbol lastprice bidprice1 askprice1"),
        ("ticks as tqsdk keeps them", "last_price highest lowest ask_price1 bid_price1"),
        ("ticks as RQData keeps them", "datetime trading_date last a1 b1"),
        ("ticks as JoinQuant keeps them", "current position a1_p b1_p"),
        ("ticks as Wind keeps them", "windcode last"),
        ("ticks as QMT keeps them", "lastprice lastclose askprice bidprice openint"),
        ("bars with Chinese names", "开盘 最高 最低 收盘"),
        ("bars with Chinese names", "开盘价 最高价 最低价 收盘价"),
        ("klines as exchanges publish them", "open_time open high low close"),
        ("aggregate trades as exchanges publish them", "agg_trade_id price quantity"),
        ("trades as exchanges publish them", "id price qty time"),
        ("best prices as exchanges publish them", "update_id best_bid_price best_ask_price"),
        ("book changes as exchanges publish them", "first_update_id last_update_id side price qty"),
        ("book depth by distance as exchanges publish it", "timestamp percentage depth notional"),
        ("liquidations as exchanges publish them", "side order_type time_in_force original_quantity"),
        ("trades as exchanges publish them", "timestamp symbol side size price trdmatchid"),
        ("trades as exchanges publish them", "id timestamp price volume side"),
        ("trades as exchanges publish them", "trade_id side price size created_time"),
        ("trades as exchanges publish them", "trade_id side size price created_time"),
        ("trades as exchanges publish them", "trade_seq trade_id timestamp price instrument_name"),
        ("trades as kaiko keeps them", "id exchange symbol date price amount"),
        ("trades as coinapi keeps them", "time_exchange time_coinapi price"),
        ("book changes as coinapi keeps them", "time_exchange time_coinapi entry_px"),
        ("funding rates as exchanges publish them", "calc_time last_funding_rate"),
        ("daily figures as exchanges publish them", "create_time sum_open_interest"),
        ("records as databento keeps them", "ts_event rtype publisher_id"),
        ("quotes", "timestamp bid ask"),
        ("bars", "open high low close"),
        ("trades", "timestamp price amount side"),
    )
)
# What lines of JSON objects are, by fields that stand together.
_LINES: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (what, frozenset(fields.split()))
    for what, fields in (
        ("books as exchanges publish them", "instId action ts asks bids"),
        ("normalised records as tardis keeps them", "type symbol exchange localTimestamp"),
        ("trades as hummingbot keeps them", "ts price q_base side"),
        ("books as hummingbot keeps them", "ts bids asks"),
    )
)
_WITHOUT_HEADER = {
    12: "klines as exchanges publish them, without a header",
    11: "klines, without a header",
    8: "aggregate trades as exchanges publish them, without a header",
    7: "trades as exchanges publish them, without a header",
    6: "bars or trades, without a header",
}
_BEST_PRICES = 7  # cells of best prices: the last two are times; of a trade the last ones are truths
_OF_DATABASES = {"dbbardata": "bars as vnpy keeps them", "dbtickdata": "ticks as vnpy keeps them"}


def archive_in(path: Path) -> str:
    """What kind of archive a file is, in words; empty where it is none that is known."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            head = file.read(512)
        if head.startswith(b"SQLite format 3"):
            return _database(path)
        if head.startswith((b"PAR1", b"ARROW1")):
            return _columnar(path, head)
        if head.startswith(b"PK\x03\x04"):
            return _zipped(path)
        if foreign := foreign_content(head):
            return foreign
        with reading(path), opened(path) as text:
            return of_text(text.read(_LOOKED_AT))
    except NotText as error:
        return error.what
    except (SourceError, OSError):
        return ""


def refuse_ticks(path: Path) -> None:
    """Raises SourceError: a file holds ticks of a counter, where frames of a venue are asked for."""
    try:
        with reading(path), opened(path) as text:
            rows = _rows(text.read(_LOOKED_AT).decode("utf-8-sig", "replace").lstrip())
    except (SourceError, OSError):
        return
    if rows and _header(rows[0]) & _OF_A_COUNTER:
        raise SourceError(
            f"recording {path}: expected frames of a venue, was ticks of a counter: `rebuild` and `up --source "
            "replay:…` read them"
        )


def refuse_archive(path: Path) -> None:
    """Raises SourceError: a file is an archive that is known, and not read, or no file but a pipe or a device."""
    if path.exists():
        check_is_file(path)
    found = archive_in(path)
    if found:
        raise SourceError(
            f"recording {path}: expected recorded frames of a venue or ticks of a counter, was {found}: "
            "an archive that `replay` does not read yet"
        )


def of_text(begins: bytes) -> str:
    """What a text is by its beginning."""
    text = begins.decode("utf-8-sig", "replace").lstrip()
    if text.startswith("["):
        return _lists(text)
    if text.startswith("{"):
        return _objects(text)
    rows = _rows(text)
    if not rows:
        return ""
    for row in rows[:2]:  # some write where it is from above the header
        header = _header(row)
        if not header & _OF_A_COUNTER and (found := _of_columns(header)):
            return f"a table of {found}"
    width = len(rows[0])
    if width == _BEST_PRICES and all(len(row) == width and _is_time(row[-2:-1]) for row in rows[:3]):
        return "a table of best prices as exchanges publish them, without a header"
    if width in _WITHOUT_HEADER and all(len(row) == width and _is_time(row) for row in rows[:3]):
        return f"a table of {_WITHOUT_HEADER[width]}"
    return ""


def _header(row: Sequence[str]) -> set[str]:
    """Names of columns: `<OPEN>` is open, `price/价格` price."""
    return {cell.strip().strip("<>").lower().partition("/")[0] for cell in row}


def _rows(text: str) -> Sequence[list[str]]:
    lines = [line for line in text.splitlines()[:4] if line.strip()]
    sign = max(",;\t", key=lines[0].count) if lines else ","
    try:
        return list(csv.reader(lines, delimiter=sign))
    except csv.Error:
        return []


def _of_columns(names: Iterable[str]) -> str:
    found = set(names)
    if of_tqsdk := _of_tqsdk(found):
        return of_tqsdk
    for what, columns in _TABLES:
        if columns <= found:
            return what
    return ""


def _of_tqsdk(names: set[str]) -> str:
    """By columns with the instrument in them, `SHFE.cu1805.open`."""
    ends = {name.rpartition(".")[2] for name in names if "." in name}
    if "last_price" in ends:
        return "ticks as tqsdk keeps them"
    return "bars as tqsdk keeps them" if ends >= _PRICES or "datetime_nano" in names else ""


def _is_time(row: Sequence[str]) -> bool:
    """Whether a row is of numbers, with a time among its first or its last cells."""
    found = False
    for cell in row:
        if cell.strip().lower() in ("true", "false", "", "buy", "sell"):
            continue
        try:
            value = Decimal(cell)
        except InvalidOperation:
            return False
        try:
            instant(value, "time")
            found = True
        except ParseRefused:
            continue
    return found


def _objects(text: str) -> str:
    """Objects a line, by the names of their fields."""
    try:
        row = json.loads(text.splitlines()[0])
    except (ValueError, RecursionError):
        return ""
    names = set(row) if isinstance(row, dict) else set()
    return next((f"lines of {what}" for what, fields in _LINES if fields <= names), "")


def _lists(text: str) -> str:
    """Lists of numbers in a JSON document: `[[time, open, high, low, close, volume], …]`."""
    inner = text[1:].lstrip()
    if not inner.startswith("["):
        return ""
    try:
        row = json.loads(inner[: inner.index("]") + 1])
        instant(Decimal(str(row[0])), "time")
    except (ValueError, IndexError, ArithmeticError, ParseRefused, RecursionError):
        return ""
    if len(row) == 6 and all(isinstance(each, int | float) for each in row):
        return "a JSON document of bars, as freqtrade keeps them"
    if len(row) == 7 and any(isinstance(each, str) for each in row):
        return "a JSON document of trades, as freqtrade keeps them"
    return "a JSON document of klines" if len(row) in (11, 12) else ""


def _database(path: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            names = [str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    except (sqlite3.Error, ValueError):
        return "an SQLite database"
    held = [_OF_DATABASES[name.lower()] for name in names if name.lower() in _OF_DATABASES]
    return f"an SQLite database of {' and '.join(held)}" if held else "an SQLite database"


def _columnar(path: Path, head: bytes) -> str:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only for such files)
    import pyarrow.parquet as pq  # noqa: PLC0415 (likewise)

    form = "a Parquet file" if head.startswith(b"PAR1") else "a Feather file"
    try:
        schema = pq.read_schema(path) if head.startswith(b"PAR1") else pa.ipc.open_file(str(path)).schema
    except (pa.ArrowException, OSError):
        return form
    found = _of_columns(name.lower() for name in schema.names)
    return f"{form} of {found}" if found else form


def _zipped(path: Path) -> str:
    """By its first member."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [each for each in archive.namelist() if not each.endswith("/")]
            if not names:
                return "an empty zip archive"
            if any(name.startswith("xl/") for name in names):
                return "an Excel workbook"
            if all(name.endswith(".npy") for name in names):
                return "a file of NumPy arrays"
            with archive.open(names[0]) as member:
                found = of_text(member.read(_LOOKED_AT))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        return ""
    return f"a zip archive with {found}" if found else ""
