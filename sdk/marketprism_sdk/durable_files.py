"""Files that are there whole or not at all, also after a cut of power."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

UNFINISHED = ".unfinished-"


def place_file(target: Path, fill: Callable[[Path], object]) -> None:
    """Write a file beside its name, through to the disk, and give it its name.

    Raises:
        OSError: the folder cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{UNFINISHED}{secrets.token_hex(6)}")
    try:
        fill(unfinished)
        write_through(unfinished)
        unfinished.replace(target)
        write_through(target.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def write_through(path: Path) -> None:
    """What the system holds of a file or a folder in memory goes to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["UNFINISHED", "place_file", "write_through"]
