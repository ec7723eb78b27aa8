"""Where archived rows lie, where hot ones do, and where it is written which is which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from marketprism_application.contracts.archive_records import ColdCopy, ColdFile, InstrumentRows, UnitRecord

Columns: TypeAlias = Sequence[tuple[str, str]]  # names and types, as the engine has them


class ColdAddress(NamedTuple):
    """How an engine reads a file by itself: an absolute path, or an http(s) URL of an S3-compatible store."""

    url: str
    key_id: str = ""
    key_text: str = ""


class Stored(NamedTuple):
    """A file at the place."""

    path: str
    bytes: int


class ColdStore(Protocol):
    """Files by relative paths with slashes. A file is there whole or not at all, and stays when the machine stops.

    Raises (everywhere):
        ColdStoreError: away, full or refusing; the text names the place and the path.
    """

    place: str  # as people are shown it, without secrets

    async def put(self, path: str, local: Path) -> None:
        """Store a local file under a path, in place of what is there."""
        ...

    async def fetch(self, path: str, local: Path) -> None:
        """Copy a file to a local one."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Store a small file, in place of what is there."""
        ...

    async def read(self, path: str) -> bytes:
        """All bytes of a small file."""
        ...

    async def names(self, below: str = "") -> Sequence[Stored]:
        """Files below a folder, by path; none where it is not there, an error where the place is not. Unfinished ones
        are not among them."""
        ...

    async def remove(self, path: str) -> None:
        """Take a file away; nothing where there is none."""
        ...

    def address(self, path: str) -> ColdAddress:
        """How an engine reads a file of it."""
        ...


class HotPartition(NamedTuple):
    """A partition that has rows in the hot store; rows that lie there twice until a merge are counted twice."""

    table: str
    partition: str
    rows: int
    bytes: int


class Outline(NamedTuple):
    """What a unit holds, every row once: its instruments by symbol and venue."""

    instruments: tuple[InstrumentRows, ...]
    columns: tuple[tuple[str, str], ...]
    days: tuple[str, str]
    seqs: tuple[int, int]


class Slice(NamedTuple):
    """Symbols from `first` to `last`, both included."""

    first: str
    last: str


class Measured(NamedTuple):
    """Rows and their digest, whatever their order."""

    rows: int
    digest: str


class HotStore(Protocol):
    """The engine's side of a move. `cold` is the copy that readers take at present, whose rows count with the hot ones:
    of rows with one key the newest version.

    Raises (everywhere):
        StoreError: engine trouble.
    """

    async def partitions(self) -> Sequence[HotPartition]:
        """Every partition of every table that can be archived, by table and partition."""
        ...

    async def outline(self, table: str, partition: str, cold: ColdCopy | None) -> Outline:
        """What a unit holds now."""
        ...

    async def export(
        self, table: str, partition: str, cold: ColdCopy | None, part: Slice, path: str, local: Path
    ) -> bool:
        """Write rows of some symbols to a Parquet file, in the order of the key: a local one, or by itself to `path` at
        the place; whether it did the latter."""
        ...

    async def measure(self, table: str, partition: str, cold: ColdCopy | None, part: Slice | None = None) -> Measured:
        """Rows of a unit as they count now."""
        ...

    async def measure_files(
        self, table: str, files: Sequence[ColdFile], columns: Sequence[tuple[str, str]]
    ) -> Measured:
        """Rows of files as the engine reads them at the place."""
        ...

    async def drop(self, table: str, partition: str, cold: ColdCopy) -> bool:
        """Take away the hot rows of a unit that the copy has; False where there are others, which all stay."""
        ...

    async def restore(self, table: str, partition: str, cold: ColdCopy) -> None:
        """Put the rows of a copy among the hot ones; doing it twice changes nothing."""
        ...


class UnitLog(Protocol):
    """Records of units, each written by compare-and-swap.

    Raises (everywhere):
        SdkError: not reachable. RevisionConflict, KeyExists: somebody else wrote the unit.
    """

    async def all(self) -> Sequence[tuple[UnitRecord, int]]:
        """Every record and its revision."""
        ...

    async def write(self, record: UnitRecord, revision: int) -> int:
        """Write a record over the one of `revision`, 0 where there is none; its new revision."""
        ...

    async def forget(self, record: UnitRecord, revision: int) -> None:
        """Take the record of a unit out."""
        ...


__all__ = [
    "ColdAddress",
    "ColdStore",
    "Columns",
    "HotPartition",
    "HotStore",
    "Measured",
    "Outline",
    "Slice",
    "Stored",
    "UnitLog",
]
