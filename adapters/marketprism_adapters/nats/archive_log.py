"""Records of archived units in the bucket `archive`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from marketprism_application.contracts.archive_records import UnitRecord
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.values import decode_or_none

ARCHIVE = "archive"


class ArchiveLog:
    """Fulfils `UnitLog`, by the key `<table>.<partition>`."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> ArchiveLog:
        """The bucket, made if need be."""
        return cls(await NatsKeyValue.open(connection, ARCHIVE, replicas=replicas))

    async def all(self) -> Sequence[tuple[UnitRecord, int]]:
        """Every record and its revision; what is none is left out."""
        return [
            (record, entry.revision)
            for entry in await self._bucket.entries()
            if (record := decode_or_none(entry, UnitRecord)) is not None
        ]

    async def write(self, record: UnitRecord, revision: int) -> int:
        """Create a key, or update it at its revision."""
        value = msgspec.msgpack.encode(record)
        if revision:
            return await self._bucket.update(_key(record), value, revision)
        return await self._bucket.create(_key(record), value)

    async def forget(self, record: UnitRecord, revision: int) -> None:
        """Delete a key at its revision."""
        await self._bucket.delete(_key(record), revision)


def _key(record: UnitRecord) -> str:
    return f"{record.table}.{record.partition}"


__all__ = ["ARCHIVE", "ArchiveLog"]
