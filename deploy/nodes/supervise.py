"""Keep the programs of a node running, as systemd does on a machine: `python supervise.py PROGRAMS LOGS`.

`PROGRAMS` is a JSON file of names and commands; each is started again a second after its end.
`<LOGS>/faketime`, where it is there, holds a clock error for the programs that are started, as libfaketime reads it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

_AGAIN_S = 1.0
_LOOK_S = 0.2
_END_S = 20.0


def read_programs(path: Path) -> dict[str, list[str]]:
    """Names and commands, nats-server first: the services wait for it, but why should they."""
    programs: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return dict(sorted(programs.items(), key=lambda item: (item[0] != "marketprism-nats", item[0])))


class Supervisor:
    """The programs of a file, each a process."""

    def __init__(self, programs: Path, logs: Path) -> None:
        self._programs = read_programs(programs)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._due: dict[str, float] = {}
        self._ending = False

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        while not self._ending:
            self._start_due()
            time.sleep(_LOOK_S)
        for process in self._running.values():
            process.terminate()
        end = time.monotonic() + _END_S
        for process in self._running.values():
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def _start_due(self) -> None:
        now = time.monotonic()
        for name in self._programs:
            process = self._running.get(name)
            if process is not None and process.poll() is not None:
                self._due[name] = now + _AGAIN_S
                del self._running[name]
            elif process is None and now >= self._due.get(name, 0.0):
                self._start(name)

    def _start(self, name: str) -> None:
        with (self._logs / f"{name}.log").open("ab") as words:
            self._running[name] = subprocess.Popen(  # noqa: S603
                self._programs[name],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env={**os.environ, **self._clock()},
            )

    def _clock(self) -> dict[str, str]:
        try:
            wrong = (self._logs / "faketime").read_text(encoding="ascii").split()
        except OSError:
            return {}
        library, error = wrong
        return {"LD_PRELOAD": library, "FAKETIME": error, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def _end(self, _: int, __: FrameType | None) -> None:
        self._ending = True


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1]), Path(sys.argv[2])).run()
