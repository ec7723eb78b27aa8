"""An event loop in a thread of its own, for callers that have none or are inside one, as a notebook is."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from marketprism_client._stream import LiveStream

T = TypeVar("T")
Record = TypeVar("Record")


class LoopThread:
    """Runs coroutines one caller at a time or many; begins with the first, after `opening`, and ends with `close`."""

    def __init__(self, opening: Callable[[], Awaitable[object]], closing: Callable[[], Awaitable[object]]) -> None:
        self._opening, self._closing = opening, closing
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin, unless it has begun; raises what `opening` raises."""
        with self._lock:
            if self._loop is not None:
                return
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="marketprism-client", daemon=True)
            thread.start()
            self._loop, self._thread = loop, thread
            try:
                self._result(loop, self._opening)
            except BaseException:
                self._end(loop, thread)
                raise
            atexit.register(self.close)

    def run(self, coroutine: Coroutine[object, None, T]) -> T:
        """What the coroutine returns or raises; Ctrl-C cancels it.

        Raises:
            RuntimeError: called from a callback of the loop itself, which would wait for ever.
        """
        try:
            if self._thread is not None and threading.get_ident() == self._thread.ident:
                raise RuntimeError("SyncMarketClient: expected a thread of the program, was the client's own")
            self.open()
        except BaseException:
            coroutine.close()
            raise
        loop = self._loop
        assert loop is not None  # noqa: S101 (it is open)
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C among them
            future.cancel()
            raise

    def close(self) -> None:
        """End what runs, leave and stop the thread; may be called more than once."""
        with self._lock:
            loop, thread = self._loop, self._thread
            if loop is None or thread is None:
                return
            atexit.unregister(self.close)
            try:
                self._result(loop, self._closing)
            finally:
                self._end(loop, thread)

    def _end(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        self._loop = self._thread = None
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    @staticmethod
    def _result(loop: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[object]]) -> None:
        async def go() -> None:
            await work()

        asyncio.run_coroutine_threadsafe(go(), loop).result()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


class SyncStream(Iterator[Record], Generic[Record]):
    """Records as they come: `for record in stream`. Ends with the replay that it listens to, else with `close`, the end
    of its `with` or Ctrl-C."""

    def __init__(self, loop: LoopThread, stream: LiveStream[Record]) -> None:
        self._loop = loop
        self._stream = stream
        self._waiting: list[Record] = []  # newest first

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        if not self._waiting:
            # A batch at a time: each way into the loop's thread and back costs as much as a hundred records.
            self._waiting = self._loop.run(_batch(self._stream))[::-1]
            if not self._waiting:
                raise StopIteration
        return self._waiting.pop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe; the stream is over."""
        self._loop.run(self._stream.aclose())


async def _batch(stream: LiveStream[Record]) -> list[Record]:
    """What has come, nothing where the stream is over: StopIteration cannot travel through a future."""
    try:
        return await stream.batch()
    except StopAsyncIteration:
        return []
