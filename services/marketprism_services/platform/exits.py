"""Exit codes of the command line and the error that carries one.

0 done · 1 something was lost, doubled or failed · 2 wrong usage or setting · 3 bad input (a recording) ·
4 NATS trouble · 5 store or data directory trouble · 6 already running here · 130 interrupted
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the process says to the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INPUT = 3
    NATS = 4
    STORE = 5
    RUNNING = 6
    INTERRUPTED = 130


class Stop(Exception):
    """Ends the command with one clear line and an exit code."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
