"""What changes by versions, in a bucket: a record of each version, and the value in force.

The record of a version is written first, under a key that only one can write: of two who make the same version one is
refused. The value that others follow is put after it. Whoever ends between the two leaves a version that is recorded
and not in force: `finish` puts it into force, of whoever calls it next.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none

CURRENT = "current"
MOST_VERSIONS = 1_000  # those before them are forgotten
TRIES = 8


class Versioned(Protocol):
    """What a record has, whatever it is a record of."""

    @property
    def version(self) -> int:
        """The first is 1."""
        ...


R = TypeVar("R", bound=Versioned)
V = TypeVar("V", bound=Versioned)


class Place(NamedTuple, Generic[V]):
    """What lies under `current`: the value, None for none or one that cannot be read, and its revision, 0 for none."""

    value: V | None
    revision: int


class VersionedLog(ABC, Generic[R, V]):
    """`R` is the record of a version, `V` the value that it puts into force. Methods raise what the bucket does."""

    record_kind: type[R]
    name: ClassVar[str]  # of the bucket, for error texts

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    @abstractmethod
    def value_in(self, entry: KvEntry | None) -> V | None:
        """The value of an entry; None where it holds none."""

    @abstractmethod
    def put_by(self, record: R) -> object:
        """What a record puts into force, as it is encoded."""

    async def place(self) -> Place[V]:
        """What is in force."""
        entry = await self._bucket.get(CURRENT)
        return Place(self.value_in(entry), entry.revision if entry is not None else 0)

    async def record(self, version: int) -> R | None:
        """The record of a version, None where there is none."""
        return self._record_in(await self._bucket.get(_key(version)), version)

    def _record_in(self, entry: KvEntry | None, version: int) -> R | None:
        """The record of an entry; one that says it is of another version is none."""
        found = decode_or_none(entry, self.record_kind)
        return found if found is not None and found.version == version else None

    async def newest(self, limit: int, before: int | None = None) -> list[R]:
        """Records of versions below `before`, newest first; of none that is not in force yet."""
        value = (await self.place()).value
        current = 0 if value is None else value.version
        first = current if before is None else min(before - 1, current)
        found = await asyncio.gather(*map(self.record, range(first, max(0, first - limit), -1)))
        return [each for each in found if each is not None]

    async def finish(self, first: int = 0) -> R | None:
        """Put into force what somebody has recorded and not put into force, and return its record, the last of several.

        None where there is nothing, or somebody else has done it. `first` is the version where none is in force.
        """
        place = await self.place()
        at = first if place.value is None else place.value.version
        last: R | None = None
        while (ahead := await self.record(at + 1)) is not None:
            last, at = ahead, ahead.version
        if last is None or not await self._put_into_force(last, place.revision):
            return None
        return last

    async def claim(self, record: R) -> bool:
        """Record a version, the one behind that in force. False: somebody else has made it.

        What lies there and is no record gives way.
        """
        key, value = _key(record.version), msgspec.msgpack.encode(record)
        try:
            await self._bucket.create(key, value)
        except KeyExists:
            there = await self._bucket.get(key)
            if there is None or self._record_in(there, record.version) is not None:
                return False
            try:
                await self._bucket.update(key, value, there.revision)
            except RevisionConflict:
                return False
        return True

    async def put_claimed(self, record: R, revision: int) -> bool:
        """Put a claimed version into force over a revision of the place. False: somebody else has done it meanwhile."""
        done = await self._put_into_force(record, revision)
        old = record.version - MOST_VERSIONS
        if old > 0 and await self._bucket.get(_key(old)) is not None:
            await self._bucket.delete(_key(old))
        return done

    async def _put_into_force(self, record: R, revision: int) -> bool:
        value = msgspec.msgpack.encode(self.put_by(record))
        for _ in range(TRIES):
            try:
                if revision:
                    await self._bucket.update(CURRENT, value, revision)
                else:
                    await self._bucket.create(CURRENT, value)
            except (KeyExists, RevisionConflict):
                place = await self.place()
                if place.value is not None and place.value.version >= record.version:
                    return False
                revision = place.revision
                continue
            return True
        raise SdkError(f"{self.name}: expected to put version {record.version} into force, others wrote meanwhile")


def _key(version: int) -> str:
    return f"history.{version:08d}"


__all__ = ["CURRENT", "MOST_VERSIONS", "TRIES", "Place", "Versioned", "VersionedLog"]
