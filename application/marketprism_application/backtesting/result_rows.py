"""Results of a run as the rows that are stored of it, and back."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa

from marketprism_application.contracts.backtest_rows import (
    FILES,
    MORE,
    PARTS,
    RECORDS,
    RUNS,
    STATS,
    TABLES,
    Rows,
    Type,
)
from marketprism_application.contracts.backtests import BacktestRecord
from marketprism_application.integrity.exact_numbers import ArrowArray, ArrowColumn

MOST_BYTES = 2_000_000  # of one message, before it is compressed
_PIECE = 1_000_000  # letters of a file in a row
_MOST_ROWS = 20_000
_MOST_LOG = 2_000  # lines of a strategy's log that are kept
_ARROW: dict[Type, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int64(),
    "money": pa.decimal128(38, 12),
    "float": pa.float64(),
    "bool": pa.bool_(),
}
_SUMS = ("net", "gross", "fees", "funding", "orders", "fills", "lots", "gap_exposure")
Document = Mapping[str, object]


def part_rows(name: str, table: pa.Table, record: str, run: int) -> Iterator[Rows]:
    """Rows of a part of a run's result, in messages. A column that the store does not know, or whose values have
    another type there, goes into `more`."""
    if not table.num_rows:
        return
    stored = PARTS[name]
    columns: dict[str, ArrowColumn] = {}
    more = {each: table.column(each) for each in table.column_names}
    for column in TABLES[stored]:
        given = more.get(column.name)
        try:
            columns[column.name] = _plain(given, column.type) if given is not None else _none(table, column.type)
            more.pop(column.name, None)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            columns[column.name] = _none(table, column.type)
    columns[MORE] = _more(more, table.num_rows)
    yield from _messages(stored, columns, record, [run] * table.num_rows, range(table.num_rows))


def _plain(values: ArrowColumn, wanted: Type) -> ArrowColumn:
    found: ArrowColumn = values.cast(_ARROW[wanted])
    return found


def _none(table: pa.Table, wanted: Type) -> ArrowArray:
    found: ArrowArray = pa.array([None] * table.num_rows, _ARROW[wanted])
    return found


def _more(left: Mapping[str, ArrowColumn], rows: int) -> ArrowArray:
    if not left:
        return pa.array([""] * rows, pa.string())
    lists = {name: values.to_pylist() for name, values in left.items()}
    texts = [_json({name: values[row] for name, values in lists.items()}) for row in range(rows)]
    return pa.array(texts, pa.string())


def run_rows(record: str, results: Sequence[tuple[int, Document, Mapping[str, int]]]) -> Iterator[Rows]:
    """What runs have come to, each by its number and how many rows its parts have: statistics, then the run itself,
    which says that the rest is there."""
    stats: list[tuple[int, int, str, str, float | None]] = []
    rows: list[dict[str, object]] = []
    for run, document, counts in results:
        mine = list(enumerate(_statistics(document)))
        stats += [(run, row, *each) for row, each in mine]
        rows.append(_run_row(document, {**counts, "stats": len(mine)}))
    if stats:
        runs, places, names, said, values = zip(*stats, strict=True)
        columns: dict[str, ArrowColumn] = {
            "name": pa.array(names, pa.string()),
            "convention": pa.array(said, pa.string()),
            "value": pa.array(values, pa.float64()),
            MORE: pa.array([""] * len(stats), pa.string()),
        }
        yield from _messages(STATS, columns, record, runs, places)
    yield from _messages(RUNS, _columns(RUNS, rows), record, [each[0] for each in results], [0] * len(rows))


def _run_row(document: Document, counts: Mapping[str, int]) -> dict[str, object]:
    failed = document.get("error")
    error = failed if isinstance(failed, Mapping) else {}
    return {
        "state": document.get("state"),
        "digest": document.get("run_id"),
        "params": _json(document.get("params")),
        "code": error.get("code"),
        "error": error.get("text"),
        "counts": _json(counts),
        "document": _json(_bounded(document)),
        **{name: document.get(name) for name in ("net", "gross", "fees", "funding")},
    }


def _bounded(document: Document) -> Document:
    """A document with the end of its log, where that is long."""
    log = document.get("log")
    if not isinstance(log, list) or len(log) <= _MOST_LOG:
        return document
    return {**document, "log": log[-_MOST_LOG:], "log_left_out": len(log) - _MOST_LOG}


def _statistics(document: Document) -> Iterator[tuple[str, str, float | None]]:
    """Name, convention and value of what runs can be ranked by."""
    found, said = document.get("statistics"), document.get("conventions")
    conventions = said if isinstance(said, Mapping) else {}
    values = dict(found) if isinstance(found, Mapping) else {}
    for name, value in values.items():
        yield name, str(conventions.get(name, "")), _number(value)
    for name in _SUMS:
        if name in document and name not in values:
            yield name, "sum of the run", _number(document[name])


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def file_rows(record: str, run: int, files: Mapping[str, str]) -> Iterator[Rows]:
    """Texts that belong to a run, by their names, in pieces."""
    pieces = [
        {"name": name, "data": text[start : start + _PIECE]}
        for name, text in sorted(files.items())
        for start in range(0, max(1, len(text)), _PIECE)
    ]
    yield from _messages(FILES, _columns(FILES, pieces), record, [run] * len(pieces), range(len(pieces)))


def record_rows(record: BacktestRecord) -> Iterator[Rows]:
    """A record that has ended."""
    question = record.question
    row: dict[str, object] = {
        **{name: getattr(record, name) for name in ("kind", "state", "user", "code", "error", "key", "digest")},
        **{name: getattr(record, name) for name in ("same_as", "created_at", "started_at", "ended_at")},
        **{name: getattr(record, name) for name in ("runs", "done", "failed", "rows", "cpu_s")},
        **{name: getattr(question, name) for name in ("strategy", "interval", "ts_from", "ts_to", "as_of")},
        "params": _json(question.params),
        "instruments": ",".join(question.instruments),
        "settings": _json(question.options),
        "document": _json(record),
    }
    yield from _messages(RECORDS, _columns(RECORDS, [row]), record.id, [0], [0])


def _columns(table: str, rows: Sequence[Document]) -> dict[str, ArrowColumn]:
    found: dict[str, ArrowColumn] = {
        each.name: _array([row.get(each.name) for row in rows], each.type) for each in TABLES[table]
    }
    return {**found, MORE: pa.array([""] * len(rows), pa.string())}


def _array(values: list[object], wanted: Type) -> ArrowArray:
    if wanted == "money":  # as texts where a document has them so
        texts = [None if each is None else str(each) for each in values]
        return pa.array(texts, pa.string()).cast(_ARROW[wanted])
    if wanted == "text":
        return pa.array([None if each is None else str(each) for each in values], pa.string())
    return pa.array(values, _ARROW[wanted])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _messages(
    table: str, columns: Mapping[str, ArrowColumn], record: str, runs: Sequence[int], rows: Sequence[int]
) -> Iterator[Rows]:
    """Rows in messages of a size that a message may have, whole rows each."""
    whole = pa.table(
        {
            "record": pa.array([record] * len(runs), pa.string()),
            "run": pa.array(list(runs), pa.int64()),
            "row": pa.array(list(rows), pa.int64()),
        }
    )
    for name, column in columns.items():
        whole = whole.append_column(name, column)
    start, step = 0, min(_MOST_ROWS, max(1, len(runs)))
    while start < whole.num_rows:
        part = whole.slice(start, step)
        while part.nbytes > MOST_BYTES and step > 1:
            step = max(1, step // 2)
            part = whole.slice(start, step)
        yield Rows(table, _stream(part))
        start += part.num_rows


def _stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def messages_of(rows: Iterable[Rows]) -> Iterator[tuple[Rows, ...]]:
    """Rows together, as many as one message takes."""
    found: list[Rows] = []
    size = 0
    for each in rows:
        if found and size + len(each.data) > MOST_BYTES:
            yield tuple(found)
            found, size = [], 0
        found.append(each)
        size += len(each.data)
    if found:
        yield tuple(found)


def rows_in(rows: Rows) -> int:
    """How many rows a message has."""
    return pa.ipc.open_stream(io.BytesIO(rows.data)).read_all().num_rows


def part_of_rows(table: pa.Table) -> pa.Table:
    """Rows as they were before they were stored: without their places, with what `more` has of each."""
    plain = table.drop_columns([name for name in ("row", MORE) if name in table.column_names])
    texts = [str(each or "") for each in table.column(MORE).to_pylist()] if MORE in table.column_names else []
    if not any(texts):
        return plain
    found = [msgspec.json.decode(text) if text else {} for text in texts]
    for name in dict.fromkeys(name for each in found for name in each):
        values = [each.get(name) for each in found]
        try:
            column = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # of several types
            column = pa.array([None if each is None else str(each) for each in values], pa.string())
        if name in plain.column_names:  # its type here is another one
            plain = plain.drop_columns([name])
        plain = plain.append_column(name, column)
    return plain


def record_of_row(document: str) -> BacktestRecord:
    """A record that was stored."""
    return msgspec.json.decode(document, type=BacktestRecord)


__all__ = [
    "file_rows",
    "messages_of",
    "part_of_rows",
    "part_rows",
    "record_of_row",
    "record_rows",
    "rows_in",
    "run_rows",
]
