"""A bucket, a prober and a bus inside one process; they pass the contract tests of the real ones."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

from marketprism_sdk.errors import DeadlineExceeded, KeyExists, NoResponders, NotConnected, RevisionConflict
from marketprism_sdk.messaging import DEFAULT_CAPACITY, BusMessage, Handler, Inbox, OnDrop
from marketprism_sdk.ports import KvEntry, Stop


class MemoryKeyValue:
    """Fulfils `KeyValue`. `away = True` makes every call fail as if NATS were gone."""

    def __init__(self) -> None:
        self._entries: dict[str, KvEntry] = {}
        self._revision = 0
        self._watchers: list[tuple[str, Callable[[KvEntry], None]]] = []
        self.away = False

    def _check(self) -> None:
        if self.away:
            raise NotConnected("the bucket is away")

    async def get(self, key: str) -> KvEntry | None:
        """The entry, None where there is none or it was deleted."""
        self._check()
        entry = self._entries.get(key)
        return None if entry is None or entry.deleted else entry

    async def get_latest(self, key: str) -> KvEntry | None:
        """The same: there is one copy."""
        return await self.get(key)

    async def create(self, key: str, value: bytes) -> int:
        """The revision of a new entry. Raises KeyExists."""
        if await self.get(key) is not None:
            raise KeyExists(f"{key}: expected no entry")
        return self._write(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """The new revision, if `revision` is still the key's. Raises RevisionConflict."""
        self._check()
        entry = self._entries.get(key)
        if (entry.revision if entry is not None else 0) != revision:
            raise RevisionConflict(f"{key}: expected revision {revision}")
        return self._write(key, value)

    async def put(self, key: str, value: bytes) -> int:
        """The new revision, whatever the key's was."""
        self._check()
        return self._write(key, value)

    async def delete(self, key: str) -> None:
        """Mark the entry as deleted; watchers see it."""
        self._check()
        self._write(key, b"", deleted=True)

    def _write(self, key: str, value: bytes, *, deleted: bool = False) -> int:
        self._revision += 1
        entry = self._entries[key] = KvEntry(key, value, self._revision, deleted)
        for prefix, on_entry in list(self._watchers):
            if key.startswith(prefix):
                on_entry(entry)
        return self._revision

    async def entries(self, prefix: str = "") -> list[KvEntry]:
        """Live entries by key."""
        self._check()
        return [e for key, e in sorted(self._entries.items()) if key.startswith(prefix) and not e.deleted]

    @property
    def watchers(self) -> int:
        """How many follow what is written now."""
        return len(self._watchers)

    async def watch(self, prefix: str, on_entry: Callable[[KvEntry], None]) -> Stop:
        """Changes from now on."""
        self._check()
        watcher = (prefix, on_entry)
        self._watchers.append(watcher)

        async def stop() -> None:
            self._watchers.remove(watcher)

        return stop


class MemoryBus:
    """Fulfils `MessageBus` inside one process."""

    def __init__(self) -> None:
        self._subscriptions: list[tuple[re.Pattern[str], str, Inbox]] = []
        self._turn = 0
        self._inboxes = 0

    @property
    def dropped(self) -> int:
        """Messages that full queues dropped."""
        return sum(inbox.dropped for _, _, inbox in self._subscriptions)

    @property
    def failed(self) -> int:
        """How many times handlers raised an error."""
        return sum(inbox.failed for _, _, inbox in self._subscriptions)

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Hand a message to every subscriber, and to one of each queue."""
        self._deliver(BusMessage(subject, data, headers or {}))

    def _deliver(self, message: BusMessage) -> int:
        matching = [
            (queue, inbox) for pattern, queue, inbox in self._subscriptions if pattern.fullmatch(message.subject)
        ]
        targets = [inbox for queue, inbox in matching if not queue]
        for name in {queue for queue, _ in matching if queue}:
            group = [inbox for queue, inbox in matching if queue == name]
            self._turn += 1
            targets.append(group[self._turn % len(group)])
        for inbox in targets:
            inbox.put(message)
        return len(targets)

    async def request(
        self, subject: str, data: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> BusMessage:
        """The first answer. Raises NoResponders, DeadlineExceeded."""
        self._inboxes += 1
        reply = f"_INBOX.{self._inboxes}"
        answered: asyncio.Future[BusMessage] = asyncio.get_running_loop().create_future()

        async def receive(message: BusMessage) -> None:
            if not answered.done():
                answered.set_result(message)

        stop = await self.subscribe(reply, receive)
        try:
            if not self._deliver(BusMessage(subject, data, headers or {}, reply)):
                raise NoResponders(f"nobody answers on {subject}")
            async with asyncio.timeout(timeout_s):
                return await answered
        except TimeoutError:
            raise DeadlineExceeded(f"no answer on {subject} within {timeout_s:.3g} s") from None
        finally:
            await stop()

    async def subscribe(
        self,
        subject: str,
        handler: Handler,
        *,
        queue: str = "",
        capacity: int = DEFAULT_CAPACITY,
        parallel: int = 1,
        on_drop: OnDrop | None = None,
    ) -> Stop:
        """Hand messages that match `subject` to `handler`; the way to stop that."""
        pattern = re.escape(subject).replace(r"\*", r"[^.]+").replace(">", r".+")
        entry = (re.compile(pattern), queue, Inbox(handler, capacity, parallel, on_drop))
        self._subscriptions.append(entry)

        async def stop() -> None:
            self._subscriptions.remove(entry)
            await entry[2].stop()

        return stop


class MemoryProber:
    """Fulfils `Prober`. Probers that share `alive` see one another; `connected = False` is a broken connection."""

    def __init__(self, alive: dict[tuple[int, str], MemoryProber], holder: str) -> None:
        self._alive = alive
        self._holder = holder
        self.connected = True
        self.outages = 0

    async def serve(self, epoch: int) -> None:
        """Answer for this epoch."""
        await self.stop()
        self._alive[(epoch, self._holder)] = self

    async def stop(self) -> None:
        """Stop answering probes: whoever asks takes this holder for gone."""
        for key in [key for key, prober in self._alive.items() if prober is self]:
            del self._alive[key]

    async def unanswered(self, epoch: int, holder: str, timeout_s: float) -> bool:
        """Whether nobody answers for this epoch. Raises NotConnected."""
        del timeout_s
        if not self.connected:
            raise NotConnected("the prober is away")
        peer = self._alive.get((epoch, holder))
        return peer is None or not peer.connected
