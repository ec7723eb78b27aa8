"""Keeps the log files of child processes from growing for ever."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

LOG_BYTES = 64 << 20
KEPT = 3


def open_log(path: Path) -> int:
    """A descriptor to append to, of a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def rotate(path: Path, limit: int = LOG_BYTES) -> bool:
    """Whether the file was too large: it is `<name>.1` then, older ones move up to `.3`, and it begins anew.

    A process that writes to it goes on without being asked, because it appends; lines of the moment in which it is
    copied may be missing from the copy.
    """
    try:
        if path.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    for number in range(KEPT - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(f"{path.name}.{number}").replace(path.with_name(f"{path.name}.{number + 1}"))
    copy = path.with_name(f"{path.name}.1")
    with path.open("rb") as source, os.fdopen(open_log(copy), "wb") as target:
        shutil.copyfileobj(source, target)
    os.truncate(path, 0)
    return True
