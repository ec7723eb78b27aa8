"""Calls into a gateway: each may block, and some never return."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Calls:
    """Runs calls one after another, each in a thread of its own that no end of the process waits for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: threading.Thread | None = None
        self._ended: asyncio.Event | None = None

    @property
    def blocked(self) -> str:
        """What the call is named that was given up and has not returned yet; empty where there is none."""
        return "" if self._ended is None or self._running is None else self._running.name.rpartition(":")[2]

    async def run(self, name: str, call: Callable[[], T], timeout_s: float) -> T:
        """What a call answers.

        Raises:
            TimeoutError: it has not returned in time, and goes on; or one before has not yet. Whatever it raises.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        async with asyncio.timeout(timeout_s):
            while self._ended is not None:
                await self._ended.wait()
            self._ended = ended = asyncio.Event()

            def settle(answer: T | None, error: BaseException | None) -> None:
                self._ended = None
                ended.set()
                if not done.done():
                    if error is not None:
                        done.set_exception(error)
                    else:
                        done.set_result(answer)  # type: ignore[arg-type]

            def work() -> None:
                answer, failed = None, None
                try:
                    answer = call()
                except BaseException as error:  # noqa: BLE001 (anybody's code: whoever waits for it gets it)
                    failed = error if not isinstance(error, StopIteration) else RuntimeError("StopIteration")
                try:
                    loop.call_soon_threadsafe(settle, answer, failed)
                except RuntimeError:  # the loop is closed: nobody waits
                    return

            self._running = threading.Thread(target=work, name=f"{self._name}:{name}", daemon=True)
            self._running.start()
            return await done


__all__ = ["Calls"]
