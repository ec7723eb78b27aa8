"""Results as files and texts: csv, json, arrow, parquet, msgpack.

The CSV of bars is the same bytes whether it comes from the store or from an offline rebuild.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from marketprism_application.contracts.codec import plain
from marketprism_application.contracts.plain_table import PlainTable, Table
from marketprism_application.contracts.times import iso_time, zone_name
from marketprism_application.errors import QueryError
from marketprism_domain.marketdata.bar import Bar

if TYPE_CHECKING:
    import pyarrow as pa

BAR_COLUMNS = (
    "symbol",
    "venue",
    "interval",
    "ts_open",
    "ts_close",
    "trading_day",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "turnover",
    "open_interest",
    "revision",
    "gap",
)
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
    return _csv(BAR_COLUMNS, ([text_of(getattr(bar, name)) for name in BAR_COLUMNS] for bar in bars))


def _csv(columns: Iterable[str], rows: Iterable[Iterable[Any]], *, header: bool = True) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def json_rows(table: Table) -> list[dict[str, Any]]:
    """Rows as JSON carries them: decimals are strings."""
    names = table.column_names
    columns = _json_columns(table)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _json_columns(table: Table) -> list[list[object]]:
    if isinstance(table, PlainTable):
        return [[json_of(value) for value in table.column(name)] for name in table.column_names]
    return [_json_values(column) for column in table.columns]


def _json_values(column: Any) -> list[Any]:
    """Values of a column; decimals become their plain text in Arrow, which is ten times as fast as in Python."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy: only who has a table)

    if pa.types.is_decimal(column.type):
        text = pc.cast(column, pa.string())
        fixed = pc.and_(pc.match_substring(text, "."), pc.invert(pc.match_substring(text, "E")))
        texts = pc.if_else(fixed, pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), "."), text).to_pylist()
        # Arrow writes zero and what is below a millionth with an exponent.
        return [plain(Decimal(value)) if value is not None and "E" in value else value for value in texts]
    values: list[Any] = column.to_pylist()
    return [json_of(value) for value in values] if pa.types.is_nested(column.type) else values


def with_times(table: pa.Table, zone: tzinfo, *, as_text: bool) -> pa.Table:
    """The table with its times (`ts_…`, nanoseconds UTC) in ISO 8601 with the zone's offset, or as Arrow timestamps of
    the zone."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    for number, field in enumerate(table.schema):
        if not (field.name.startswith("ts_") and pa.types.is_int64(field.type)):
            continue
        column = table.column(number)
        if as_text:
            texts = [None if ts is None else iso_time(ts, zone) for ts in column.to_pylist()]
            table = table.set_column(number, field.name, pa.array(texts, pa.string()))
        else:
            table = table.set_column(number, field.name, column.cast(pa.timestamp("ns", zone_name(zone))))
    return table


def csv_part(table: Table, *, header: bool) -> bytes:
    """Rows as CSV, with or without the line of names."""
    columns = [[text_of(value) for value in values] for values in _json_columns(table)]
    return _csv(table.column_names, zip(*columns, strict=True), header=header).encode()


def lines(table: Table) -> bytes:
    """Rows as JSON objects, one a line."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in json_rows(table))


def render(table: Table, form: str, columns: tuple[str, ...] | None = None) -> bytes:
    """The table in one of FORMATS; `columns` chooses and orders them.

    Raises:
        QueryError: another format, or one that is Arrow's of a table that is not.
    """
    if form not in FORMATS:
        raise QueryError(f"format: expected one of {', '.join(FORMATS)}, was {form!r}")
    if columns is not None:
        table = table.select([name for name in columns if name in table.column_names])
    if form == "csv":
        return csv_part(table, header=True)
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(json_rows(table)), indent=1) + b"\n"
    if form == "msgpack":
        return msgspec.msgpack.encode(json_rows(table))
    if isinstance(table, PlainTable):
        raise QueryError(f"format: expected one of csv, json, msgpack of rows without Arrow, was {form!r}")
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow.parquet as pq  # noqa: PLC0415 (heavy: only who has a table)

    sink = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()
