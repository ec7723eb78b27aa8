"""How the supervisor starts a service: as a fresh process, or as a fork of one that has loaded everything (Linux)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from marketprism_sdk.service import die_with_parent
from marketprism_services.platform.fork_server import MAX_MESSAGE, Request
from marketprism_services.settings.variables import without_settings

_MODULE = "marketprism_services.platform.fork_server"


class ServiceProcess(Protocol):
    """A service that was started; what `asyncio.subprocess.Process` offers of that."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None:
        """None while it runs; a negative signal number when that ended it."""
        ...

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        ...

    def send_signal(self, signal: int, /) -> None:
        """Raises ProcessLookupError when it has ended."""
        ...


class Launcher(Protocol):
    """Starts `marketprism <arguments>`."""

    async def launch(self, arguments: Sequence[str], environment: Mapping[str, str], output: int) -> ServiceProcess:
        """A process whose standard output and error go to the descriptor `output`.

        It gets this process's variables without the settings, and `environment` besides. Raises OSError.
        """
        ...

    async def close(self) -> None:
        """Let go of what starts the processes; they have ended before."""
        ...


class SpawnLauncher:
    """Fulfils `Launcher` with an interpreter of its own for each."""

    async def launch(self, arguments: Sequence[str], environment: Mapping[str, str], output: int) -> ServiceProcess:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "marketprism_services",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**without_settings(os.environ), **environment, "PYTHONUNBUFFERED": "1"},
            # Ctrl-C is for this process, which stops its children in order.
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )

    async def close(self) -> None:
        return


class ForkedProcess:
    """Fulfils `ServiceProcess` for a child of the fork server."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def send_signal(self, signal: int, /) -> None:
        if self._ended.done():
            raise ProcessLookupError(f"process {self.pid} has ended")
        os.kill(self.pid, signal)

    def end(self, code: int) -> None:
        """It has ended with this exit code."""
        if not self._ended.done():
            self._ended.set_result(code)


class ForkLauncher:
    """Fulfils `Launcher` with a fork server, which loads while the caller goes on.

    A fork server that ends takes its services along; the next `launch` starts another.
    """

    def __init__(self) -> None:
        self._server, self._channel = _start()
        self._watched = False
        self._turn = asyncio.Lock()
        self._asked: asyncio.Future[ForkedProcess] | None = None
        self._running: dict[int, ForkedProcess] = {}

    async def launch(self, arguments: Sequence[str], environment: Mapping[str, str], output: int) -> ServiceProcess:
        request = Request(arguments=list(arguments), environment=dict(environment))
        message = json.dumps(request).encode()
        if len(message) > MAX_MESSAGE:
            raise OSError(f"arguments and environment: expected at most {MAX_MESSAGE} bytes, was {len(message)}")
        loop = asyncio.get_running_loop()
        async with self._turn:
            if self._channel.fileno() < 0:
                await asyncio.to_thread(self._server.wait)
                self._server, self._channel = _start()
            if not self._watched:
                self._watched = True
                self._channel.setblocking(False)
                loop.add_reader(self._channel.fileno(), self._hear)
            self._asked = loop.create_future()
            socket.send_fds(self._channel, [message], [output])
            try:
                return await self._asked
            finally:
                self._asked = None

    def _hear(self) -> None:
        try:
            message = self._channel.recv(MAX_MESSAGE)
        except BlockingIOError:
            return
        except ConnectionResetError:
            message = b""
        if not message:
            self._lost()
            return
        report = json.loads(message)
        if "error" in report:
            if self._asked is not None and not self._asked.done():
                self._asked.set_exception(OSError(f"no process could be started: {report['error']}"))
            return
        if "code" in report:
            self._running.pop(report["pid"]).end(report["code"])
            return
        process = self._running[report["pid"]] = ForkedProcess(report["pid"])
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(process)

    def _lost(self) -> None:
        """The fork server has ended, and the kernel has ended its services with it."""
        self._let_go()
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(ConnectionResetError("the fork server ended"))
        for process in self._running.values():
            process.end(-signal.SIGKILL)
        self._running.clear()

    def _let_go(self) -> None:
        if self._watched:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._watched = False
        self._channel.close()

    async def close(self) -> None:
        if self._channel.fileno() >= 0:
            self._let_go()
        self._server.kill()  # it may still be loading, for services that are not wanted any more
        await asyncio.to_thread(self._server.wait)


def _start() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(  # noqa: S603 (our own interpreter)
            [sys.executable, "-m", _MODULE, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env={**without_settings(os.environ), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call, before there are threads)
        )
    return server, ours


def launcher() -> Launcher:
    """The quickest way to start services that this system has."""
    return ForkLauncher() if sys.platform.startswith("linux") else SpawnLauncher()


__all__ = ["ForkLauncher", "ForkedProcess", "Launcher", "ServiceProcess", "SpawnLauncher", "launcher"]
