"""Digests of rows, which do not depend on their order: those of parts make that of the whole."""

from __future__ import annotations

from collections.abc import Iterable

from marketprism_application.contracts.archive_records import ColdFile
from marketprism_application.ports.archive import Measured

_HALF = 16  # digits: the hashes of all rows combined by exclusive or, then added up


def combined(parts: Iterable[tuple[int, str]]) -> Measured:
    """Rows and digest of several parts together, (rows, digest) each."""
    rows = mixed = added = 0
    for count, digest in parts:
        rows += count
        mixed ^= int(digest[:_HALF], 16)
        added = (added + int(digest[_HALF:], 16)) % (1 << 64)
    return Measured(rows, f"{mixed:0{_HALF}X}{added:0{_HALF}X}")


def of_files(files: Iterable[ColdFile]) -> Measured:
    """Rows and digest of files as they are written down."""
    return combined((file.rows, file.digest) for file in files)


__all__ = ["combined", "of_files"]
