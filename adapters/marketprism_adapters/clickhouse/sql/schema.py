"""Insert statements and columns, made from the kind registry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from marketprism_adapters.clickhouse.sql.columns import columns_of
from marketprism_adapters.clickhouse.sql.literals import quoted
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.contracts.kinds import DataKind

PROVENANCE = (("stream_seq", "UInt64"), ("stream_index", "UInt32"), ("writer_epoch", "UInt64"))


# `async_insert` is off: a token is honoured only by an insert that waits for its own block. Rows of one key inside
# one insert are left to merges and FINAL: looking for them costs a fifth of the insert. A backfill of ten years touches
# more partitions than the default allows.
_SETTINGS = "async_insert = 0, optimize_on_insert = 0, max_partitions_per_insert_block = 0"


class Insert(NamedTuple):
    """One insert: an engine puts its own way to hand over an Arrow table behind `FROM`."""

    into: str  # INSERT INTO …
    settings: str  # SETTINGS …
    values: str  # what the table's columns are made of
    given: str  # names and types of what is handed over
    tail: str = ""  # WHERE …
    stored: bool = False  # what is handed over are the table's own columns, in their types

    @property
    def as_it_is(self) -> bool:
        """Whether every row that is handed over goes in as it is: without a SELECT, whose analysis costs an engine more
        than a thousand rows do."""
        return self.stored and not self.tail

    @property
    def structure(self) -> str:
        """Names and types of what is handed over, as they stand between quotes: a time's type names its zone."""
        return quoted(self.given)

    def statement(self, source: str) -> str:
        """The statement that reads from `source`."""
        return f"{self.into} {self.settings} SELECT {self.values} FROM {source}{self.tail}"


class _Target(NamedTuple):
    """A table that rows of a kind go into, and which of them."""

    table: str
    token: str
    tail: str = ""


def _targets(kind: DataKind, token: str) -> list[_Target]:
    """The table of the kind, behind that of its revisions: what stands is never without its revision. Of what is still
    being made there is none."""
    tail = " WHERE closed" if "closed" in kind.fields else ""
    revisions = [_Target(kind.revisions, f"{token}:revisions", tail)] if kind.revisions else []
    return [*revisions, _Target(kind.table, token)]


def _insert(kind: DataKind, target: _Target, values: list[str], incoming: list[str], *, stored: bool = False) -> Insert:
    names = [column.name for _, group in columns_of(kind.name) for column in group]
    names += [name for name, _ in PROVENANCE]
    values = values + [name for name, _ in PROVENANCE]
    into = f"INSERT INTO {DATABASE}.{target.table} ({', '.join(names)})"
    how = f"SETTINGS insert_deduplication_token = '{quoted(target.token)}', {_SETTINGS}"
    structure = ", ".join([*incoming, *(f"{name} {type_}" for name, type_ in PROVENANCE)])
    return Insert(into, how, ", ".join(values), structure, target.tail, stored)


def inserts(kind: DataKind, token: str) -> list[Insert]:
    """INSERTs from an Arrow table, each once per token."""
    columns = [column for _, group in columns_of(kind.name) for column in group]
    incoming = [f"{column.name} {column.incoming}" for column in columns]
    values = [column.insert for column in columns]
    return [_insert(kind, each, values, incoming) for each in _targets(kind, token)]


def inserts_columns(kind: DataKind, token: str) -> list[Insert]:
    """INSERTs from an Arrow table whose decimals are decimals, each once per token."""
    columns = [column for _, group in columns_of(kind.name) for column in group]
    exact = [column.stored if _is_decimal(column.stored) else column.incoming for column in columns]
    incoming = [f"{column.name} {given}" for column, given in zip(columns, exact, strict=True)]
    values = [column.name if _is_decimal(column.stored) else column.insert for column in columns]
    return [_insert(kind, each, values, incoming) for each in _targets(kind, token)]


def _is_decimal(stored: str) -> bool:
    return stored in ("Decimal(38, 18)", "Nullable(Decimal(38, 18))")


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


