"""A Prometheus and an Alertmanager of one's own, for one machine: those that the machine has installed.

Each listens at loopback, keeps its data below the data directory, and is ended with whoever started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from marketprism_application.errors import LocalServerError
from marketprism_sdk.errors import reason_of
from marketprism_sdk.private_files import private_folder
from marketprism_sdk.service import die_with_parent, end_process

_START_S = 30.0
_PROBE_S = 5.0


@dataclass(frozen=True, slots=True)
class ServerKind:
    """A server that can be had: what it is called, by which names its program is known, how it is told where to be."""

    name: str
    programs: tuple[str, ...]
    arguments: tuple[str, ...]  # {config}, {data} and {port} stand for what they say

    def find(self) -> str | None:
        """Path of its program, None where this machine has none."""
        return next((found for name in self.programs if (found := shutil.which(name))), None)


PROMETHEUS = ServerKind(
    "Prometheus",
    ("prometheus",),
    ("--config.file={config}", "--storage.tsdb.path={data}", "--web.listen-address=127.0.0.1:{port}"),
)
ALERTMANAGER = ServerKind(
    "Alertmanager",
    ("alertmanager", "prometheus-alertmanager"),
    (
        "--config.file={config}",
        "--storage.path={data}",
        "--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ),
)


class LocalMonitoringServer:
    """A running server. `start` makes one; fulfils what a watch of servers needs to start it again."""

    stays_stuck = False

    def __init__(self, kind: ServerKind, program: str, folder: Path, config: Path, port: int) -> None:
        self.name = kind.name
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes]
        told = {"config": config, "data": folder / "data", "port": port}
        self._command = [program, *(argument.format(**told) for argument in kind.arguments)]

    @property
    def url(self) -> str:
        """Where it answers, and where a person looks."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    async def start(cls, kind: ServerKind, folder: Path, config: Path, port: int) -> LocalMonitoringServer:
        """Start it with a configuration file, its data and log in `folder`, and wait until it is ready.

        Raises:
            LocalServerError: this machine does not have it, the folder cannot be written, or it does not start; with
            the reason that it gives.
        """
        program = await asyncio.to_thread(kind.find)
        if program is None:
            raise LocalServerError(f"{kind.name}: expected {' or '.join(kind.programs)} on PATH, there is none")
        try:
            await asyncio.to_thread(private_folder, folder)
        except OSError as error:
            raise LocalServerError(f"{kind.name}: {folder}: expected a writable folder: {error.strerror}") from error
        server = cls(kind, program, folder, config, port)
        await server._launch()
        return server

    async def _launch(self) -> None:
        with await asyncio.to_thread(self._log.open, "wb") as words:
            self.process = subprocess.Popen(  # noqa: S603, ASYNC220 (our own command; starting it takes a millisecond)
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call, no locks taken)
            )
        try:
            await self._wait_ready()
        except BaseException:
            await self.stop()
            raise

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    @property
    def ended(self) -> int | None:
        """Exit code of a process that is no more, None while it runs."""
        return self.process.poll()

    def write_error(self) -> str:
        """It goes on by itself when there is room again: nothing that a restart would mend."""
        return ""

    async def probe(self) -> None:
        """Ask it whether it is ready.

        Raises:
            LocalServerError: it is not, or does not answer.
        """
        timeout = aiohttp.ClientTimeout(total=_PROBE_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{self.url}/-/ready") as answer:
                if answer.status == 200:
                    return
                reason = f"it answers {answer.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = reason_of(error)
        raise LocalServerError(f"{self.name} at {self.url}: expected it to be ready: {reason}")

    async def _wait_ready(self) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                why = await asyncio.to_thread(self._last_words)
                raise LocalServerError(f"{self.name} ended with code {self.process.returncode} at its start: {why}")
            try:
                await self.probe()
            except LocalServerError:
                await asyncio.sleep(0.1)
                continue
            return
        raise LocalServerError(f"{self.name} at {self.url} was not ready within {_START_S:g} s")

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            grave = [line for line in lines if "level=error" in line or "err=" in line]
            return (grave or lines or ["it said nothing"])[-1][:500]
        return "it said nothing"

    async def restart(self) -> None:
        """End it if it still runs, and start it again on the same port and data.

        Raises:
            LocalServerError: it ended at once, or is not ready in time.
        """
        await self.stop()
        try:
            await self._launch()
        except OSError as error:
            raise LocalServerError(f"{self.name} in {self.folder}: {error.strerror}") from error

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Ask it to end, and end it if it does not."""
        await end_process(self.process, timeout_s)


__all__ = ["ALERTMANAGER", "PROMETHEUS", "LocalMonitoringServer", "ServerKind"]
