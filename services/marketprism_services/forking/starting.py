"""A fork server from the side of who starts it: asks for children, and sees them end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from marketprism_sdk.service import die_with_parent
from marketprism_services.forking.server import MAX_MESSAGE


class ForkedProcess:
    """A child of a fork server; what `asyncio.subprocess.Process` offers of that. `lost` where its server has ended,
    which has ended it too."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.lost = False
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        """None while it runs; a negative signal number when that ended it."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self._ended)

    def send_signal(self, signal: int, /) -> None:
        """Raises ProcessLookupError when it has ended."""
        if self._ended.done():
            raise ProcessLookupError(f"process {self.pid} has ended")
        os.kill(self.pid, signal)

    def end(self, code: int) -> None:
        """It has ended with this exit code."""
        if not self._ended.done():
            self._ended.set_result(code)


class ForkServer:
    """Starts the module `python -m <module> <descriptor>`, which calls `server.serve`, and asks it for children.

    A server that ends takes its children along; the next `fork` starts another. `environment` gives the variables of
    the server, which its children have too; `folder` is where it runs.
    """

    def __init__(self, module: str, environment: Callable[[], Mapping[str, str]], folder: Path | None = None) -> None:
        self._module, self._environment, self._folder = module, environment, folder
        self._server, self._channel = self._started()
        self._watched = False
        self._turn = asyncio.Lock()
        self._asked: deque[asyncio.Future[ForkedProcess]] = deque()
        self._running: dict[int, ForkedProcess] = {}

    async def fork(self, message: bytes, descriptors: Sequence[int]) -> ForkedProcess:
        """A child that becomes what the message says. Raises OSError: no process could be started."""
        if len(message) > MAX_MESSAGE:
            raise OSError(f"arguments and environment: expected at most {MAX_MESSAGE} bytes, was {len(message)}")
        loop = asyncio.get_running_loop()
        async with self._turn:
            if self._channel.fileno() < 0:
                await asyncio.to_thread(self._server.wait)
                self._server, self._channel = self._started()
            if not self._watched:
                self._watched = True
                self._channel.setblocking(False)
                loop.add_reader(self._channel.fileno(), self._hear)
            asked: asyncio.Future[ForkedProcess] = loop.create_future()
            self._asked.append(asked)
            try:
                socket.send_fds(self._channel, [message], descriptors)
            except OSError:
                self._asked.remove(asked)
                raise
            return await asked

    def _hear(self) -> None:
        try:
            message = self._channel.recv(MAX_MESSAGE)
        except BlockingIOError:
            return
        except ConnectionResetError:
            message = b""
        if not message:
            self._lost(ConnectionResetError("the fork server ended"))
            return
        report = json.loads(message)
        if "code" in report:
            self._running.pop(report["pid"]).end(report["code"])
            return
        asked = self._asked.popleft()  # answers come in the order of the questions
        if "error" in report:
            if not asked.done():
                asked.set_exception(OSError(f"no process could be started: {report['error']}"))
            return
        process = self._running[report["pid"]] = ForkedProcess(report["pid"])
        if asked.done():  # whoever asked was cancelled meanwhile
            process.send_signal(signal.SIGKILL)
        else:
            asked.set_result(process)

    def _lost(self, error: OSError) -> None:
        """The server has ended, and the kernel has ended its children with it."""
        self._let_go()
        while self._asked:
            if not (asked := self._asked.popleft()).done():
                asked.set_exception(error)
        for process in self._running.values():
            process.lost = True
            process.end(-signal.SIGKILL)
        self._running.clear()

    def _let_go(self) -> None:
        if self._watched:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._watched = False
        self._channel.close()

    async def close(self) -> None:
        """End the server, and what it has started."""
        if self._channel.fileno() >= 0:
            self._lost(ConnectionResetError("the fork server was ended"))
        self._server.kill()  # it may still be loading, for children that are not wanted any more
        await asyncio.to_thread(self._server.wait)

    def _started(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            server = subprocess.Popen(  # noqa: S603 (our own interpreter)
                [sys.executable, "-m", self._module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd=self._folder,
                env=dict(self._environment()),
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call, before there are threads)
            )
        return server, ours


__all__ = ["ForkServer", "ForkedProcess"]
