"""Owner records of partitions: one member's view of them, and its writes to them by compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from marketprism_sdk.clock import Clock
from marketprism_sdk.election import Epoch
from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.ports import KeyValue, KvEntry
from marketprism_sdk.values import decode_or_none

OWNER_PREFIX = "own."
_MOST_DIGITS = 9
_ANEW_LEASES = 5  # a read that is older than the view for so many leases is of a bucket that was made anew


class OwnerRecord(msgspec.Struct, frozen=True):
    """A partition's owner."""

    holder: str
    epoch: Epoch
    state: str = "held"  # held, released


def partition_of_key(key: str) -> int | None:
    """The partition that an owner record is about; None for any other key."""
    number = key.removeprefix(OWNER_PREFIX)
    plain = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
    return int(number) if key.startswith(OWNER_PREFIX) and plain else None


def decode_owner(entry: KvEntry) -> OwnerRecord | None:
    """The record of an entry; None for a value that is none."""
    return decode_or_none(entry, OwnerRecord)


class Owners:
    """The records as one member sees them. `on_change` is called when one of them asks for something to be done.

    The view may be old: every write expects the revision that was seen, so an old view costs a conflict and nothing
    else. Revisions only grow, except where the bucket was made anew.
    """

    def __init__(self, kv: KeyValue, member: str, clock: Clock, lease_s: float, on_change: Callable[[], None]) -> None:
        self._kv = kv
        self._member = member
        self._clock = clock
        self._lease_s = lease_s
        self._on_change = on_change
        self._seen: dict[int, tuple[int, OwnerRecord]] = {}  # revision, record
        self._older_since: dict[int, float] = {}

    def of(self, partition: int) -> OwnerRecord | None:
        """The record as last seen; None when there is none."""
        seen = self._seen.get(partition)
        return None if seen is None else seen[1]

    def named(self) -> list[int]:
        """Partitions whose record says that this member holds them."""
        return sorted(
            p for p, (_, record) in self._seen.items() if (record.holder, record.state) == (self._member, "held")
        )

    def hint(self, entry: KvEntry) -> None:
        """A change that the watch told."""
        partition = partition_of_key(entry.key)
        if partition is None or entry.deleted:
            return
        seen = self._seen.get(partition)
        if seen is None or entry.revision > seen[0]:
            self._see(partition, entry)

    def _see(self, partition: int, entry: KvEntry) -> None:
        # A value that is no record is as good as free; where its epoch was higher, the checkpoint says so.
        record = decode_owner(entry) or OwnerRecord("", 0, "released")
        before = self.of(partition)
        self._seen[partition] = (entry.revision, record)
        self._older_since.pop(partition, None)
        if record != before:
            self._on_change()

    def reset(self, entries: list[KvEntry]) -> None:
        """Everything as it was read just now. What is older than the view may come from a replica that is behind."""
        read = {p: entry for entry in entries if (p := partition_of_key(entry.key)) is not None}
        now = self._clock.monotonic_s()
        for partition in read.keys() | self._seen.keys():
            entry, seen = read.get(partition), self._seen.get(partition)
            if entry is not None and (seen is None or entry.revision >= seen[0]):
                self._older_since.pop(partition, None)
                self.hint(entry)
            elif now - self._older_since.setdefault(partition, now) > _ANEW_LEASES * self._lease_s:
                self._adopt(partition, entry)

    def _adopt(self, partition: int, entry: KvEntry | None) -> None:
        if entry is not None:
            self._see(partition, entry)
        elif self._seen.pop(partition, None) is not None:
            self._older_since.pop(partition, None)
            self._on_change()

    async def claim(self, partition: int, epoch: int) -> bool:
        """Write this member into the record; False when somebody was faster, whose record is in the view then.

        Raises:
            SdkError: the outcome is not known.
        """
        return await self._write(partition, OwnerRecord(self._member, epoch))

    async def release(self, partition: int) -> bool:
        """Give a record back that names this member; False when it no longer does. Raises as `claim` does."""
        record = self.of(partition)
        if record is None or (record.holder, record.state) != (self._member, "held"):
            return False
        return await self._write(partition, OwnerRecord(self._member, record.epoch, "released"))

    async def _write(self, partition: int, record: OwnerRecord) -> bool:
        key, value = f"{OWNER_PREFIX}{partition}", msgspec.msgpack.encode(record)
        expected = self._seen[partition][0] if partition in self._seen else 0
        try:
            if expected == 0:
                revision = await self._kv.create(key, value)
            else:
                revision = await self._kv.update(key, value, expected)
        except (KeyExists, RevisionConflict):
            # The view was wrong: whatever is there now replaces it, and is never written back.
            self._adopt(partition, await self._kv.get(key))
            return False
        if partition not in self._seen or self._seen[partition][0] <= revision:
            self._seen[partition] = (revision, record)
        return True
