"""How the supervisor starts a service: as a fresh process, or as a fork of one that has loaded everything (Linux)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from marketprism_sdk.service import die_with_parent
from marketprism_services.forking.starting import ForkServer
from marketprism_services.platform.fork_server import Request
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


class ForkLauncher:
    """Fulfils `Launcher` with a fork server, which loads while the caller goes on.

    A fork server that ends takes its services along; the next `launch` starts another.
    """

    def __init__(self) -> None:
        self._server = ForkServer(_MODULE, lambda: {**without_settings(os.environ), "PYTHONUNBUFFERED": "1"})

    async def launch(self, arguments: Sequence[str], environment: Mapping[str, str], output: int) -> ServiceProcess:
        request = Request(arguments=list(arguments), environment=dict(environment))
        return await self._server.fork(json.dumps(request).encode(), [output])

    async def close(self) -> None:
        await self._server.close()


def launcher() -> Launcher:
    """The quickest way to start services that this system has."""
    return ForkLauncher() if sys.platform.startswith("linux") else SpawnLauncher()


__all__ = ["ForkLauncher", "Launcher", "ServiceProcess", "SpawnLauncher", "launcher"]
