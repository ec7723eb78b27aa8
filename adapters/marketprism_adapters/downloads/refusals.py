"""What the operating system refuses, as an error of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marketprism_application.errors import StoreError
from marketprism_sdk.errors import reason_of


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What the operating system refuses below a folder, as an error of the store. Raises StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"folder {folder}: expected one that can be written: {reason_of(error)}") from error


__all__ = ["writing"]
