"""Validation rules in their bucket: every version as a record of its own, and the one in force.

The record of a version is made first, under a key that only one can make: of two who change the same version one is
refused or goes on from the other's. The key that validators follow is written after it. Whoever ends between the two
leaves a record that is put into force by whoever comes next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from marketprism_adapters.nats import streams
from marketprism_application.contracts.rules_records import RulesRecord
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none, read_or_none

CURRENT = "current"
MOST_VERSIONS = 1_000  # those before them are forgotten
_TRIES = 8
_SEEN_AGAIN = 20  # newest versions among which a command that comes twice is looked for


class RulesChanged(SdkError):
    """The rules in force are of another version than was expected; `rules` are those."""

    def __init__(self, expected: int, rules: ValidationRules) -> None:
        super().__init__(f"version: expected {expected}, was {rules.version}: the rules were changed meanwhile")
        self.rules = rules


def rules_in(entry: KvEntry | None) -> ValidationRules | None:
    """The rules of an entry; None where it holds none."""
    return read_or_none(entry, lambda value: ValidationRules.from_dict(msgspec.msgpack.decode(value)))


class RulesLog:
    """`bucket` is one that may be written, or `existing` for those who only read."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    @classmethod
    def existing(cls, connection: NatsConnection) -> RulesLog:
        """For who reads: empty as long as nobody has changed anything."""
        return cls(NatsKeyValue.existing(connection, streams.RULES))

    async def current(self) -> ValidationRules | None:
        """The rules that were put into force by a change; None where the settings' are. Raises what the bucket does."""
        return rules_in(await self._bucket.get(CURRENT))

    async def record(self, version: int) -> RulesRecord | None:
        """The record of a version, None where there is none."""
        return decode_or_none(await self._bucket.get(_key(version)), RulesRecord)

    async def newest(self, limit: int, before: int | None = None) -> list[RulesRecord]:
        """Versions below `before`, newest first, those that were changed by somebody."""
        current = await self.current()
        if current is None:
            return []
        first = current.version if before is None else min(before - 1, current.version)
        found = await asyncio.gather(*map(self.record, range(first, max(0, first - limit), -1)))
        return [each for each in found if each is not None]

    async def change(
        self,
        initial: ValidationRules,
        changes: Mapping[str, object],
        *,
        expected: int | None,
        who: str,
        reason: str,
        key: str,
        ts: int,
    ) -> tuple[RulesRecord, bool]:
        """Make the next version and put it into force; `initial` are the rules where none were changed so far.

        Returns the record, and whether it was made now: a command of the same `key` is done once.

        Raises:
            RulesChanged: `expected` is not the version in force. InvalidValue: a change that cannot be.
            SdkError: not written.
        """
        for _ in range(_TRIES):
            entry = await self._bucket.get(CURRENT)
            current = rules_in(entry) or initial
            ahead = await self.record(current.version + 1)
            if ahead is not None:
                await self._put_into_force(ahead, entry)
                continue
            for version in range(current.version, max(0, current.version - _SEEN_AGAIN), -1):
                done = await self.record(version)
                if done is not None and done.key == key:
                    return done, False
            if expected is not None and expected != current.version:
                raise RulesChanged(expected, current)
            rules = current.changed(**changes)
            record = RulesRecord(rules.version, ts, who, reason, key, dict(current.differences(rules)), rules.to_dict())
            if await self._claim(record):
                await self._put_into_force(record, entry)
                await self._forget(record.version - MOST_VERSIONS)
                return record, True
        raise SdkError(f"{streams.RULES}: expected to write a version, others were first {_TRIES} times")

    async def _claim(self, record: RulesRecord) -> bool:
        """Whether the version is ours: nobody else has made it. What lies there and is no record gives way."""
        key, value = _key(record.version), msgspec.msgpack.encode(record)
        try:
            await self._bucket.create(key, value)
        except KeyExists:
            there = await self._bucket.get(key)
            if there is None or decode_or_none(there, RulesRecord) is not None:
                return False
            try:
                await self._bucket.update(key, value, there.revision)
            except RevisionConflict:
                return False
        return True

    async def _put_into_force(self, record: RulesRecord, entry: KvEntry | None) -> None:
        value = msgspec.msgpack.encode(record.rules)
        for _ in range(_TRIES):
            try:
                if entry is None:
                    await self._bucket.create(CURRENT, value)
                else:
                    await self._bucket.update(CURRENT, value, entry.revision)
            except (KeyExists, RevisionConflict):
                entry = await self._bucket.get(CURRENT)
                found = rules_in(entry)
                if found is None or found.version < record.version:
                    continue
            return
        raise SdkError(f"{streams.RULES}: expected to put version {record.version} into force, others wrote meanwhile")

    async def _forget(self, version: int) -> None:
        if version > 0 and await self._bucket.get(_key(version)) is not None:
            await self._bucket.delete(_key(version))


def _key(version: int) -> str:
    return f"history.{version:08d}"


__all__ = ["CURRENT", "RulesChanged", "RulesLog", "rules_in"]
