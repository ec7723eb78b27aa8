"""Recordings as bytes: the content says how a file is compressed, its name does not matter."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from marketprism_application.errors import SourceError
from marketprism_sdk.errors import reason_of

_FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a Parquet file",
    b"\x04\x22\x4d\x18": "an lz4 file",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x89HDF": "an HDF5 file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "a database",
}


def opened(path: Path) -> IO[bytes]:
    """The file, decompressed.

    Raises:
        SourceError: a form that needs a library which is not installed, or that is no text.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)  # type: ignore[return-value]
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.open(path)
    if head.startswith(b"BZh"):
        return bz2.open(path)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return _zstandard(path)
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise SourceError(f"recording {path}: expected text, plain or as gzip, xz, bzip2 or zstd, was {what}")
    return path.open("rb")


def _zstandard(path: Path) -> IO[bytes]:
    # Part of Python from 3.14 on, a package before.
    for name in ("compression.zstd", "zstandard"):
        try:
            library: Any = importlib.import_module(name)
        except ImportError:
            continue
        made: IO[bytes] = library.open(path, "rb")
        return made
    raise SourceError(f"recording {path}: expected the package zstandard, which reads .zst files: it is not installed")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read, in one line.

    Raises:
        SourceError: missing, unreadable, damaged or cut off.
    """
    try:
        yield
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise SourceError(f"recording {path}: expected a complete compressed file: {reason_of(error)}") from error
    except FileNotFoundError as error:
        raise SourceError(f"recording {path}: expected a file, there is none") from error
    except IsADirectoryError as error:
        raise SourceError(f"recording {path}: expected a file, was a folder") from error
    except OSError as error:  # bzip2 says so too when its data are damaged, without a number
        problem = error.strerror or f"complete and undamaged: {reason_of(error)}"
        raise SourceError(f"recording {path}: expected a readable file: {problem}") from error
