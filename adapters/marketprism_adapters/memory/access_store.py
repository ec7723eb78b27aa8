"""AccessStore and AuditLog in memory: one place, and as many sides of it as there are instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from marketprism_application.contracts.access_records import AccessRecord, AuditRecord
from marketprism_application.ports.access_store import Change, OnChange, R, RecordChanged, Stored

_Key = tuple[type[AccessRecord], str]


class MemoryAccess:
    """What all sides share. `away` is the error that whoever asks it gets, for as long as it is set."""

    def __init__(self) -> None:
        self.records: dict[_Key, tuple[AccessRecord, int]] = {}
        self.sides: list[MemoryAccessStore] = []
        self.revision = 0
        self.away: Exception | None = None

    def check(self) -> None:
        """Raise what was set."""
        if self.away is not None:
            raise self.away

    def put(self, key: _Key, record: AccessRecord | None) -> int:
        """Write whatever is there; every side hears of it."""
        self.revision += 1
        if record is None:
            self.records.pop(key, None)
        else:
            self.records[key] = (record, self.revision)
        for side in self.sides:
            side.notify(Change(*key, record))
        return self.revision


class MemoryAccessStore:
    """Fulfils `AccessStore`: one instance's side."""

    def __init__(self, place: MemoryAccess | None = None) -> None:
        self.place = place or MemoryAccess()
        self.place.sides.append(self)
        self._listeners: list[OnChange] = []

    def get(self, kind: type[R], key: str) -> R | None:
        """The record, None where there is none."""
        found = self.place.records.get((kind, key))
        return None if found is None else cast("R", found[0])

    def all(self, kind: type[R]) -> list[R]:
        """Every record of a kind, by id."""
        found = sorted((key, record) for (of, key), (record, _) in self.place.records.items() if of is kind)
        return [cast("R", record) for _, record in found]

    async def read(self, kind: type[R], key: str) -> Stored[R] | None:
        """The record and its revision, None where there is none."""
        self.place.check()
        found = self.place.records.get((kind, key))
        return None if found is None else Stored(cast("R", found[0]), found[1])

    async def write(self, record: AccessRecord, revision: int) -> int:
        """Its new revision. Raises RecordChanged."""
        self.place.check()
        found = self.place.records.get((type(record), record.id))
        if (found[1] if found is not None else 0) != revision:
            raise RecordChanged(f"{type(record).__name__} {record.id}: expected revision {revision}, it was changed")
        return self.place.put((type(record), record.id), record)

    async def remove(self, kind: type[R], key: str, revision: int | None = None) -> None:
        """Take it out, if it is there. Raises RecordChanged."""
        self.place.check()
        if (kind, key) in self.place.records:
            if revision not in (None, self.place.records[kind, key][1]):
                raise RecordChanged(f"{kind.__name__} {key}: expected revision {revision}, it was changed")
            self.place.put((kind, key), None)

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Call it for every change until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def notify(self, change: Change) -> None:
        """Hand a change to whoever listens."""
        for listener in list(self._listeners):
            listener(change)

    def silent_s(self) -> float:
        """0: it is within reach, unless it was set to be away."""
        return 0.0 if self.place.away is None else 3_600.0


class MemoryAuditLog:
    """Fulfils `AuditLog`. `away` is the error that adding raises, for as long as it is set."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.away: Exception | None = None

    async def add(self, record: AuditRecord) -> None:
        """Add it at the end."""
        if self.away is not None:
            raise self.away
        self.records.append(record)

    async def newest(self, limit: int, before: int | None = None) -> list[tuple[int, AuditRecord]]:
        """Numbered from 1, newest first."""
        numbered = list(enumerate(self.records, 1))
        if before is not None:
            numbered = [each for each in numbered if each[0] < before]
        return numbered[::-1][:limit]


__all__ = ["MemoryAccess", "MemoryAccessStore", "MemoryAuditLog"]
