"""A bucket that misbehaves in the ways that real ones do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from marketprism_sdk.errors import DeadlineExceeded
from marketprism_sdk.ports import KeyValue, KvEntry, Stop


class FaultyKeyValue:
    """Stands before a bucket, for one of its users.

    `lose_answers` counts writes that will be taken while their answer is lost; `hold` keeps writes back until it is
    set again, as a network does that delivers late; `deaf` suppresses what the watch would tell.
    """

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self.lose_answers: int = 0
        self.deaf = False
        self.hold: asyncio.Event = asyncio.Event()
        self.hold.set()
        self.late: list[asyncio.Task[int]] = []
        self.before_write: Callable[[], None] = lambda: None

    async def _write(self, write: Callable[[], asyncio.Future[int] | asyncio.Task[int]]) -> int:
        self.before_write()
        task = write()
        if not self.hold.is_set():
            raise DeadlineExceeded("no answer: the write is on its way")
        revision = await task
        if self.lose_answers:
            self.lose_answers -= 1
            raise DeadlineExceeded("no answer: the write was taken")
        return revision

    def _later(self, action: Callable[[], object]) -> asyncio.Task[int]:
        async def run() -> int:
            await self.hold.wait()
            return await action()  # type: ignore[misc, no-any-return]

        task = asyncio.get_running_loop().create_task(run())
        self.late.append(task)
        return task

    async def get(self, key: str) -> KvEntry | None:
        """As the bucket, without faults."""
        return await self._kv.get(key)

    async def get_latest(self, key: str) -> KvEntry | None:
        """As the bucket, without faults."""
        return await self._kv.get_latest(key)

    async def create(self, key: str, value: bytes) -> int:
        """As the bucket, with faults."""
        return await self._write(lambda: self._later(lambda: self._kv.create(key, value)))

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """As the bucket, with faults."""
        return await self._write(lambda: self._later(lambda: self._kv.update(key, value, revision)))

    async def put(self, key: str, value: bytes) -> int:
        """As the bucket, with faults."""
        return await self._write(lambda: self._later(lambda: self._kv.put(key, value)))

    async def delete(self, key: str) -> None:
        """As the bucket, without faults."""
        await self._kv.delete(key)

    async def entries(self, prefix: str = "") -> list[KvEntry]:
        """As the bucket, without faults."""
        return await self._kv.entries(prefix)

    async def watch(self, prefix: str, on_entry: Callable[[KvEntry], None]) -> Stop:
        """As the bucket, or nothing while deaf."""
        return await self._kv.watch(prefix, lambda entry: None if self.deaf else on_entry(entry))
