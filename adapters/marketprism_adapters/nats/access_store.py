"""AccessStore on four buckets, all of which every instance has in memory.

Changes are listened to first and everything is read then, so that nothing falls between; a watch is a hint, so the
buckets are looked at again after each reconnect and every second, those that only count every few, and read again if
anything in them is new. A look
that is answered is also how an instance knows that it hears: a server that stands still keeps its connections. An
answer counts from when it was asked for, however late it comes.

While a bucket has no leader any of its members answers a look: to let nobody in for as long as an election takes would
be worse. One that is behind has nothing that is not known here. A bucket counts as read where the list of its records,
and the records, are no older than what said that it has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import msgspec
import structlog

from marketprism_application.contracts.access_records import (
    AccessRecord,
    ApiKey,
    FailedLogins,
    RefreshFamily,
    Role,
    RowCount,
    Session,
    Signer,
    User,
)
from marketprism_application.ports.access_store import Change, OnChange, R, RecordChanged, Stored
from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError, StreamError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from marketprism_sdk.nats.jetstream import ServerJson, answered, api, is_of_leader
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.values import decode_or_none

log = structlog.get_logger()

ACCESS, SESSIONS, FAILURES, ROWS = "access", "access_sessions", "access_failures", "access_rows"
SESSIONS_S, FAILURES_S, ROWS_S = 12 * 3_600.0, 15 * 60.0, 36 * 3_600.0
_BUCKETS: dict[str, float | None] = {ACCESS: None, SESSIONS: SESSIONS_S, FAILURES: FAILURES_S, ROWS: ROWS_S}
_COUNTING = frozenset({FAILURES, ROWS})  # nobody is let in by what they hold
_AGAIN_S = 1.0
_COUNTS_S = 5.0
_LOOKS = 5  # at once: an answer that comes late still says what had changed when it was asked for


class _Shelf(NamedTuple):
    bucket: str
    prefix: str


_SHELVES: dict[type[AccessRecord], _Shelf] = {
    User: _Shelf(ACCESS, "user."),
    ApiKey: _Shelf(ACCESS, "key."),
    Role: _Shelf(ACCESS, "role."),
    Signer: _Shelf(ACCESS, "signer."),
    RefreshFamily: _Shelf(ACCESS, "refresh."),
    Session: _Shelf(SESSIONS, "session."),
    FailedLogins: _Shelf(FAILURES, "failed."),
    RowCount: _Shelf(ROWS, "rows."),
}
_KINDS = {shelf: kind for kind, shelf in _SHELVES.items()}


@dataclass(frozen=True, slots=True)
class _State:
    """What is another when anything in a bucket is: its incarnation, its last sequence and how many it has."""

    created: str
    last: int
    messages: int
    of_leader: bool = field(compare=False)

    @classmethod
    def of(cls, info: ServerJson) -> _State:
        """As an answer has it."""
        state = info["state"]
        return cls(str(info["created"]), int(state["last_seq"]), int(state["messages"]), is_of_leader(info))

    def is_behind(self, other: _State) -> bool:
        """Whether who said this had less of the bucket."""
        return self.created == other.created and self.last < other.last


class NatsAccessStore:
    """Fulfils `AccessStore`. `start` before it is asked anything, `stop` when it is no longer needed."""

    def __init__(self, connection: NatsConnection, replicas: int = 1) -> None:
        self._connection = connection
        self._replicas = replicas
        self._buckets: dict[str, NatsKeyValue] = {}
        self._known: dict[tuple[type[AccessRecord], str], tuple[AccessRecord, int]] = {}
        self._removed: dict[tuple[type[AccessRecord], str], int] = {}
        self._seen: dict[str, _State] = {}
        self._listeners: list[OnChange] = []
        self._stops: list[Stop] = []
        self._forget: list[Callable[[], None]] = []
        self._again = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        self._is_readable = True
        self._heard_s = time.monotonic()
        self._counted_s = float("-inf")

    async def start(self) -> None:
        """Make the buckets that are missing, listen, and read everything. Raises what the buckets raise."""
        for name, ttl_s in _BUCKETS.items():
            bucket = await NatsKeyValue.open(self._connection, name, ttl_s=ttl_s, replicas=self._replicas)
            self._buckets[name] = bucket
            self._stops.append(await bucket.watch("", self._changed))
        await self._connection.flush()
        await answered(self._read_all, self._buckets[ACCESS].stream)
        self._forget = [self._connection.on_reconnect(self._again.set)]
        self._task = asyncio.create_task(self._follow(), name="access")

    async def stop(self) -> None:
        """Listen to no more changes."""
        for forget in self._forget:
            forget()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for stop in self._stops:
            await stop()

    # -- reading ---------------------------------------------------------------------------------------------------

    def get(self, kind: type[R], key: str) -> R | None:
        """The record in memory."""
        found = self._known.get((kind, key))
        return None if found is None else cast("R", found[0])

    def all(self, kind: type[R]) -> list[R]:
        """Every record of a kind in memory, by id."""
        found = {key: record for (of, key), (record, _) in self._known.items() if of is kind}
        return [cast("R", found[key]) for key in sorted(found)]

    async def read(self, kind: type[R], key: str) -> Stored[R] | None:
        """The record in its bucket, as that one's leader has it: a login that ended, or a token that was changed, must
        not be as a replica that lags behind still has it. Raises what the bucket raises."""
        bucket, prefix = _SHELVES[kind]
        entry = await self._buckets[bucket].get_latest(prefix + key)
        record = decode_or_none(entry, kind)
        if entry is None or record is None:
            return None
        self._apply((kind, key), record, entry.revision)
        return Stored(record, entry.revision)

    # -- writing ---------------------------------------------------------------------------------------------------

    async def write(self, record: AccessRecord, revision: int) -> int:
        """Its new revision. Raises RecordChanged, and what the bucket raises."""
        kind = type(record)
        bucket, prefix = _SHELVES[kind]
        value = msgspec.msgpack.encode(record)
        try:
            if revision:
                written = await self._buckets[bucket].update(prefix + record.id, value, revision)
            else:
                written = await self._buckets[bucket].create(prefix + record.id, value)
        except (KeyExists, RevisionConflict) as error:
            text = f"{kind.__name__} {record.id}: expected revision {revision}, it was changed"
            raise RecordChanged(text) from error
        self._apply((kind, record.id), record, written)
        return written

    async def remove(self, kind: type[R], key: str, revision: int | None = None) -> None:
        """Take it out of its bucket, without a look at it before: what says that there is none may be behind. Raises
        RecordChanged, and what the bucket raises."""
        bucket, prefix = _SHELVES[kind]
        known = self._known.get((kind, key))
        try:
            await self._buckets[bucket].delete(prefix + key, revision)
        except RevisionConflict as error:
            if await self._buckets[bucket].get_latest(prefix + key) is not None:
                text = f"{kind.__name__} {key}: expected revision {revision}, it was changed"
                raise RecordChanged(text) from error
        if known is not None:
            self._drop((kind, key), known[1])

    # -- following -------------------------------------------------------------------------------------------------

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Call it for every change that is new to this instance, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def silent_s(self) -> float:
        """Seconds since everything that had changed was known here; 0 while a look at the buckets is not due."""
        silent_s = time.monotonic() - self._heard_s
        return silent_s if silent_s > 2 * _AGAIN_S or not self._connection.connected else 0.0

    def _changed(self, entry: KvEntry) -> None:
        place = self._place_of(entry.bucket, entry.key)
        if place is None:
            return
        if entry.deleted:
            self._drop(place, entry.revision)
        elif (record := decode_or_none(entry, place[0])) is not None:
            self._apply(place, record, entry.revision)

    @staticmethod
    def _place_of(bucket: str, key: str) -> tuple[type[AccessRecord], str] | None:
        head, dot, rest = key.partition(".")
        kind = _KINDS.get(_Shelf(bucket, head + dot))
        return None if kind is None else (kind, rest)

    def _apply(self, place: tuple[type[AccessRecord], str], record: AccessRecord, revision: int) -> None:
        known = self._known.get(place)
        if revision <= max(known[1] if known is not None else 0, self._removed.get(place, 0)) or record.id != place[1]:
            return
        self._known[place] = (record, revision)
        self._removed.pop(place, None)
        self._notify(Change(*place, record))

    def _drop(self, place: tuple[type[AccessRecord], str], revision: int) -> None:
        known = self._known.get(place)
        if known is not None and known[1] > revision:
            return
        # Also of what is not known: a reading that began before may still bring it.
        self._removed[place] = max(revision, self._removed.get(place, 0))
        if known is not None:
            del self._known[place]
            self._notify(Change(*place, None))

    def _notify(self, change: Change) -> None:
        for listener in list(self._listeners):
            listener(change)

    async def _follow(self) -> None:
        """Look every second, whether or not the last look was answered: a slow one must not make the next one late."""
        looks: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_AGAIN_S):
                        await self._again.wait()
                        self._counted_s = float("-inf")
                self._again.clear()
                if len(looks) < _LOOKS:
                    look = group.create_task(self._look(), name="look at access")
                    looks.add(look)
                    look.add_done_callback(looks.discard)

    async def _look(self) -> None:
        try:
            await self._read_all()
            self._is_readable = True
        except SdkError as error:
            if self._is_readable:
                log.warning("access.not_readable", error=reason_of(error), detail="the last known state is used")
            self._is_readable = False

    async def _read_all(self) -> None:
        looked_s = time.monotonic()
        counts = looked_s - self._counted_s >= _COUNTS_S
        buckets = {name: bucket for name, bucket in self._buckets.items() if counts or name not in _COUNTING}
        states = await asyncio.gather(*(self._state_of(bucket) for bucket in buckets.values()))
        # One at a time: what another has read before something was removed must not be put back after it.
        async with self._reading:
            if looked_s < self._heard_s:
                return  # one that was asked for later has been answered
            for (name, bucket), state in zip(buckets.items(), states, strict=True):
                if state != self._seen.get(name) and not self._is_old(name, state):
                    self._seen[name] = await self._read(name, bucket, state)
            self._heard_s = looked_s
            self._counted_s = looked_s if counts else self._counted_s

    async def _state_of(self, bucket: NatsKeyValue) -> _State:
        return _State.of(await api(self._connection, f"STREAM.INFO.{bucket.stream}"))

    def _is_old(self, name: str, state: _State) -> bool:
        """Whether it is of a member in the place of a leader, and of less than was read here or of another bucket."""
        seen = self._seen.get(name)
        return seen is not None and not state.of_leader and (state.created != seen.created or state.is_behind(seen))

    async def _read(self, name: str, bucket: NatsKeyValue, looked: _State) -> _State:
        """Take over what the bucket holds, and drop what it no longer holds. As of which state, which is no older than
        what the look has found.

        Raises:
            StreamError: whoever answers has less than that, or no replica has what is listed. What `api` raises.
        """
        prefix = f"$KV.{name}."
        # What it ends with and what it lists are of one answer: of two, the second may be an older member's.
        info = await api(self._connection, f"STREAM.INFO.{bucket.stream}", {"subjects_filter": f"{prefix}>"})
        state = _State.of(info)
        if state.is_behind(looked):
            raise StreamError(f"stream {bucket.stream}: a member that is behind answers", retryable=True)
        subjects, last = sorted(info["state"].get("subjects") or {}), state.last
        held = await last_of_each(self._connection, bucket.stream, subjects, at_least=last)
        if (seen := self._seen.get(name)) is not None and seen.created != state.created:
            self._forget_revisions(name)
        for subject, each in held.items():
            # Values of ours are never empty: that is the mark of one that was deleted, or has expired.
            self._changed(KvEntry(subject.removeprefix(prefix), each.data, each.seq, not each.data, name))
        # What is not newer than the list and not in it is gone; a replica may lack what is there.
        listed = {place for each in subjects if (place := self._place_of(name, each.removeprefix(prefix))) is not None}
        for place, (_, revision) in list(self._known.items()):
            if _SHELVES[place[0]].bucket == name and place not in listed and revision <= last:
                self._drop(place, last)
        for place, revision in list(self._removed.items()):
            if _SHELVES[place[0]].bucket == name and revision < last:
                del self._removed[place]
        return state

    def _forget_revisions(self, name: str) -> None:
        """The bucket is another one, whose revisions begin anew: by the old ones nothing of it would be taken over."""
        for place, (record, _) in self._known.items():
            if _SHELVES[place[0]].bucket == name:
                self._known[place] = (record, 0)
        for place in [place for place in self._removed if _SHELVES[place[0]].bucket == name]:
            del self._removed[place]


__all__ = ["ACCESS", "FAILURES", "FAILURES_S", "ROWS", "ROWS_S", "SESSIONS", "SESSIONS_S", "NatsAccessStore"]
