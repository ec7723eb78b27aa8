"""One pipeline per data directory, by an advisory lock that the kernel releases when its owner dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from marketprism_application.errors import ApplicationError, DataDirError

_SIMULATED = "simulated"


def simulated_below(data_dir: Path) -> Path:
    """Where simulated data are when nobody chooses a directory for them."""
    return data_dir / _SIMULATED


def is_running(data_dir: Path) -> bool:
    """Whether a pipeline runs on a data directory; False where it cannot be looked at."""
    try:
        fd = os.open(data_dir / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class DataDirInUse(ApplicationError):
    """Another pipeline runs on the data directory; the text says which process."""


class DataDirLock:
    """Holds `<data_dir>/lock` while in use.

    Raises:
        DataDirError: the directory cannot be written.
        DataDirInUse: another pipeline runs on it.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._fd = -1

    def __enter__(self) -> Self:
        try:
            # One that is there may be somebody's home: it is left as it is, and `doctor` says who can read it.
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._write_probe()
        except OSError as error:
            raise DataDirError.of(self._path.parent, error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise DataDirInUse(
                f"data directory {self._path.parent}: a pipeline is running on it already (process {owner}); "
                f"stop it, or give another --data-dir",
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        return self

    def _write_probe(self) -> None:
        # A full disk accepts an empty file; only written bytes show it.
        probe = self._path.with_name("write-probe")
        try:
            probe.write_bytes(b"\0" * 65_536)
        finally:
            probe.unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)
