"""How far downloads are, in a bucket: a record for each job, and its parts some dozen a record.

`journal.<job>.head` is the job with the word for this begin of it, `journal.<job>.<word>.<n>` are its parts. A begin
writes the parts first and the head last, by compare-and-swap: who reads sees the job that was or the one that is. Parts
lie together, since a job may have twenty thousand of them, and are written one by one all the same: a part's revision
is how often it was written, and who meets another part's write in the record reads it again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from marketprism_application.contracts.download_records import JobRecord, PartRecord
from marketprism_application.errors import StoreError
from marketprism_application.ports.downloads import JournalConflict
from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError, reason_of
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none

T = TypeVar("T")
PREFIX = "journal."
PARTS_TOGETHER = 32
_AT_ONCE = 64
_PATIENCE = 40  # tries, half a second apart: a server that is started again is worth waiting for
_AGAIN_S = 0.5


class _Head(msgspec.Struct, frozen=True):
    job: JobRecord
    begun: str
    has_ended: bool = False


class _Written(msgspec.Struct, frozen=True, array_like=True):
    part: PartRecord
    revision: int


class _Together(NamedTuple):
    """Parts of one record, by their number, and the record's revision in the bucket."""

    parts: dict[int, _Written]
    revision: int


class NatsDownloadJournal:
    """Fulfils `DownloadJournal` on a bucket that others may use as well."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket
        self._known: dict[str, _Together] = {}  # as last read or written
        self._writing: dict[str, asyncio.Lock] = {}
        self._heads: dict[str, tuple[_Head, int]] = {}

    # -- jobs --------------------------------------------------------------------------------------------------------

    async def job(self, job_id: str) -> JobRecord | None:
        """As its head has it."""
        head, _ = await self._head(job_id)
        return None if head is None or head.has_ended else head.job

    async def state(self, job_id: str) -> str:
        """The revision of its head."""
        return str((await self._head(job_id))[1])

    async def begin(self, job: JobRecord, parts: Sequence[PartRecord], state: str | None = None) -> None:
        """Parts of a new word, and the head that names it; what was written under the former one is taken out."""
        before, revision = await self._head(job.id)
        if state is not None and state != str(revision):
            raise JournalConflict(f"job {job.id}: expected state {state}, was {revision}")
        head = _Head(job, secrets.token_hex(6))
        values = [
            (self._key(job.id, head.begun, number), [_Written(part, 1) for part in some])
            for number, some in enumerate(_grouped(parts))
        ]
        await _some_at_once([self._written(key, msgspec.msgpack.encode(value)) for key, value in values])
        try:
            written = await self._swapped(f"{PREFIX}{job.id}.head", msgspec.msgpack.encode(head), revision)
        except JournalConflict:
            stands, written = await self._head(job.id)
            if stands is None or stands.begun != head.begun:  # else it was this one: only the receipt was lost
                await self._forget(job.id, head.begun)
                if state is not None:
                    raise
                await self.begin(job, parts)
                return
        self._heads[job.id] = head, written
        if before is not None:
            await self._forget(job.id, before.begun)

    async def end(self, job_id: str) -> None:
        """Note it in the head: whoever shared the job still sees how it ended."""
        head, revision = await self._head(job_id)
        if head is None or head.has_ended:
            return
        ended = msgspec.structs.replace(head, has_ended=True)
        try:
            await self._swapped(f"{PREFIX}{job_id}.head", msgspec.msgpack.encode(ended), revision)
        except JournalConflict:
            return  # somebody else ended it, or has begun it anew
        self._heads.pop(job_id, None)

    async def _head(self, job_id: str) -> tuple[_Head | None, int]:
        entry = await self._asked(lambda: self._bucket.get(f"{PREFIX}{job_id}.head"))
        if entry is None:
            self._heads.pop(job_id, None)
            return None, 0
        head = _decoded(entry, _Head)
        self._heads[job_id] = head, entry.revision
        return head, entry.revision

    async def _forget(self, job_id: str, begun: str) -> None:
        prefix = f"{PREFIX}{job_id}.{begun}."
        keys = [entry.key for entry in await self._asked(lambda: self._bucket.entries(prefix))]
        await _some_at_once([self._deleted(key) for key in keys])
        for key in [each for each in self._known if each.startswith(prefix)]:
            del self._known[key]
            self._writing.pop(key, None)

    # -- parts -------------------------------------------------------------------------------------------------------

    async def parts(self, job_id: str) -> Sequence[tuple[PartRecord, int]]:
        """All records of the job, by one question."""
        while True:
            head, revision = await self._head(job_id)
            if head is None:
                return []
            prefix = f"{PREFIX}{job_id}.{head.begun}."
            found = await self._asked(lambda prefix=prefix: self._bucket.entries(prefix))  # type: ignore[misc]
            for entry in found:
                self._know(entry)
            parts = [each for entry in found for each in self._known[entry.key].parts.values()]
            if len(parts) == head.job.parts or (await self._head(job_id))[1] == revision:
                return [(each.part, each.revision) for each in sorted(parts, key=lambda each: each.part.number)]

    async def part(self, job_id: str, number: int) -> tuple[PartRecord, int] | None:
        """As its record has it now."""
        head, _ = await self._head(job_id)
        if head is None:
            return None
        together = await self._read(self._key(job_id, head.begun, number // PARTS_TOGETHER))
        found = together.parts.get(number)
        return None if found is None else (found.part, found.revision)

    async def write(self, job_id: str, part: PartRecord, revision: int) -> int:
        """The record with this part in it, once more where another part of it was written meanwhile."""
        head = self._heads.get(job_id, (None, 0))[0] or (await self._head(job_id))[0]
        if head is None or head.has_ended:
            raise JournalConflict(f"job {job_id}: expected one that goes on, it is finished")
        key = self._key(job_id, head.begun, part.number // PARTS_TOGETHER)
        async with self._writing.setdefault(key, asyncio.Lock()):
            together = self._known.get(key) or await self._read(key)
            while True:
                there = together.parts.get(part.number)
                if there is None:
                    self._heads.pop(job_id, None)
                    raise JournalConflict(f"part {part.number}: expected one of job {job_id}, there is none")
                if there.revision != revision:
                    # What is known may be old, never too new.
                    again = await self._read(key)
                    there = again.parts.get(part.number)
                    if there is None or there.revision != revision:
                        await self._head(job_id)
                        was = 0 if there is None else there.revision
                        raise JournalConflict(f"part {part.number}: expected revision {revision}, was {was}")
                    together = again
                parts = {**together.parts, part.number: _Written(part, revision + 1)}
                data = msgspec.msgpack.encode([parts[number] for number in sorted(parts)])
                try:
                    written = await self._swapped(key, data, together.revision)
                except JournalConflict:
                    together = await self._read(key)
                    if together.parts.get(part.number) == parts[part.number]:
                        return revision + 1  # it was this one: only the receipt was lost
                    continue
                self._known[key] = _Together(parts, written)
                return revision + 1

    async def _read(self, key: str) -> _Together:
        entry = await self._asked(lambda: self._bucket.get(key))
        if entry is None:
            self._known.pop(key, None)
            return _Together({}, 0)
        return self._know(entry)

    def _know(self, entry: KvEntry) -> _Together:
        found = {each.part.number: each for each in _decoded(entry, list[_Written])}
        known = self._known[entry.key] = _Together(found, entry.revision)
        return known

    @staticmethod
    def _key(job_id: str, begun: str, number: int) -> str:
        return f"{PREFIX}{job_id}.{begun}.{number}"

    # -- the bucket --------------------------------------------------------------------------------------------------

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await patiently(ask)

    async def _written(self, key: str, value: bytes) -> int:
        return await patiently(lambda: self._bucket.put(key, value))  # nobody else has this word

    async def _deleted(self, key: str) -> None:
        await patiently(lambda: self._bucket.delete(key))

    async def _swapped(self, key: str, value: bytes, revision: int) -> int:
        """The new revision. Raises JournalConflict: another revision stands."""
        try:
            return await patiently(
                lambda: self._bucket.update(key, value, revision) if revision else self._bucket.create(key, value)
            )
        except (RevisionConflict, KeyExists) as error:
            raise JournalConflict(str(error)) from error


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of a bucket; asked again for some twenty seconds while it is away.

    Raises:
        StoreError: away for longer, or refusing. RevisionConflict, KeyExists: of a compare-and-swap.
    """
    for attempt in range(1, _PATIENCE + 1):
        try:
            return await ask()
        except (RevisionConflict, KeyExists):
            raise
        except SdkError as error:
            if attempt == _PATIENCE or not error.retryable:
                raise StoreError(f"bucket: expected an answer: {reason_of(error)}", retryable=True) from error
            await asyncio.sleep(_AGAIN_S)
    raise AssertionError("unreachable")


def _decoded(entry: KvEntry, kind: type[T]) -> T:
    found = decode_or_none(entry, kind)
    if found is None:
        raise StoreError(f"bucket {entry.bucket}, {entry.key}: expected a record of a download, was something else")
    return found


def _grouped(parts: Sequence[PartRecord]) -> list[list[PartRecord]]:
    groups: dict[int, list[PartRecord]] = {}
    for part in parts:
        groups.setdefault(part.number // PARTS_TOGETHER, []).append(part)
    return [groups.get(number, []) for number in range(max(groups, default=-1) + 1)]


async def _some_at_once(work: Sequence[Awaitable[object]]) -> None:
    for start in range(0, len(work), _AT_ONCE):
        await asyncio.gather(*work[start : start + _AT_ONCE])


__all__ = ["PARTS_TOGETHER", "PREFIX", "NatsDownloadJournal", "patiently"]
