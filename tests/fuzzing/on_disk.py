"""Readers of files get one: in memory where the system has such a folder, one folder a process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev/shm")


def _folder() -> Path:
    return _folder_of(os.getpid())  # a fork has another one: the first that ends takes its own away


@cache
def _folder_of(pid: int) -> Path:
    del pid
    made = tempfile.mkdtemp(prefix="marketprism-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def file_of(data: bytes, name: str) -> Path:
    """A file of that name with these bytes, until the next one of that name."""
    path = _folder() / name
    path.write_bytes(data)
    return path


def empty_folder(name: str) -> Path:
    """A folder of that name with nothing in it."""
    path = _folder() / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path
