"""Files of recordings as text: how they are packed and encoded is asked of their content."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from marketprism_adapters.counters.recordings.broken_archive import WholePart
from marketprism_application.errors import SourceError
from marketprism_sdk.errors import reason_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ENDINGS = re.compile(r"\.(?:csv|tsv)(?:\.(?:gz|xz|bz2|zip))?$", re.IGNORECASE)
_GZIP, _XZ, _BZIP2, _ZIP, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"
MOST_BYTES = 1 << 20  # of a line: a row of a recording has hundreds
_BUFFER = 1 << 18
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class TextFile:
    """One file of lines. `whole_part`: of a gzip file that breaks off, what comes before is read; `broken` says of the
    last reading to the end why there was no more.

    Raises (everywhere):
        SourceError: missing, no file, no text, damaged or cut off.
    """

    def __init__(self, path: Path, *, whole_part: bool = False) -> None:
        self.path = path
        self.whole_part = whole_part
        self.broken = ""
        if not ENDINGS.search(path.name):
            raise SourceError(f"recording {path}: expected a file ending in .csv or .csv.gz")
        with reading(path):
            if not path.exists():
                raise SourceError(f"recording {path}: expected a file, there is none")
            if not path.is_file():
                what = "a folder" if path.is_dir() else "a pipe or a device, which can be read only once"
                raise SourceError(f"recording {path}: expected a file, was {what}")

    def lines(self) -> Iterator[str]:
        """The lines: UTF-8, with or without a mark at its beginning, or UTF-16. A byte that is neither spoils no more
        than its cell."""
        with reading(self.path), self._bytes() as raw:
            head = raw.peek(2)[:2]  # type: ignore[attr-defined]
            encoding, errors = _encoding(head)
            bounded = io.BufferedReader(_BoundedLines(raw, self.path), _BUFFER)
            with io.TextIOWrapper(bounded, encoding=encoding, errors=errors, newline="") as text:
                yield from text
            self.broken = raw.raw.broken if isinstance(getattr(raw, "raw", None), WholePart) else ""  # type: ignore[attr-defined]

    def _bytes(self) -> IO[bytes]:
        path = self.path
        with path.open("rb") as file:
            head = file.read(8)
        if head.startswith(_GZIP) or (not head and path.name.lower().endswith(".gz")):
            if self.whole_part:
                return io.BufferedReader(WholePart(path))
            # A larger buffer halves the cost of decompression.
            return io.BufferedReader(gzip.open(path), 1 << 18)
        if head.startswith(_XZ):
            return io.BufferedReader(lzma.open(path), 1 << 18)
        if head.startswith(_BZIP2):
            return io.BufferedReader(bz2.open(path), 1 << 18)
        if head.startswith(_ZIP):
            return _only_member(path)
        if head.startswith(_ZSTD):
            raise SourceError(f"recording {path}: expected text, plain or as gzip, xz, bzip2 or zip, was a zstd file")
        return path.open("rb")


class _BoundedLines(io.RawIOBase):
    """The bytes of a file, refused where a line of them has no end: packed, gigabytes of one are a few megabytes."""

    def __init__(self, inner: IO[bytes], path: Path) -> None:
        self._inner = inner
        self._path = path
        self._length = 0  # bytes since the last line break

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data: bytes = self._inner.read1(len(view))  # type: ignore[attr-defined]
        view[: len(data)] = data
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._length = self._length + len(data) if end < 0 else len(data) - end - 1
        if self._length > MOST_BYTES:
            text = f"expected lines of at most {MOST_BYTES >> 20} MiB, one is longer"
            raise SourceError(f"recording {self._path}: {text}")
        return len(data)


def _encoding(head: bytes) -> tuple[str, str]:
    """Encoding of a text, and what becomes of bytes that are not of it; UTF-16 without a mark shows by its zeros."""
    if head in _UTF16:
        return "utf-16", "strict"
    if head[1:] == b"\0":
        return "utf-16-le", "strict"
    return ("utf-16-be", "strict") if head[:1] == b"\0" else ("utf-8-sig", "surrogateescape")


def _only_member(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    members = [each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        archive.close()
        raise SourceError(f"recording {path}: expected a zip archive of one file, was one of {len(members)}")
    return archive.open(members[0])


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read, in one line.

    Raises:
        SourceError: missing, unreadable, damaged or cut off.
    """
    try:
        yield
    except (lzma.LZMAError, zipfile.BadZipFile) as error:
        raise SourceError(f"recording {path}: expected a complete compressed file: {reason_of(error)}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = f"{reason_of(error)}; with partial=yes what is whole of it is read"
        raise SourceError(f"recording {path}: expected a complete gzip file: {reason}") from error
    except (NotImplementedError, RuntimeError) as error:  # a zip archive with a password, or packed in a rare way
        raise SourceError(f"recording {path}: expected a file that can be unpacked: {reason_of(error)}") from error
    except UnicodeError as error:
        raise SourceError(f"recording {path}: expected UTF-8 or UTF-16 text: {reason_of(error)}") from error
    except OSError as error:
        raise SourceError(f"recording {path}: expected a readable file: {error.strerror or error}") from error


__all__ = ["ENDINGS", "TextFile", "reading"]
