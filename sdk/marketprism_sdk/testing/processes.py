"""Real processes, and what can happen to them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marketprism_sdk.service import die_with_parent


class Child:
    """A process that tells what it does: every JSON line of its standard output goes to `on_line`."""

    def __init__(
        self,
        command: Sequence[str],
        on_line: Callable[[Child, dict[str, Any]], None],
        *,
        name: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._on_line = on_line
        self._env = {**os.environ, **(env or {})}
        self.name = name
        self.process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=self._env,
            preexec_fn=die_with_parent(),
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 (start asked for it)
        while line := await self.process.stdout.readline():
            try:
                told = json.loads(line)
            except ValueError:
                told = {"event": "text", "text": line.decode(errors="replace").rstrip()}
            self._on_line(self, told)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None

    def terminate(self) -> None:
        """SIGTERM: ask it to end in order."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: end it wherever it is."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it stops between two instructions, with everything it believes."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was, and does what it was about to do."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.process.pid, number)

    async def end(self, timeout_s: float = 5.0) -> int:
        """Wait for its end, enforce it at the deadline; returns the exit code."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.process.wait()
        except TimeoutError:
            self.thaw()
            self.kill()
            await self.process.wait()
        await asyncio.gather(self._reading, return_exceptions=True)
        return self.process.returncode or 0


class Burners:
    """Processes that do nothing but take the CPU."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        for _ in range(self._count):
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-S", "-c", "while True: sum(range(10_000))"],
                    preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call, no locks taken)
                )
            )

    def stop(self) -> None:
        """Kill the processes and wait for their end."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes = []
