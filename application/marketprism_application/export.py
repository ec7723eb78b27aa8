"""Results as files and texts: csv, json, arrow, parquet, msgpack.

The CSV of bars is the same bytes whether it comes from the store or from an offline rebuild.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from marketprism_application.contracts.codec import plain
from marketprism_application.errors import QueryError
from marketprism_domain.marketdata.bar import Bar

BAR_COLUMNS = (
    "symbol", "venue", "interval", "ts_open", "ts_close", "trading_day", "open", "high", "low", "close", "volume",
    "turnover", "open_interest", "revision", "gap",
)  # fmt: skip
FORMATS = ("csv", "json", "arrow", "parquet", "msgpack")


def text_of(value: Any) -> Any:
    """A value as CSV and JSON carry it: decimals plain, flags as true and false, None empty."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, list | tuple | dict):
        return json.dumps(json_of(value), separators=(",", ":"))
    return value


def json_of(value: Any) -> Any:
    """A value as JSON carries it: decimals are strings."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {key: json_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_of(item) for item in value]
    return value


def bars_csv(bars: Iterable[Bar]) -> str:
    """CSV of bars that did not come from a store."""
    rows = ([getattr(bar, name) for name in BAR_COLUMNS] for bar in bars)
    return _csv(BAR_COLUMNS, rows)


def _csv(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([text_of(value) for value in row] for row in rows)
    return out.getvalue()


def render(table: pa.Table, form: str, columns: tuple[str, ...] | None = None) -> bytes:
    """The table in one of FORMATS; `columns` chooses and orders them.

    Raises:
        QueryError: another format.
    """
    if form not in FORMATS:
        raise QueryError(f"format: expected one of {', '.join(FORMATS)}, was {form!r}")
    if columns is not None:
        table = table.select([name for name in columns if name in table.column_names])
    if form == "csv":
        return _csv(table.column_names, _rows(table)).encode()
    if form == "json":
        return (json.dumps([json_of(row) for row in table.to_pylist()], indent=1) + "\n").encode()
    if form == "msgpack":
        return msgspec.msgpack.encode([json_of(row) for row in table.to_pylist()])
    sink = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def _rows(table: pa.Table) -> Iterator[list[Any]]:
    for row in table.to_pylist():
        yield [row[name] for name in table.column_names]
