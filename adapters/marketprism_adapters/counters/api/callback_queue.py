"""Where the API's threads meet the event loop: one bounded queue."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple


class Callback(NamedTuple):
    """What the API said: the name of the callback, its data and its error, and when it came (nanoseconds UTC).

    `side` is md or td, `front` the number of the connection it belongs to.
    """

    side: str
    front: int
    name: str
    data: dict[str, object]
    error: dict[str, object]
    last: bool
    ts_recv: int


class Bridge:
    """`put` is called from any thread and never waits; when `limit` items wait, further ticks are dropped and counted.

    What is no tick is kept even then: a lost answer to a login would stop the conversation.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = 200_000) -> None:
        self._loop = loop
        self._limit = limit
        self._items: deque[Callback] = deque()
        self._arrived = asyncio.Event()
        self._signalled = False
        self.dropped = 0
        self.deepest = 0
        self.lost: dict[str, int] = {}  # when the queue first had no room for an instrument, until it is asked for

    def put(self, callback: Callback, *, droppable: bool = False) -> None:
        """Hand one thing over."""
        waiting = len(self._items)
        if droppable and waiting >= self._limit:
            self.dropped += 1
            self.lost.setdefault(str(callback.data.get("InstrumentID")), callback.ts_recv)
            return
        self._items.append(callback)
        if waiting >= self.deepest:
            self.deepest = waiting + 1
        if not self._signalled:
            self._signalled = True
            try:
                self._loop.call_soon_threadsafe(self._arrived.set)
            except RuntimeError:  # the loop is closed: nobody listens any more
                self.dropped += 1

    async def take(self, most: int = 500, timeout_s: float | None = None) -> list[Callback]:
        """What is here, waiting for the first; empty only after `timeout_s`."""
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
        found: list[Callback] = []
        while self._items and len(found) < most:
            found.append(self._items.popleft())
        if self._items:
            self._signalled = True
            self._arrived.set()
        return found

    def __len__(self) -> int:
        return len(self._items)
