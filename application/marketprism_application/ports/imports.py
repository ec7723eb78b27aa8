"""Files of rows that others made: what one says of itself, and its rows in columns of the product's kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import pyarrow as pa

DECIMAL = pa.decimal128(38, 18)
# Of every kind: the line or row of the file, from 1, and how many digits the time has in it, 0 where it is text.
_EVIDENCE: list[tuple[str, pa.DataType]] = [("row", pa.int64()), ("digits", pa.int64())]


def _schema(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([*columns, *_EVIDENCE])


# Rows of each kind: fields of the kind's record as far as files have them; times are nanoseconds UTC.
BAR_ROWS = _schema(
    ("ts_open", pa.int64()),
    *((name, DECIMAL) for name in ("open", "high", "low", "close", "volume", "turnover", "open_interest")),
    ("trades", pa.int64()),
    ("taker_buy_volume", DECIMAL),
)
TRADE_ROWS = _schema(
    ("ts_event", pa.int64()),
    ("trade_id", pa.string()),
    ("number", pa.int64()),  # the id where it is a number
    ("price", DECIMAL),
    ("quantity", DECIMAL),
    ("side", pa.string()),  # buy or sell, the taker's
    ("first_id", pa.int64()),
    ("last_id", pa.int64()),
)
FUNDING_ROWS = _schema(("ts_event", pa.int64()), ("rate", DECIMAL))
INTEREST_ROWS = _schema(("ts_event", pa.int64()), ("open_interest", DECIMAL))
QUOTE_ROWS = _schema(
    ("ts_event", pa.int64()),
    *((name, DECIMAL) for name in ("bid_price", "bid_quantity", "ask_price", "ask_quantity")),
    ("number", pa.int64()),  # the venue's own of the change
)
BOOK_ROWS = _schema(
    ("ts_event", pa.int64()),
    ("side", pa.string()),
    ("price", DECIMAL),
    ("quantity", DECIMAL),
    ("snapshot", pa.bool_()),
)
ROWS: Mapping[str, pa.Schema] = {
    "bar": BAR_ROWS,
    "trade": TRADE_ROWS,
    "funding_rate": FUNDING_ROWS,
    "open_interest": INTEREST_ROWS,
    "book_top": QUOTE_ROWS,
    "orderbook": BOOK_ROWS,
}
TIME_OF: Mapping[str, str] = {kind: schema.names[0] for kind, schema in ROWS.items()}
WITH_INTERVAL = frozenset(kind for kind, schema in ROWS.items() if "ts_open" in schema.names)


class FileSeries(NamedTuple):
    """One series of a file; what the file does not say is empty."""

    kind: str
    venue: str = ""
    symbol: str = ""
    interval: str = ""
    native: str = ""  # the instrument as the file names it
    in_contracts: bool = False  # its amounts are numbers of contracts


class MappedColumn(NamedTuple):
    """A column of a file and the field that it is read as; an empty field: it is not read."""

    column: str
    field: str


class FileFault(NamedTuple):
    """What is wrong with a file as a whole: a code of the table of checks, and in words."""

    code: str
    text: str


@dataclass(frozen=True)
class FileFacts:
    """What a file says of itself.

    `dense`: whether its maker writes a bar for each minute, None where that differs. `stamped`: which time of a bar it
    bears, "open" or "close", "" where that differs. `guessed`: the columns were understood by their names alone.
    `own_bars`: its bars are those that the venue itself made.
    """

    format: str
    series: tuple[FileSeries, ...]
    mapping: tuple[MappedColumn, ...]
    dense: bool | None = None
    stamped: str = ""
    guessed: bool = False
    own_bars: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileHints:
    """What whoever opens a file knows of it: each wins over what the file says.

    `zone` is that of times without an offset, an IANA name or an offset. `columns` gives fields their columns.
    """

    venue: str = ""
    symbol: str = ""
    interval: str = ""
    zone: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


class RowsFile(Protocol):
    """One file of rows.

    Raises:
        SourceError: it is missing, damaged, or a cell of it is not what its column holds; names file, line and field.
    """

    @property
    def facts(self) -> FileFacts: ...

    def batches(self, series: FileSeries) -> Iterator[pa.RecordBatch]:
        """The rows of a series as they stand in the file, in the columns of `ROWS[series.kind]`."""
        ...

    def faults(self) -> Sequence[FileFault]:
        """What is wrong with the file as a whole, known when its rows have been read."""
        ...
