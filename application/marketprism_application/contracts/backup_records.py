"""What a backup is: one manifest that names everything in it, and is written last.

Digests of rows are those of `archiving.digests`, of columns as the tables had them; times are nanoseconds UTC. An
object is a file `objects/<sha256 of its bytes>.age` beside the sets; a manifest holds nothing secret.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

FORMAT = 1

JsonObject = dict[str, object]


class SealedObject(NamedTuple):
    """An encrypted file at the place: digest of its bytes, and how many they are."""

    sha256: str
    bytes: int

    @property
    def path(self) -> str:
        """Where it lies at the place."""
        return f"objects/{self.sha256}.age"


class TableShape(msgspec.Struct, frozen=True):
    """Columns of a table as (name, type), and what a partition of it spans: `day`, `month`, `year`, empty for all."""

    columns: tuple[tuple[str, str], ...]
    span: str = ""


class TablePart(msgspec.Struct, frozen=True):
    """The rows of one partition as they count, each key once."""

    table: str
    partition: str
    rows: int
    digest: str
    stored: SealedObject

    @property
    def key(self) -> tuple[str, str]:
        """By what it is known: table and partition."""
        return self.table, self.partition


class StreamPart(msgspec.Struct, frozen=True):
    """A snapshot of a stream. `digest` is over the messages whose sequences lie in `ranges` (first and last, both
    included): those that were there before the snapshot and behind it, `compared` of them."""

    stream: str
    config: JsonObject
    state: JsonObject
    created: str
    ranges: tuple[tuple[int, int], ...]
    compared: int
    digest: str
    stored: SealedObject

    @property
    def messages(self) -> int:
        """How many messages the server counted when the snapshot began."""
        found = self.state.get("messages", 0)
        return found if isinstance(found, int) else 0


class SettingsFile(msgspec.Struct, frozen=True):
    """A settings file, and the digest of its text."""

    name: str
    sha256: str
    stored: SealedObject


class ArchivedUnit(msgspec.Struct, frozen=True):
    """A partition whose rows lie in the archive. Its files are not in the backup unless `files` names them, by path."""

    table: str
    partition: str
    rows: int
    digest: str
    place: str
    files: tuple[tuple[str, str, SealedObject], ...] = ()  # path, sha256 of the file, object


class StreamPlace(msgspec.Struct, frozen=True):
    """Up to where a stream is in the store's copy; `created` names the stream, `ts` is the time of that message."""

    stream: str
    created: str
    watermark: int
    ts: int


class BackupManifest(msgspec.Struct, frozen=True):
    """Everything in a backup. `schema` is the number of the last migration of its tables, `store` the store's identity,
    `digest` is over all other fields."""

    id: str
    product: str
    schema: int
    store: str
    engine: str
    begun: int
    ended: int
    recipients: tuple[str, ...]
    tables: dict[str, TableShape]
    parts: tuple[TablePart, ...] = ()
    streams: tuple[StreamPart, ...] = ()
    settings: tuple[SettingsFile, ...] = ()
    secret_files: tuple[str, ...] = ()
    archived: tuple[ArchivedUnit, ...] = ()
    places: tuple[StreamPlace, ...] = ()
    written_bytes: int = 0  # by this backup; what earlier ones had is not written again
    format: int = FORMAT
    digest: str = ""

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return sum(part.rows for part in self.parts)

    @property
    def objects(self) -> tuple[SealedObject, ...]:
        """Every object that it needs, each once."""
        found = [part.stored for part in self.parts]
        found += [part.stored for part in self.streams]
        found += [file.stored for file in self.settings]
        found += [stored for unit in self.archived for _, _, stored in unit.files]
        return tuple(dict.fromkeys(found))

    @property
    def bytes(self) -> int:
        """Bytes of all its objects together."""
        return sum(stored.bytes for stored in self.objects)


__all__ = [
    "FORMAT",
    "ArchivedUnit",
    "BackupManifest",
    "JsonObject",
    "SealedObject",
    "SettingsFile",
    "StreamPart",
    "StreamPlace",
    "TablePart",
    "TableShape",
]
