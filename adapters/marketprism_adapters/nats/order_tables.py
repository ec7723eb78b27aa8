"""Tables of orders that somebody has imported, in the bucket `order_tables`: a record for each venue, list and day.

Every instance of the order service writes it for who asks, and follows it. Documents are compressed: a venue's whole
list of tiers is some hundred kilobytes of text.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import msgspec

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import Stop

ORDER_TABLES = "order_tables"
MOST_DOCUMENT_BYTES = 16 * 2**20
_MOST_STORED_BYTES = 900_000  # a record is a message, whose limit is 1 MB where nobody has raised it


class TableKey(NamedTuple):
    """Which table: of a venue, which of its lists, and the day as of which it is right."""

    venue: str
    kind: str
    as_of: date

    @property
    def text(self) -> str:
        """The key in the bucket."""
        return f"{self.venue}.{self.kind}.{self.as_of.isoformat()}"


class ImportedTable(NamedTuple):
    """A record; `document` is a table file as JSON, `at` nanoseconds UTC. `problem` says why it cannot be read."""

    key: str
    document: bytes
    by: str
    at: int
    problem: str = ""


class _Record(msgspec.Struct):
    """A record as it is stored."""

    document: bytes
    by: str
    at: int


class TooLarge(ValueError):
    """A table does not fit into a record."""


class OrderTableStore:
    """The bucket. Methods raise what NATS raises."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> OrderTableStore:
        """The bucket, made if need be."""
        return cls(await NatsKeyValue.open(connection, ORDER_TABLES, replicas=replicas))

    async def put(self, key: TableKey, document: bytes, *, by: str, at: int) -> None:
        """Write a table, in place of the one of that list and day. Raises TooLarge: the bytes that it may have."""
        packed = zlib.compress(document, 9)
        if len(packed) > _MOST_STORED_BYTES:
            text = f"at most {_MOST_STORED_BYTES} bytes when compressed, was {len(packed)}"
            raise TooLarge(text)
        await self._bucket.put(key.text, msgspec.msgpack.encode(_Record(packed, by, at)))

    async def remove(self, key: TableKey) -> bool:
        """Take a table out; whether it was there."""
        if await self._bucket.get(key.text) is None:
            return False
        await self._bucket.delete(key.text)
        return True

    async def tables(self) -> list[ImportedTable]:
        """Every record, in the order of the keys; one that nobody can read has its `problem` and no document."""
        return [_read(entry.key, entry.value) for entry in await self._bucket.entries()]

    async def watch(self, on_change: Callable[[], None]) -> Stop:
        """Call when something was written; a hint, reading is what counts."""
        return await self._bucket.watch("", lambda _: on_change())


def _read(key: str, value: bytes) -> ImportedTable:
    try:
        record = msgspec.msgpack.decode(value, type=_Record)
        unpacking = zlib.decompressobj()
        document = unpacking.decompress(record.document, MOST_DOCUMENT_BYTES)
        if not unpacking.eof:
            return ImportedTable(key, b"", record.by, record.at, f"more than {MOST_DOCUMENT_BYTES} bytes, or cut off")
        return ImportedTable(key, document, record.by, record.at)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, zlib.error) as error:
        return ImportedTable(key, b"", "", 0, f"expected a record of a table: {error}"[:300])


__all__ = ["MOST_DOCUMENT_BYTES", "ORDER_TABLES", "ImportedTable", "OrderTableStore", "TableKey", "TooLarge"]
