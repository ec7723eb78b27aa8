"""Starts the services of one machine in their processes and starts again what falls over.

A process is called as `marketprism run` is told what it runs: one service, or several (`units.py`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from marketprism_application.errors import DataDirError
from marketprism_sdk.errors import reason_of
from marketprism_sdk.private_files import private_folder
from marketprism_services.platform.ending import stop_requested
from marketprism_services.platform.exits import Exit
from marketprism_services.platform.launcher import Launcher, ServiceProcess
from marketprism_services.platform.log_files import open_log, rotate

log = structlog.get_logger()

# A process that ended with one of these would end the same way again.
_FINAL = {Exit.USAGE, Exit.INPUT}
_MAX_BACKOFF_S = 5.0
_ROTATE_S = 10.0


class Supervisor:
    """Keeps each process alive until `stop`.

    The settings of the services are the file `config` and `environment`, and nothing of this process's own variables,
    which the file has taken in already. Once `ending` is set nothing is started any more.
    """

    def __init__(
        self,
        config: Path,
        logs: Path,
        launcher: Launcher,
        *,
        environment: Mapping[str, str] | None = None,
        ending: asyncio.Event | None = None,
    ) -> None:
        self._config = config
        self._logs = logs
        self._services: list[str] = []
        self._launcher = launcher
        self._environment = environment or {}
        self._ending = ending or asyncio.Event()
        self._processes: dict[str, ServiceProcess] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self.restarts = 0
        self.failed: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()

    async def start(self, services: Sequence[str]) -> None:
        """Start services, in order, without waiting for any to be ready; others may follow.

        Raises:
            DataDirError: there is no place for their logs.
        """
        try:
            await asyncio.to_thread(private_folder, self._logs)
        except OSError as error:
            raise DataDirError.of(self._logs.parent, error) from error
        if not self._services:
            self._tasks.append(asyncio.create_task(self._rotate(), name="rotate-logs"))
        for service in services:
            self._services.append(service)
            self._tasks.append(asyncio.create_task(self._keep(service), name=f"keep-{service}"))

    def _over(self) -> bool:
        return self._stopping or self._ending.is_set()

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE_S)
            for service in self._services:
                try:
                    await asyncio.to_thread(rotate, self.log_of(service))
                except OSError as error:
                    log.warning("log.not_rotated", service=service, error=reason_of(error))

    async def _keep(self, service: str) -> None:
        backoff_s = 0.1
        while not self._over():
            started = time.monotonic()
            code = await self._run(service)
            if self._over() or await stop_requested(code, self._ending):
                return
            if code in _FINAL:
                if not self.failed.done():
                    self.failed.set_result((service, code))
                return
            self.restarts += 1
            backoff_s = 0.1 if time.monotonic() - started > 10 else min(backoff_s * 2, _MAX_BACKOFF_S)
            reason = await asyncio.to_thread(self._last_error, service)
            log.warning("service.restarting", service=service, code=code, backoff_s=backoff_s, reason=reason)
            await asyncio.sleep(backoff_s)

    async def _run(self, service: str) -> int:
        try:
            output = await asyncio.to_thread(open_log, self.log_of(service))
            try:
                process = await self._launcher.launch(
                    ("run", service, "--config", str(self._config)), self._environment, output
                )
            finally:
                os.close(output)
        except OSError as error:
            log.warning("service.not_started", service=service, error=reason_of(error))
            return Exit.FAILED
        self._processes[service] = process
        return await process.wait()

    def log_of(self, service: str) -> Path:
        """Where a service writes its log."""
        return self._logs / f"{service}.log"

    def last_words(self, service: str, lines: int = 3) -> str:
        """The end of a service's log, for a message to a person."""
        try:
            text = self.log_of(service).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _last_error(self, service: str) -> str:
        """Why a service says that it ends; its log has all of it where it says nothing in one line."""
        last = self.last_words(service, 1).strip()
        return last.removeprefix("error: ") if last.startswith("error: ") else f"its log is {self.log_of(service)}"

    async def stop(self, deadline_s: float) -> None:
        """SIGTERM to all in reverse order, SIGKILL to what is left at the deadline."""
        self._stopping = True
        self._signal_all(lambda process: process.send_signal(signal.SIGTERM))
        waits = [process.wait() for process in self._processes.values() if process.returncode is None]
        if waits:
            done = asyncio.gather(*waits)
            try:
                async with asyncio.timeout(deadline_s):
                    await asyncio.shield(done)
            except TimeoutError:
                self._signal_all(lambda process: process.send_signal(signal.SIGKILL))
                await done
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _signal_all(self, action: Callable[[ServiceProcess], None]) -> None:
        for process in reversed(self._processes.values()):
            if process.returncode is None:
                try:
                    action(process)
                except ProcessLookupError:
                    log.debug("service.already_ended", pid=process.pid)
