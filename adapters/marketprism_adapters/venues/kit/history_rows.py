"""Rows of a venue's history: messages as they are stored, and as columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.venue_messages import KlineMessage, Message
from marketprism_application.queries.arrow_tables import DECIMAL, schema_of

NANOS_PER_MS = 1_000_000


def settled(message: Message, source: str) -> Message:
    """A message of the past as it is stored: nothing in it tells when it was asked for, so that whoever asks again has
    the same row. `ts_recv` is 0: nobody received it when it happened."""
    message.source = source
    message.epoch = message.ts_recv = message.ts_pub = 0
    if isinstance(message, KlineMessage):
        message.ts_event = message.ts_close
        message.seq = (message.ts_close - 1) // NANOS_PER_MS
    return message


def key_of(kind: DataKind, message: Message) -> int:
    """What tells the rows of one series from one another: when a bar opens, a trade's number, else the time."""
    if isinstance(message, KlineMessage):
        return message.ts_open
    return message.seq if kind.numbered else message.ts_event


@dataclass
class Gathered:
    """Rows by their key. A row that comes again is held against the one that is there; `repeated` counts them."""

    kind: DataKind
    source: str
    ts_from: int
    ts_to: int
    repeated: int = 0

    def __post_init__(self) -> None:
        self.rows: dict[int, Message] = {}
        self.differing: dict[int, int] = {}

    def add(self, messages: Iterable[Message]) -> int:
        """How many of these are new. Of a row that differs from the one that is there neither is taken: it has to be
        asked for again; `differing` counts how often."""
        new = 0
        for each in messages:
            key = key_of(self.kind, each)
            there = self.rows.get(key)
            if there is None:
                self.rows[key] = each
                new += 1
            elif there == each:
                self.repeated += 1
            else:
                del self.rows[key]
                self.differing[key] = self.differing.get(key, 0) + 1
        return new

    def time_of(self, message: Message) -> int:
        """Where a row lies in the range."""
        return message.ts_open if isinstance(message, KlineMessage) else message.ts_event

    def table(self) -> pa.Table:
        """The rows of the range, by their key."""
        inside = [row for _, row in sorted(self.rows.items()) if self.ts_from <= self.time_of(row) < self.ts_to]
        return table_of_messages(self.kind, inside)


def table_of_messages(kind: DataKind, messages: Sequence[Message]) -> pa.Table:
    """Messages as a table of their kind; numbers stay exact."""
    schema = schema_of(kind.name)
    if not messages:
        return schema.empty_table()
    columns = list(zip(*(msgspec.structs.astuple(each)[1:] for each in messages), strict=True))
    arrays = [_column(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.table(dict(zip(schema.names, arrays, strict=True)), schema=schema)


def _column(values: list[object], type_: pa.DataType) -> pa.Array:  # type: ignore[type-arg]
    if type_ == DECIMAL:
        return pa.array(values, pa.string()).cast(DECIMAL)
    return pa.array(values, type_)


__all__ = ["Gathered", "key_of", "settled", "table_of_messages"]
