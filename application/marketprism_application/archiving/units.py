"""The records that readers plan with, and who reads by which of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from marketprism_application.contracts.archive_records import UnitRecord

Records = Mapping[tuple[str, str], UnitRecord]


class KnownUnits:
    """Records by table and partition. A reader has those of one instant for as long as it reads; whoever takes rows or
    files away waits until no reader is left that planned before."""

    def __init__(self) -> None:
        self._records: Records = MappingProxyType({})
        self._generation = 0
        self._readers: Counter[int] = Counter()
        self._ended = asyncio.Event()
        self.complete = False  # until it is known what is archived, no answer can be trusted

    @property
    def records(self) -> Records:
        """As they are now."""
        return self._records

    def replace(self, record: UnitRecord) -> None:
        """Another record of a unit: readers that begin from now on have it."""
        self._set({**self._records, record.key: record})

    def forget(self, key: tuple[str, str]) -> None:
        """No record of a unit any more."""
        self._set({each: record for each, record in self._records.items() if each != key})

    def load(self, records: Records) -> None:
        """All of them anew."""
        self._set(dict(records))
        self.complete = True

    def _set(self, records: dict[tuple[str, str], UnitRecord]) -> None:
        self._records = MappingProxyType(records)
        self._generation += 1

    @contextmanager
    def reading(self) -> Iterator[Records]:
        """The records to plan with; nothing that they name is taken away inside."""
        generation = self._generation
        self._readers[generation] += 1
        try:
            yield self._records
        finally:
            self._readers[generation] -= 1
            if not self._readers[generation]:
                del self._readers[generation]
            self._ended.set()

    async def drained(self) -> None:
        """Once every reader that planned with older records has ended."""
        until = self._generation
        while any(generation < until for generation in self._readers):
            self._ended.clear()
            await self._ended.wait()


__all__ = ["KnownUnits", "Records"]