def inserts_encoded(kind: DataKind, token: str, *, careful: bool) -> list[Insert]:
    """INSERTs from MessagePack values in the order of the kind's fields, with where each row came from, each once per
    token.

    The server cuts digits that it has no room for without a word, and makes NULL of a text that is no number where
    NULL is allowed; so both are looked for, and refuse the insert. A number of at most 19 characters without an
    exponent is exact by its length: that is all that the quick form looks at, and it refuses every other number. The
    careful form looks into each number, takes every one that fits, and costs the server half as much again.
    """
    incoming: list[str] = []
    values: list[str] = []
    numbers: list[str] = []
    books: list[str] = []
    for name, columns in columns_of(kind.name):
        column = columns[0]
        if len(columns) == 2:  # a side of the book: prices, quantities
            books.append(name)
            incoming.append(f"{name} Array(Array(String))")
            number = _exact("x[{}]") if careful else "x[{}]"
            values += [
                f"arrayMap(x -> toDecimal128({number.format(*[n] * number.count('{}'))}, 18), {name})" for n in (1, 2)
            ]
            continue
        incoming.append(f"{name} {column.incoming}")
        if "Decimal" not in column.stored:
            values.append(column.insert)
        elif careful:
            values.append(_careful_number(name, column.stored.startswith("Nullable")))
        elif column.stored.startswith("Nullable"):
            numbers.append(f"ifNull({name}, '')")
            values.append(_quick_number(name))
        else:
            numbers.append(name)
            values.append(f"toDecimal128({name}, 18)")
    if not careful:
        values[0] = f"if({_unsure(numbers, books)}, {values[0]}, {values[0]})"
    return [_insert(kind, each, values, incoming) for each in _targets(kind, token)]


def inserts_stored(kind: DataKind, token: str) -> list[Insert]:
    """INSERTs from an Arrow table that has the columns of the kind's table in their own types, each once per token."""
    columns = [column for _, group in columns_of(kind.name) for column in group]
    values = [column.name for column in columns]
    incoming = [f"{column.name} {column.stored}" for column in columns]
    return [_insert(kind, each, values, incoming, stored=True) for each in _targets(kind, token)]


def _quick_number(name: str) -> str:
    return f"if(isNull({name}), NULL, toDecimal128(ifNull({name}, '0'), 18))"


def _careful_number(name: str, optional: bool) -> str:
    if not optional:
        return f"toDecimal128({_exact(name)}, 18)"
    number = f"toDecimal128OrNull({name}, 18)"
    wrong = f"isNotNull({name}) AND (({_inexact(name)}) OR isNull({number}))"
    return f"if(throwIf(ifNull({wrong}, 0), '{name}: a number that does not fit'), NULL, {number})"


def _unsure(numbers: Sequence[str], books: Sequence[str]) -> str:
    """An expression that fails where any number is long or has an exponent, and is false otherwise."""
    signs = []
    if numbers:
        joined = f"concat({', '.join(numbers)}, '')"
        longest = f"arrayMax([{', '.join(f'length({number})' for number in numbers)}])"
        signs += [f"position({joined}, 'E') > 0", f"{longest} > 19"]
    signs += [f"arrayExists(x -> length(x) > 19 OR position(x, 'E') > 0, arrayFlatten({book}))" for book in books]
    return f"throwIf({' OR '.join(signs) or '0'}, 'a number that has to be looked into')"


def select(kind: DataKind, fields: Collection[str] = ()) -> str:
    """The columns of a kind as they are read, of some fields only where they are named."""
    chosen = (columns for name, columns in columns_of(kind.name) if not fields or name in fields)
    return ", ".join(column.read for columns in chosen for column in columns)


COLUMNS = f"SELECT table, name, type FROM system.columns WHERE database = '{DATABASE}'"
CREATED = f"SELECT name, create_table_query AS created FROM system.tables WHERE database = '{DATABASE}'"
