"""A child from its worker's side: started, fed with one job, listened to, and ended where it goes beyond its limits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from marketprism_application.backtesting.errors import LimitExceeded
from marketprism_sdk.service import die_with_parent
from marketprism_services.backtest.child_messages import LENGTH, MOST_FRAME, End, Frame, Job, Step, packed
from marketprism_services.settings.variables import without_settings

_MODULE = "marketprism_services.backtest.child"
_SILENT_S = 15.0  # without a frame: its other thread speaks three times a second
_START_S = 60.0  # until the first: a busy machine loads slowly
_TOLD = 4_000


class ChildDied(Exception):
    """A child ended without having said why: it was killed, or broke. `code` is LIMIT where that is known."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Child:
    """One job in one process. `async with Child(job) as child: async for frame in child.frames(): …`."""

    def __init__(self, job: Job, folder: Path) -> None:
        self._job, self._folder = job, folder
        self._process: Process
        self._errors: asyncio.Task[bytes]
        self._stall_s = job.limits.stall_s * 1.5 + 5

    async def __aenter__(self) -> Child:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=self._folder,
            env={**_environment(), "TMPDIR": tempfile.gettempdir()},
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
        assert self._process.stderr is not None  # noqa: S101 (it was started with one)
        self._errors = asyncio.create_task(_tail_of(self._process.stderr))
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it and whatever it has started, and take it off the list of processes."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.shield(self._process.wait())
        self._errors.cancel()

    async def frames(self) -> AsyncIterator[Frame]:
        """What it says, up to its end.

        Raises:
            ChildDied: it died, said nothing for long, or its events stood still.
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
            except asyncio.IncompleteReadError:
                raise await self._died() from None
            wait_s = _SILENT_S
            try:
                frame = decoder.decode(data)
            except msgspec.MsgspecError as error:
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
        assert self._process.stdin is not None  # noqa: S101 (it was started with one)
        try:
            self._process.stdin.write(packed(self._job))
            await self._process.stdin.drain()
            self._process.stdin.close()
        except (BrokenPipeError, ConnectionResetError):
            raise await self._died() from None

    async def _read(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 (it was started with one)
        (length,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
        if length > MOST_FRAME:
            raise ChildDied(LimitExceeded.code, f"result: expected at most {MOST_FRAME} bytes, was {length}")
        return await self._process.stdout.readexactly(length)

    async def _died(self) -> ChildDied:
        """Why a child has ended, by its exit code and the last lines that it wrote."""
        code = await self._process.wait()
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
    while data := await stream.read(65_536):
        found = (found + data)[-_TOLD:]
    return found


def _environment() -> dict[str, str]:
    """Nothing that is ours, and no secret: where Python finds its packages, and the language."""
    passed = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "HOME", "VIRTUAL_ENV", "TZ", "PYTHONHASHSEED")
    found = {name: value for name, value in without_settings(os.environ).items() if name in passed}
    return {**found, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


__all__ = ["Child", "ChildDied"]
