"""What is known of archived partitions: in the bucket `archive`, and beside the files as `manifest.json`.

A unit is one partition of one table. Times are nanoseconds UTC of the kind's `time_field`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec


class UnitState(StrEnum):
    """Where the move of a unit stands. What readers do depends on `UnitRecord.cold` alone."""

    EXPORTING = "exporting"  # files are being written; hot rows are read
    EXPORTED = "exported"  # all files are at the place
    VERIFIED = "verified"  # they were read back by two readers and are right
    COLD = "cold"  # readers take the files; rows that are still hot count once with them
    DROPPED = "dropped"  # no hot rows are left but those that came later
    RESTORING = "restoring"  # rows are put back; as cold until all are
    RESTORED = "restored"  # hot rows are read alone; the files stay, and are taken again once `until` has passed


class InstrumentRows(NamedTuple):
    """Rows of one instrument in a unit, and their first and last time."""

    symbol: str
    venue: str
    rows: int
    ts_first: int
    ts_last: int


class ColdFile(msgspec.Struct, frozen=True):
    """One Parquet file: rows of the symbols `first` to `last`, in the order of the table's key. `digest` is of the
    rows, whatever their order; `sha256` is of the bytes."""

    path: str
    bytes: int
    rows: int
    sha256: str
    digest: str
    first: str
    last: str
    ts_first: int
    ts_last: int


class ColdCopy(msgspec.Struct, frozen=True):
    """One export of a unit. `columns` are (name, type) as the table had them; `instruments` is empty where there are
    too many to be listed: then any instrument may be in it."""

    revision: int
    files: tuple[ColdFile, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    instruments: tuple[InstrumentRows, ...] = ()
    days: tuple[str, str] = ("", "")  # first and last trading day; empty where the kind has none
    seqs: tuple[int, int] = (0, 0)  # first and last stream_seq

    @property
    def rows(self) -> int:
        """Rows of all its files together."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Bytes of all its files together."""
        return sum(file.bytes for file in self.files)

    @property
    def ts_first(self) -> int:
        """The earliest time of any row, 0 without one."""
        return min((file.ts_first for file in self.files), default=0)

    @property
    def ts_last(self) -> int:
        """The latest time of any row, 0 without one."""
        return max((file.ts_last for file in self.files), default=0)


class UnitRecord(msgspec.Struct, frozen=True):
    """A unit whose move has begun. `cold` is the copy that readers take, None before the first is verified; `coming`
    the one that is being made. `hold` is why it may not be deleted, empty where it may. A restored one stays hot until
    `until`. `adopted`: it was made of its manifest, and others may be missing yet."""

    table: str
    partition: str
    state: UnitState
    cold: ColdCopy | None = None
    coming: ColdCopy | None = None
    hold: str = ""
    hot_bytes: int = 0
    changed_at: int = 0
    epoch: int = 0
    until: int = 0
    adopted: bool = False

    @property
    def served(self) -> ColdCopy | None:
        """The copy whose rows count with the hot ones; None where the hot ones are all."""
        return None if self.state is UnitState.RESTORED else self.cold

    @property
    def key(self) -> tuple[str, str]:
        """By what a unit is known: its table and its partition."""
        return self.table, self.partition


class Manifest(msgspec.Struct, frozen=True):
    """What lies beside a unit's files: enough to know it again where the bucket is lost."""

    table: str
    partition: str
    cold: ColdCopy
    hold: str = ""
    version: int = 1


__all__ = ["ColdCopy", "ColdFile", "InstrumentRows", "Manifest", "UnitRecord", "UnitState"]
