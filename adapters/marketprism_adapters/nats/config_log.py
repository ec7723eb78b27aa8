"""Central configuration in its bucket: every version as a record of its own, and the layer in force as one document.

One document, so that a change of several settings is seen whole or not at all. The record of a version is written
first, under a key that only one can write; the document that services follow is put after it. Whoever ends between the
two leaves a record that is put into force by whoever comes next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from marketprism_application.contracts.config_records import CentralLayer, ConfigRecord
from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.values import decode_or_none

CONFIG = "config"
CURRENT = "current"
MOST_VERSIONS = 1_000  # those before them are forgotten
_TRIES = 8


class ConfigChanged(SdkError):
    """The layer in force is of another version than was expected."""


class InForce(NamedTuple):
    """The layer in force, and its revision in the bucket, 0 for none."""

    layer: CentralLayer
    revision: int


class ConfigLog:
    """`bucket` is one that may be written, or `existing` for those who only read. Methods raise what it raises."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> ConfigLog:
        """For who writes: the bucket is made if need be."""
        return cls(await NatsKeyValue.open(connection, CONFIG, replicas=replicas))

    @classmethod
    def existing(cls, connection: NatsConnection) -> ConfigLog:
        """For who reads: empty as long as nobody has changed anything."""
        return cls(NatsKeyValue.existing(connection, CONFIG))

    async def current(self) -> InForce:
        """The layer in force; an empty one of version 0 before the first change."""
        return _in_force(await self._bucket.get(CURRENT))

    async def record(self, version: int) -> ConfigRecord | None:
        """The record of a version, None where there is none."""
        return decode_or_none(await self._bucket.get(_key(version)), ConfigRecord)

    async def newest(self, limit: int, before: int | None = None) -> list[ConfigRecord]:
        """Versions below `before`, newest first."""
        current = (await self.current()).layer.version
        first = current if before is None else min(before - 1, current)
        found = await asyncio.gather(*map(self.record, range(first, max(0, first - limit), -1)))
        return [each for each in found if each is not None]

    async def settled(self) -> InForce:
        """The layer in force, after a version that somebody has recorded and not put into force is."""
        for _ in range(_TRIES):
            found = await self.current()
            ahead = await self.record(found.layer.version + 1)
            if ahead is None:
                return found
            await self._put_into_force(ahead, found.revision)
        raise SdkError(f"{CONFIG}: expected to read the version in force, others wrote {_TRIES} times")

    async def commit(self, record: ConfigRecord) -> None:
        """Record a version, the one behind `settled`, and put it into force.

        Raises:
            ConfigChanged: somebody else has made that version. SdkError: not written, as far as is known.
        """
        if not await self._claim(record):
            text = f"version: expected {record.version} to be free, another change was first"
            raise ConfigChanged(text)
        await self._put_into_force(record, record.previous)
        await self._forget(record.version - MOST_VERSIONS)

    async def watch(self, on_layer: Callable[[CentralLayer], None]) -> Stop:
        """Call with each layer that is put into force; a hint, reading is what counts."""

        def look(entry: KvEntry) -> None:
            if entry.key == CURRENT and (layer := decode_or_none(entry, CentralLayer)) is not None:
                on_layer(layer)

        return await self._bucket.watch(CURRENT, look)

    async def _claim(self, record: ConfigRecord) -> bool:
        """Whether the version is ours: nobody else has made it. What lies there and is no record gives way."""
        key, value = _key(record.version), msgspec.msgpack.encode(record)
        try:
            await self._bucket.create(key, value)
        except KeyExists:
            there = await self._bucket.get(key)
            if there is None or decode_or_none(there, ConfigRecord) is not None:
                return False
            try:
                await self._bucket.update(key, value, there.revision)
            except RevisionConflict:
                return False
        return True

    async def _put_into_force(self, record: ConfigRecord, revision: int) -> None:
        value = msgspec.msgpack.encode(record.layer())
        for _ in range(_TRIES):
            try:
                if revision:
                    await self._bucket.update(CURRENT, value, revision)
                else:
                    await self._bucket.create(CURRENT, value)
            except (KeyExists, RevisionConflict):
                entry = await self._bucket.get(CURRENT)
                revision = entry.revision if entry is not None else 0
                if _in_force(entry).layer.version < record.version:
                    continue
            return
        raise SdkError(f"{CONFIG}: expected to put version {record.version} into force, others wrote meanwhile")

    async def _forget(self, version: int) -> None:
        if version > 0 and await self._bucket.get(_key(version)) is not None:
            await self._bucket.delete(_key(version))


def _in_force(entry: KvEntry | None) -> InForce:
    """What an entry says; one that holds no layer is as none, and can be written over."""
    layer = decode_or_none(entry, CentralLayer)
    return InForce(layer or CentralLayer(), entry.revision if entry is not None else 0)


def _key(version: int) -> str:
    return f"history.{version:08d}"


__all__ = ["CONFIG", "CURRENT", "ConfigChanged", "ConfigLog", "InForce"]
