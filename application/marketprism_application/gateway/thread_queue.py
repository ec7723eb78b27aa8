"""Where the threads of a venue's library meet the event loop: one bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Name = TypeVar("Name", bound=Hashable)


class ThreadQueue(Generic[Item, Name]):
    """`hand_over` and `drop` are called from any thread, never wait and raise nothing; `take` by the loop.

    When `limit` items wait it `is_full`: whoever hands over decides what is dropped then, and names the instrument:
    `lost` has since when (nanoseconds UTC) something of it was dropped, until that is asked for. `deepest` is how many
    have waited at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = 200_000) -> None:
        self._loop = loop
        self._limit = limit
        self._items: deque[Item] = deque()
        self._arrived = asyncio.Event()
        self._signalled = False
        self._closed = False
        self._counting = threading.Lock()
        self.dropped = 0
        self.deepest = 0
        self.lost: dict[Name, int] = {}

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_full(self) -> bool:
        """Whether as many wait as should."""
        return len(self._items) >= self._limit

    def drop(self, name: Name, ts_recv: int) -> None:
        """Count something that is not handed over."""
        with self._counting:
            self.dropped += 1
            self.lost.setdefault(name, ts_recv)

    def hand_over(self, item: Item) -> None:
        """Hand one thing over, however many wait; after `close` nothing is taken any more."""
        if self._closed:
            return
        self._items.append(item)
        self.deepest = max(self.deepest, len(self._items))
        if not self._signalled:
            self._signalled = True
            try:
                self._loop.call_soon_threadsafe(self._arrived.set)
            except RuntimeError:  # the loop is closed: nobody listens any more
                self._closed = True

    def close(self) -> None:
        """Take nothing more; what waits is forgotten."""
        self._closed = True
        self._items.clear()

    async def take(self, most: int = 500, timeout_s: float | None = None) -> list[Item]:
        """What is here, in its order, waiting for the first; empty only after `timeout_s`."""
        end = None if timeout_s is None else self._loop.time() + timeout_s
        while not self._items:
            # A signal may come after what it announced was taken: it is no arrival.
            self._arrived.clear()
            self._signalled = False
            if self._items:
                break
            try:
                async with asyncio.timeout(None if end is None else max(0.0, end - self._loop.time())):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        # Order matters: the flag falls before the queue is read, so what is put afterwards signals again.
        self._arrived.clear()
        self._signalled = False
        found: list[Item] = []
        while self._items and len(found) < most:
            found.append(self._items.popleft())
        return found


__all__ = ["ThreadQueue"]
