"""DDL and statements, made from the kind registry."""

from __future__ import annotations

from typing import NamedTuple

from marketprism_adapters.sql.columns import columns_of
from marketprism_application.contracts.kinds import KINDS, DataKind

DATABASE = "market"
# Inserts remembered for deduplication: at ten a second, more than a quarter of an hour.
DEDUPLICATION_WINDOW = 10_000

PROVENANCE = (
    ("stream_seq", "UInt64", "Delta, ZSTD(1)"),
    ("stream_index", "UInt32", "ZSTD(1)"),
    ("writer_epoch", "UInt64", "ZSTD(1)"),
)


def create_table(kind: DataKind) -> str:
    """CREATE TABLE of a kind.

    ReplacingMergeTree is the second net below the insert token: of rows with one key the latest revision, then the
    latest in the stream, stays.
    """
    lines = [
        f"{column.name} {column.stored} CODEC({column.codec})"
        for _, columns in columns_of(kind.name)
        for column in columns
    ]
    lines += [f"{name} {stored} CODEC({codec})" for name, stored, codec in PROVENANCE]
    version = "stream_seq"
    if "revision" in kind.fields:
        lines.append("row_version UInt64 MATERIALIZED bitShiftLeft(toUInt64(revision), 48) + stream_seq")
        version = "row_version"
    partition = "toYYYYMMDD(ts_event)" if kind is KINDS["tick"] else "toYYYYMM(ts_event)"
    body = ",\n  ".join(lines)
    return (
        f"CREATE TABLE IF NOT EXISTS {DATABASE}.{kind.table} (\n  {body}\n)\n"
        f"ENGINE = ReplacingMergeTree({version})\nPARTITION BY {partition}\nORDER BY ({', '.join(kind.order_by)})\n"
        f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
    )


class Insert(NamedTuple):
    """One insert: an engine puts its own way to hand over an Arrow table behind `FROM`."""

    head: str  # INSERT INTO … SETTINGS … SELECT …
    structure: str  # names and types of what is handed over

    def statement(self, source: str) -> str:
        """The statement that reads from `source`."""
        return f"{self.head} FROM {source}"


def _head(kind: DataKind, token: str, values: list[str]) -> str:
    names = [column.name for _, group in columns_of(kind.name) for column in group]
    names += [name for name, _, _ in PROVENANCE]
    values = values + [name for name, _, _ in PROVENANCE]
    quoted = token.replace("\\", "\\\\").replace("'", "\\'")
    return (
        f"INSERT INTO {DATABASE}.{kind.table} ({', '.join(names)}) "
        f"SETTINGS insert_deduplication_token = '{quoted}', async_insert = 0 "
        f"SELECT {', '.join(values)}"
    )


def insert(kind: DataKind, token: str) -> Insert:
    """INSERT from an Arrow table, once per token.

    `async_insert` is off: a token is honoured only by an insert that waits for its own block.
    """
    columns = [column for _, group in columns_of(kind.name) for column in group]
    incoming = [f"{column.name} {column.incoming}" for column in columns]
    incoming += [f"{name} {stored}" for name, stored, _ in PROVENANCE]
    return Insert(_head(kind, token, [column.insert for column in columns]), ", ".join(incoming))


def _inexact(text: str) -> str:
    """Whether digits of a number's text would be lost: more than 18 behind the point, exponent counted.

    A short text without an exponent has fewer; only the others are looked into (a Decimal of many zeros is written
    with an exponent, `0E-7`). Too many digits before the point fail by themselves.
    """
    mantissa = f"substringIndex({text}, 'E', 1)"
    fraction = f"if(position({mantissa}, '.') > 0, length({mantissa}) - position({mantissa}, '.'), 0)"
    exponent = f"if(position({text}, 'E') > 0, toInt32OrZero(substring({text}, position({text}, 'E') + 1)), 0)"
    return f"(length({text}) > 19 OR position({text}, 'E') > 0) AND {fraction} - {exponent} > 18"


def _exact(text: str) -> str:
    """A text that is no number where digits could be lost: parsing it fails."""
    return f"if({_inexact(text)}, 'inexact', {text})"


def insert_encoded(kind: DataKind, token: str) -> Insert:
    """INSERT from MessagePack values in the order of the kind's fields, with where each row came from, once per token.

    The server cuts digits that it has no room for without a word, and makes NULL of a text that is no number where
    NULL is allowed; so both are looked for, and refuse the insert.
    """
    incoming, values = [], []
    for name, columns in columns_of(kind.name):
        if len(columns) == 2:  # a side of the book: prices, quantities
            incoming.append(f"{name} Array(Array(String))")
            values += [f"arrayMap(x -> toDecimal128({_exact(f'x[{place}]')}, 18), {name})" for place in (1, 2)]
            continue
        column = columns[0]
        incoming.append(f"{name} {column.incoming}")
        if "Nullable(Decimal" in column.stored:
            number = f"toDecimal128OrNull({name}, 18)"
            wrong = f"isNotNull({name}) AND (({_inexact(name)}) OR isNull({number}))"
            values.append(f"if(throwIf(ifNull({wrong}, 0), '{name}: a number that does not fit'), NULL, {number})")
        elif "Decimal" in column.stored:
            values.append(f"toDecimal128({_exact(name)}, 18)")
        else:
            values.append(column.insert)
    incoming += [f"{name} {stored}" for name, stored, _ in PROVENANCE]
    return Insert(_head(kind, token, values), ", ".join(incoming))


def select(kind: DataKind) -> str:
    """The columns of a kind as they are read."""
    return ", ".join(column.read for _, columns in columns_of(kind.name) for column in columns)


COLUMNS = f"SELECT table, name, type FROM system.columns WHERE database = '{DATABASE}'"

DEAD_LETTERS = f"""CREATE TABLE IF NOT EXISTS {DATABASE}.dead_letters (
  ts_dead DateTime64(9, 'UTC') DEFAULT now64(9),
  stream LowCardinality(String),
  stream_seq UInt64,
  stream_index UInt32,
  reason String,
  payload String
)
ENGINE = ReplacingMergeTree
ORDER BY (stream, stream_seq, stream_index)"""
