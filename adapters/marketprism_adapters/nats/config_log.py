"""Central configuration in its bucket: every version as a record of its own, and the layer in force as one document.

One document, so that a change of several settings is seen whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from marketprism_adapters.nats.versioned_log import CURRENT, VersionedLog
from marketprism_application.contracts.config_records import CentralLayer, ConfigRecord
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.values import decode_or_none

CONFIG = "config"


class ConfigChanged(SdkError):
    """The layer in force is of another version than was expected."""


class InForce(NamedTuple):
    """The layer in force, and its revision in the bucket, 0 for none."""

    layer: CentralLayer
    revision: int


class ConfigLog(VersionedLog[ConfigRecord, CentralLayer]):
    """`bucket` is one that may be written, or `existing` for those who only read. Methods raise what it raises."""

    record_kind = ConfigRecord
    name = CONFIG

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> ConfigLog:
        """For who writes: the bucket is made if need be."""
        return cls(await NatsKeyValue.open(connection, CONFIG, replicas=replicas))

    @classmethod
    def existing(cls, connection: NatsConnection) -> ConfigLog:
        """For who reads: empty as long as nobody has changed anything."""
        return cls(NatsKeyValue.existing(connection, CONFIG))

    def value_in(self, entry: KvEntry | None) -> CentralLayer | None:
        """The layer of an entry."""
        return decode_or_none(entry, CentralLayer)

    def put_by(self, record: ConfigRecord) -> CentralLayer:
        """The layer that a version is."""
        return record.layer()

    async def current(self) -> InForce:
        """The layer in force; an empty one of version 0 before the first change, and where what lies there is none."""
        place = await self.place()
        return InForce(place.value or CentralLayer(), place.revision)

    async def commit(self, record: ConfigRecord) -> bool:
        """Record a version, the one behind that in force, and put it there; whether nobody else has put it there first.

        Raises:
            ConfigChanged: somebody else has made that version. SdkError: not written, as far as is known.
        """
        if not await self.claim(record):
            text = f"version: expected {record.version} to be free, another change was first"
            raise ConfigChanged(text)
        return await self.put_claimed(record, record.previous)

    async def watch(self, on_layer: Callable[[CentralLayer], None]) -> Stop:
        """Call with each layer that is put into force; a hint, reading is what counts."""

        def look(entry: KvEntry) -> None:
            if entry.key == CURRENT and (layer := self.value_in(entry)) is not None:
                on_layer(layer)

        return await self._bucket.watch(CURRENT, look)


__all__ = ["CONFIG", "CURRENT", "ConfigChanged", "ConfigLog", "InForce"]
