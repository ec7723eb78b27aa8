"""Members of a group on one bucket and one clock, each with a line of its own that can fail in every way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import DeadlineExceeded, NotConnected
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.testing import ManualClock, MemoryKeyValue

SETTINGS = LeaseSettings(lease_s=2.0, heartbeat_s=0.5, probe_s=0.25)
OnWrite = Callable[[str, str, bool], None]  # member, key, whether the answer arrives


class Line:
    """What one member has of the bucket and of the clock.

    `away`: nothing goes through. `lose`: so many writes are taken while their answer is lost. `deaf`: no hint arrives.
    A frozen member comes no further at its next step, and hears everything at once when it is thawed.
    """

    def __init__(self, member: str, kv: MemoryKeyValue, clock: ManualClock, on_write: OnWrite) -> None:
        self.member = member
        self._kv = kv
        self._clock = clock
        self._on_write = on_write
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._waiting: list[Callable[[], None]] = []
        self.away = False
        self.deaf = False
        self.lose = 0
        self.cut = False  # for good: the process was killed

    def freeze(self) -> None:
        """SIGSTOP."""
        self._thawed.clear()

    def thaw(self) -> None:
        """SIGCONT."""
        self._thawed.set()
        waiting, self._waiting = self._waiting, []
        for hear in waiting:
            hear()

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return not self._thawed.is_set()

    def heal(self) -> None:
        """No faults any more."""
        self.away, self.deaf, self.lose = False, False, 0
        self.thaw()

    # -- the bucket ------------------------------------------------------------------------------------------------

    async def _through(self) -> None:
        await self._thawed.wait()
        if self.away or self.cut:
            raise NotConnected("the bucket is away")

    async def _write(self, key: str, write: Awaitable[int | None]) -> int:
        lost = self.lose > 0
        revision = await write
        self.lose -= lost
        self._on_write(self.member, key, not lost)
        if lost:
            raise DeadlineExceeded("no answer: the write was taken")
        return revision or 0

    async def get(self, key: str) -> KvEntry | None:
        """As the bucket."""
        await self._through()
        return await self._kv.get(key)

    async def get_latest(self, key: str) -> KvEntry | None:
        """As the bucket."""
        return await self.get(key)

    async def create(self, key: str, value: bytes) -> int:
        """As the bucket."""
        await self._through()
        return await self._write(key, self._kv.create(key, value))

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """As the bucket."""
        await self._through()
        return await self._write(key, self._kv.update(key, value, revision))

    async def put(self, key: str, value: bytes) -> int:
        """As the bucket."""
        await self._through()
        return await self._write(key, self._kv.put(key, value))

    async def delete(self, key: str) -> None:
        """As the bucket."""
        await self._through()
        await self._write(key, self._kv.delete(key))

    async def entries(self, prefix: str = "") -> list[KvEntry]:
        """As the bucket."""
        await self._through()
        return await self._kv.entries(prefix)

    async def watch(self, prefix: str, on_entry: Callable[[KvEntry], None]) -> Stop:
        """As the bucket, except to the deaf."""

        def hear(entry: KvEntry) -> None:
            if self.frozen:
                self._waiting.append(lambda: on_entry(entry))
            elif not (self.deaf or self.away or self.cut):
                on_entry(entry)

        return await self._kv.watch(prefix, hear)

    # -- the clock -------------------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """As the clock."""
        return self._clock.now_ns()

    def monotonic_s(self) -> float:
        """As the clock."""
        return self._clock.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        """As the clock, and longer when frozen."""
        await self._clock.sleep(seconds)
        await self._thawed.wait()


class Stage:
    """Time, the bucket and an event loop that only runs while something is asked of it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.kv = MemoryKeyValue()
        self._tasks: list[asyncio.Task[Any]] = []

    def run(self, work: Awaitable[Any]) -> Any:
        """The result of something short."""

        async def within() -> Any:
            return await work

        return self.loop.run_until_complete(within())

    def begin(self, work: Callable[[], Any]) -> asyncio.Task[Any]:
        """A task that goes on by itself whenever time passes."""

        async def start() -> asyncio.Task[Any]:
            task = asyncio.create_task(work())
            self._tasks.append(task)
            return task

        return self.run(start())  # type: ignore[no-any-return]

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.run(self.clock.advance(seconds))

    def make_bucket_anew(self) -> None:
        """Somebody has deleted the bucket, and it was made again."""
        self.kv._entries.clear()
        self.kv._revision = 0

    def close(self) -> None:
        """End everything."""

        async def end() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        self.run(end())
        self.loop.close()
