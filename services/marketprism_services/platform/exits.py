"""Exit codes of the command line, and which error means which.

0 done · 1 something was lost, doubled or failed · 2 wrong usage or setting · 3 bad input (a recording) ·
4 NATS trouble · 5 store or data directory trouble · 6 already running here · 130 interrupted
"""

from __future__ import annotations

from enum import IntEnum

from marketprism_application.errors import (
    DataDirError,
    EmbeddedServerError,
    ImportTaken,
    LocalServerError,
    MixedData,
    SourceError,
    StorageSilent,
    StoreError,
)
from marketprism_sdk.errors import ConfigurationError, SdkError, reason_of
from marketprism_services.platform.data_dir_lock import DataDirInUse


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


# The first class that an error is of decides. What is not here, nobody has foreseen: it ends with its trace.
CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (SourceError, Exit.INPUT),
    (DataDirInUse, Exit.RUNNING),
    (DataDirError, Exit.STORE),
    (EmbeddedServerError, Exit.NATS),
    (LocalServerError, Exit.STORE),
    (StoreError, Exit.STORE),
    (StorageSilent, Exit.STORE),
    (ImportTaken, Exit.FAILED),
    (MixedData, Exit.INPUT),
    (ConfigurationError, Exit.USAGE),
    (SdkError, Exit.FAILED),
    (OSError, Exit.FAILED),
)


def code_of(error: Exception) -> Exit | None:
    """The exit code of an error by its class; None for one that nobody has foreseen.

    A `retryable` error of the framework is trouble with NATS whatever its class: it may go by itself.
    """
    if isinstance(error, SdkError) and error.retryable and not isinstance(error, ConfigurationError):
        return Exit.NATS
    return next((code for kind, code in CODES if isinstance(error, kind)), None)


def stop_of(error: Exception) -> Stop:
    """What an error of the lower layers means for the shell; of several that came together, the first. Raises it again
    where nobody has foreseen it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Stop):
        return error
    if (code := code_of(error)) is None:
        raise error
    return Stop(code, reason_of(error))


def line_of(stop: Stop) -> str:
    """What is said of it, never nothing: where it has no words, what caused it has."""
    return str(stop).strip() or reason_of(stop.__cause__ or stop)
