"""Validation rules in their bucket: every version as a record of its own, and the one in force."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.versioned_log import CURRENT, TRIES, VersionedLog
from marketprism_application.contracts.rules_records import RulesRecord, Values
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import read_or_none

_SEEN_AGAIN = 20  # newest versions among which a command that comes twice is looked for


class RulesChanged(SdkError):
    """The rules in force are of another version than was expected; `rules` are those."""

    def __init__(self, expected: int, rules: ValidationRules) -> None:
        super().__init__(f"version: expected {expected}, was {rules.version}: the rules were changed meanwhile")
        self.rules = rules


class RulesLog(VersionedLog[RulesRecord, ValidationRules]):
    """`bucket` is one that may be written, or `existing` for those who only read."""

    record_kind = RulesRecord
    name = streams.RULES

    @classmethod
    def existing(cls, connection: NatsConnection) -> RulesLog:
        """For who reads: empty as long as nobody has changed anything."""
        return cls(NatsKeyValue.existing(connection, streams.RULES))

    def value_in(self, entry: KvEntry | None) -> ValidationRules | None:
        """The rules of an entry; None where it holds none."""
        return read_or_none(entry, lambda value: ValidationRules.from_dict(msgspec.msgpack.decode(value)))

    def put_by(self, record: RulesRecord) -> Values:
        """The rules that a version is."""
        return record.rules

    async def current(self) -> ValidationRules | None:
        """The rules that were put into force by a change; None where the settings' are. Raises what the bucket does."""
        return (await self.place()).value

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
        for _ in range(TRIES):
            await self.finish(initial.version)
            place = await self.place()
            current = place.value or initial
            for version in range(current.version, max(0, current.version - _SEEN_AGAIN), -1):
                done = await self.record(version)
                if done is not None and done.key == key:
                    return done, False
            if expected is not None and expected != current.version:
                raise RulesChanged(expected, current)
            rules = current.changed(**changes)
            record = RulesRecord(rules.version, ts, who, reason, key, dict(current.differences(rules)), rules.to_dict())
            if await self.claim(record):
                await self.put_claimed(record, place.revision)
                return record, True
        raise SdkError(f"{streams.RULES}: expected to write a version, others were first {TRIES} times")


__all__ = ["CURRENT", "RulesChanged", "RulesLog"]
