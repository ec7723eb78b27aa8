"""What a backup is made of and restored into: rows of a store, streams of a broker, and what encrypts both."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from marketprism_application.contracts.backup_records import (
    JsonObject,
    SealedObject,
    StreamPlace,
    TableShape,
)
from marketprism_application.ports.archive import Columns, HotPartition, Measured

if TYPE_CHECKING:
    import pyarrow as pa


class RowSlice(NamedTuple):
    """Rows of a partition as an Arrow table, and what they measure."""

    rows: pa.Table
    measured: Measured


class RowCopies(Protocol):
    """Rows of every table of a store, out and in again, whatever engine has it.

    Raises (everywhere):
        StoreError: engine trouble.
    """

    engine: str  # as people know it

    async def schema(self) -> int:
        """Number of the last migration that was applied, 0 where there is no database."""
        ...

    async def shapes(self) -> Mapping[str, TableShape]:
        """Every table but the list of migrations, which is made by these."""
        ...

    async def partitions(self) -> Sequence[HotPartition]:
        """Every partition that has rows: of tables that say how far the store is first, so that a copy which is taken
        in this order never says that it has rows which it has not."""
        ...

    async def measure(self, table: str, partition: str, columns: Columns) -> Measured:
        """Rows of a partition as they count, each key once; their digest over columns as (name, type), which the table
        may have as other types by now. An empty partition is all of the table."""
        ...

    def slices(self, table: str, partition: str, columns: Columns) -> AsyncIterator[RowSlice]:
        """The rows of a partition as they count, some at a time; together they are what `measure` would find."""
        ...

    async def put(self, table: str, columns: Columns, rows: pa.Table) -> None:
        """Add rows of these columns; others get what the table gives them."""
        ...

    async def places(self) -> Sequence[StreamPlace]:
        """Up to where the store says that it has each stream."""
        ...


class StreamState(NamedTuple):
    """A stream as the server has it: when it was made, its first and last sequence, messages, and how many were taken
    out between them. `readable` says whether `digests` can read it."""

    created: str
    first: int
    last: int
    messages: int
    deleted: int
    readable: bool


class TakenStream(NamedTuple):
    """What the server says of a stream when a snapshot of it begins, and the bytes of it."""

    config: JsonObject
    state: JsonObject
    pieces: AsyncIterable[bytes]


class StreamCopies(Protocol):
    """Streams of a broker, out and in again, buckets among them.

    Raises (everywhere):
        SdkError: the broker is away, or refuses.
    """

    async def names(self) -> Sequence[str]:
        """Every stream, by name."""
        ...

    async def state(self, stream: str) -> StreamState:
        """What a stream holds now."""
        ...

    def digests(self, stream: str, first: int, last: int) -> AsyncIterator[tuple[int, bytes]]:
        """Sequence and digest (of subject, time, headers, content) of each message between two sequences, both of them
        too; but for messages that end by themselves one by one."""
        ...

    def take(self, stream: str) -> AbstractAsyncContextManager[TakenStream]:
        """A snapshot; consumers are in it."""
        ...

    async def restore(
        self, stream: str, config: JsonObject, state: JsonObject, pieces: AsyncIterable[bytes], *, ageless: bool = False
    ) -> None:
        """Make the stream of a snapshot. While it is `ageless` nothing in it goes out by its age."""
        ...

    async def let_age(self, stream: str, config: JsonObject) -> None:
        """Give a stream the limits of its configuration again."""
        ...


class Sink(Protocol):
    """Takes bytes. Raises BackupError: they could not be encrypted or written."""

    async def write(self, data: bytes) -> None:
        """Take some more, in order."""
        ...


class Sealing(Protocol):
    """A file that is being encrypted; `sealed` is known once it is whole."""

    @property
    def sink(self) -> Sink:
        """What it is written to."""
        ...

    @property
    def sealed(self) -> SealedObject | None:
        """The file, None before it is whole."""
        ...


class Sealer(Protocol):
    """Encrypts for `recipients`, whose identities it does not need.

    Raises (everywhere):
        BackupError: it cannot be written.
    """

    recipients: tuple[str, ...]

    def seal(self, target: Path) -> AbstractAsyncContextManager[Sealing]:
        """Encrypt what is written to the sink into a file, whole once the context is left."""
        ...


class Opener(Protocol):
    """Decrypts with the identities that it has.

    Raises (everywhere):
        WrongKey: none of them is for this file. BackupDamaged: it is not what was encrypted. OSError: no room.
    """

    async def open(self, sealed: Path, target: Path | None) -> None:
        """Decrypt a file into another, or into nothing, to see whether it can be."""
        ...


__all__ = [
    "Opener",
    "RowCopies",
    "RowSlice",
    "Sealer",
    "Sealing",
    "Sink",
    "StreamCopies",
    "StreamState",
    "TakenStream",
]
