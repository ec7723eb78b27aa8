"""Folders and files that nobody but their owner may read."""

from __future__ import annotations

import os
from pathlib import Path

UMASK = 0o077


def private_folder(path: Path) -> Path:
    """The folder, made if it is missing; only its owner may enter it (0700).

    Raises:
        OSError: it cannot be made, or belongs to somebody else.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.stat().st_mode & UMASK:
        path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read (0600). Whoever reads it sees the old text or the new one, whole.

    Raises:
        OSError: it cannot be written.
    """
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)  # O_EXCL: nobody can have put a file or a link there for us to write through
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)
