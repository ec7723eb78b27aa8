"""How children of workers are started: as forks of a process that has loaded what they need (Linux), or fresh."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Protocol

from marketprism_sdk.errors import SdkError
from marketprism_sdk.service import die_with_parent
from marketprism_services.forking.starting import ForkedProcess, ForkServer
from marketprism_services.settings.variables import without_settings

_CHILD = "marketprism_services.backtest.child"
_SERVER = "marketprism_services.backtest.child_server"


class ForkServerLost(SdkError):
    """The process that children are forks of has ended, and they with it. The same work can be done again."""

    retryable = True


class Started(Protocol):
    """A process that was started; what `asyncio.subprocess.Process` offers of that."""

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int:
        """Its exit code, once it has ended; a negative signal number when that ended it."""
        ...


class Children:
    """Starts children that work in `folder`; without `forks`, every one of them fresh."""

    def __init__(self, folder: Path, *, forks: bool = sys.platform.startswith("linux")) -> None:
        self._folder, self._forks = folder, forks
        self._server: ForkServer | None = None

    async def start(self, work: int, errors: int, *, fresh: bool = False) -> Started:
        """A child that reads its job from the socket `work`, answers there, and writes to `errors` what goes wrong.

        Raises:
            OSError: no process can be started. ForkServerLost: what it would be a fork of has ended meanwhile.
        """
        if fresh or not self._forks:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                _CHILD,
                stdin=work,
                stdout=work,
                stderr=errors,
                cwd=self._folder,
                env=_environment(),
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        if self._server is None:
            self._server = ForkServer(_SERVER, _environment, self._folder)
        try:
            return await self._server.fork(b"child", [work, errors])
        except (ConnectionResetError, BrokenPipeError) as error:
            raise ForkServerLost("children: expected the process that starts them to go on, it has ended") from error

    async def close(self) -> None:
        """End what children are forks of, and them."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()


def is_lost(process: Started) -> bool:
    """Whether a child has ended with the process that it was a fork of."""
    return isinstance(process, ForkedProcess) and process.lost


def _environment() -> dict[str, str]:
    """Nothing that is ours, and no secret: where Python finds its packages, and the language."""
    passed = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "HOME", "VIRTUAL_ENV", "TZ", "PYTHONHASHSEED")
    found = {name: value for name, value in without_settings(os.environ).items() if name in passed}
    # One thread each: libraries of numbers, and what gives Arrow its memory.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    return {**found, **threads, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": tempfile.gettempdir()}


__all__ = ["Children", "ForkServerLost", "Started", "is_lost"]
