"""Programs on VeighNa itself, in an environment of their own: `make test-vnpy` makes it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("VEIGHNA_PYTHON", ROOT / ".venv-vnpy" / "bin" / "python"))
PROGRAMS = ROOT / "tests" / "veighna" / "programs"
_TIMEOUT_S = 300.0


class Desk:
    """A trader's folder with its `vt_setting.json`, and programs that run in it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        (folder / ".vntrader").mkdir(parents=True)
        named = {"database.name": "marketprism", "datafeed.name": "marketprism", "database.timezone": "Asia/Shanghai"}
        (folder / ".vntrader" / "vt_setting.json").write_text(json.dumps({**named, **settings}))

    async def begin(self, program: str, *words: str) -> Running:
        """A program that runs beside the test."""
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            PROGRAMS / f"{program}.py",
            *words,
            cwd=self.folder,
            env=_environment(self.folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return Running(process)

    async def run(self, program: str, *words: str) -> dict[str, Any]:
        """What a program says at its end: the last line, JSON; `log` has the lines before."""
        return await (await self.begin(program, *words)).end()


class Running:
    """A program that was begun."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []

    async def line(self, text: str) -> str:
        """Wait for a line with a text in it."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                read = (await self._process.stdout.readline()).decode()
                assert read, (self.lines, (await self._process.communicate())[1].decode())
                self.lines.append(read.rstrip("\n"))
                if text in read:
                    return self.lines[-1]

    async def end(self, words: bytes = b"") -> dict[str, Any]:
        """What it says at its end, which has to be a good one; `words` go to it first."""
        async with asyncio.timeout(_TIMEOUT_S):
            out, err = await self._process.communicate(words)
        self.lines += out.decode().splitlines()
        assert self._process.returncode == 0, (self.lines, err.decode())
        found: dict[str, Any] = json.loads(self.lines[-1])
        return {**found, "log": self.lines[:-1]}


def _environment(home: Path) -> dict[str, str]:
    """Without what would let packages of this environment in; Qt without a screen."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "HOME": str(home), "QT_QPA_PLATFORM": "offscreen", "PYTHONWARNINGS": "ignore"}
