"""A child from its worker's side: started, fed with one job, listened to, and ended where it goes beyond its limits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator

import msgspec

from marketprism_application.backtesting.errors import LimitExceeded
from marketprism_services.backtest.child_messages import LENGTH, MOST_FRAME, End, Frame, Job, Step, packed
from marketprism_services.backtest.children import Children, ForkServerLost, Started, is_lost

_SILENT_S = 15.0  # without a frame: its other thread speaks three times a second
_START_S = 60.0  # until the first: a busy machine loads slowly
_TOLD = 4_000


class ChildDied(Exception):
    """A child ended without having said why: it was killed, or broke. `code` is LIMIT where that is known."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Child:
    """One job in one process. `async with Child(job, children) as child: async for frame in child.frames(): …`.

    A `fresh` one is an interpreter of its own, and has nothing in common with any other.
    """

    def __init__(self, job: Job, children: Children, *, fresh: bool = False) -> None:
        self._job, self._children, self._fresh = job, children, fresh
        self._process: Started
        self._frames: asyncio.StreamReader
        self._writers: list[asyncio.StreamWriter] = []
        self._errors: asyncio.Task[bytes]
        self._stall_s = job.limits.stall_s * 1.5 + 5

    async def __aenter__(self) -> Child:
        """Started. Raises OSError, ForkServerLost."""
        work, work_of_child = socket.socketpair()
        errors, errors_of_child = socket.socketpair()
        with work_of_child, errors_of_child:
            try:
                self._process = await self._children.start(
                    work_of_child.fileno(), errors_of_child.fileno(), fresh=self._fresh
                )
            except BaseException:
                work.close()
                errors.close()
                raise
        self._frames, writer = await asyncio.open_connection(sock=work)
        read, unused = await asyncio.open_connection(sock=errors)
        self._writers = [writer, unused]
        self._errors = asyncio.create_task(_tail_of(read))
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it and whatever it has started, and take it off the list of processes."""
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(self._process.pid, signal.SIGKILL)
        await asyncio.shield(self._process.wait())
        self._errors.cancel()
        for writer in self._writers:
            writer.close()

    async def frames(self) -> AsyncIterator[Frame]:
        """What it says, up to its end.

        Raises:
            ChildDied: it died, said nothing for long, or its events stood still. ForkServerLost: nobody's fault.
        """
        await self._send()
        loop = asyncio.get_running_loop()
        decoder = msgspec.msgpack.Decoder(Frame)
        seen: tuple[int, int] = (-1, -1)
        moved, wait_s = loop.time(), _START_S
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    data = await self._read()
            except TimeoutError:
                raise ChildDied(LimitExceeded.code, "time: expected a sign of the child, there was none") from None
            except (asyncio.IncompleteReadError, ConnectionResetError):
                raise await self._died() from None
            wait_s = _SILENT_S
            try:
                frame = decoder.decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise ChildDied("STRATEGY_FAILED", f"expected frames of the child, was {error}") from error
            if isinstance(frame, Step) and frame.now:
                if (frame.number, frame.now) != seen:
                    seen, moved = (frame.number, frame.now), loop.time()
                elif loop.time() - moved > self._stall_s:
                    text = f"time: expected an event within {self._job.limits.stall_s:g} s, there was none"
                    raise ChildDied(LimitExceeded.code, text)
            elif not isinstance(frame, Step):
                moved = loop.time()
            yield frame
            if isinstance(frame, End):
                return

    async def _send(self) -> None:
        try:
            self._writers[0].write(packed(self._job))
            await self._writers[0].drain()
        except (BrokenPipeError, ConnectionResetError):
            raise await self._died() from None

    async def _read(self) -> bytes:
        (length,) = LENGTH.unpack(await self._frames.readexactly(LENGTH.size))
        if length > MOST_FRAME:
            raise ChildDied(LimitExceeded.code, f"result: expected at most {MOST_FRAME} bytes, was {length}")
        return await self._frames.readexactly(length)

    async def _died(self) -> ChildDied:
        """Why a child has ended, by its exit code and the last lines that it wrote. Raises ForkServerLost."""
        code = await self._process.wait()
        if is_lost(self._process):
            raise ForkServerLost("children: expected the process that starts them to go on, it has ended")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await asyncio.wait({self._errors})
        told = self._errors.result().decode("utf-8", "replace").strip() if self._errors.done() else ""
        last = told.splitlines()[-1] if told else "it said nothing"
        if code == -signal.SIGXCPU:
            return ChildDied(LimitExceeded.code, f"cpu: expected at most {self._job.limits.cpu_s:g} s of a run")
        if "MemoryError" in told or "std::bad_alloc" in told:
            return ChildDied(LimitExceeded.code, f"memory: expected at most {self._job.limits.memory_mb} MB of a run")
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return ChildDied("STRATEGY_FAILED", f"the process of the run ended by {how}: {last[:300]}")


async def _tail_of(stream: asyncio.StreamReader) -> bytes:
    """The last of what a child writes as errors; all of it is read, so that the child never waits for it."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := await stream.read(65_536):
            found = (found + data)[-_TOLD:]
    return found


__all__ = ["Child", "ChildDied"]
