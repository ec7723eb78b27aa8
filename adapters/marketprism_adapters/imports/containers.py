"""How a file is packed, by its first bytes, and its rows' text unpacked as it is read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

import pyarrow as pa

from marketprism_application.errors import SourceError
from marketprism_sdk.errors import reason_of

_MAGIC = {
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"SQLite format 3\x00": "sqlite",
    b"ARROW1": "arrow",
    b"FEA1": "arrow",
    b"PAR1": "parquet",
    b"DBN": "dbn",
}
HEAD_BYTES = 1 << 18
_BUFFER = 1 << 18


class Packed(NamedTuple):
    """A file, how it is packed, and the member that it is read of, the file's own name without one."""

    path: Path
    container: str  # text, zip, gzip, xz, bzip2, zstd, sqlite, arrow, parquet, dbn
    member: str


def packed(path: Path) -> Packed:
    """How a file is packed.

    Raises:
        SourceError: missing, no file, empty, or an archive of several files.
    """
    with reading(path):
        if not path.is_file():
            what = "a folder" if path.is_dir() else "none"
            raise SourceError(f"file {path}: expected a file, was {what}")
        with path.open("rb") as file:
            head = file.read(16)
        if not head:
            raise SourceError(f"file {path}: expected rows, it is empty")
        container = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "text")
        member = path.name
        if container == "zip":
            with zipfile.ZipFile(path) as archive:
                member = _only(path, archive).filename
        if container == "zstd" and io.BufferedReader(_Unpacked(path)).peek(3).startswith(b"DBN"):
            container = "dbn"
        return Packed(path, container, member)


@contextmanager
def opened(file: Packed) -> Iterator[IO[bytes]]:
    """The text of a file, unpacked as it is read, without a byte order mark."""
    with reading(file.path):
        if file.container == "zip":
            with zipfile.ZipFile(file.path) as archive, archive.open(_only(file.path, archive)) as member:
                yield _without_mark(io.BufferedReader(cast("io.RawIOBase", member), _BUFFER))
            return
        with _stream(file) as stream:
            yield _without_mark(stream)


def _stream(file: Packed) -> io.BufferedReader:
    if file.container == "gzip":
        return io.BufferedReader(gzip.GzipFile(file.path), _BUFFER)
    if file.container == "xz":
        return io.BufferedReader(lzma.LZMAFile(file.path), _BUFFER)
    if file.container == "bzip2":
        return io.BufferedReader(bz2.BZ2File(file.path), _BUFFER)
    with file.path.open("rb") as plain:
        is_zstd = plain.read(4) == b"\x28\xb5\x2f\xfd"  # of Databento's files some are
    return io.BufferedReader(_Unpacked(file.path) if is_zstd else io.FileIO(file.path), _BUFFER)


class _Unpacked(io.RawIOBase):
    """A zstd file, through the codec that Arrow has."""

    def __init__(self, path: Path) -> None:
        self._input = pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._input.read(len(view))
        view[: len(data)] = data
        return len(data)


def _without_mark(stream: io.BufferedReader) -> io.BufferedReader:
    if stream.peek(3)[:3] == b"\xef\xbb\xbf":
        stream.read(3)
    return stream


class Head(NamedTuple):
    """The first lines of a file, and how it is encoded."""

    text: str
    encoding: str


def head_of(file: Packed) -> Head:
    """The first lines of a file, whole ones: UTF-8, or what Chinese programs write.

    Raises:
        SourceError: no text.
    """
    with opened(file) as stream:
        data = stream.read(HEAD_BYTES)
    if len(data) == HEAD_BYTES:
        data = data[: data.rfind(b"\n") + 1]
    if b"\0" in data:
        raise SourceError(f"file {file.path}: expected text, or an archive, SQLite, Arrow or Parquet, was other bytes")
    try:
        return Head(data.decode("utf-8"), "utf8")
    except UnicodeDecodeError:
        return Head(data.decode("gb18030", errors="replace"), "gb18030")


def _only(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        raise SourceError(f"file {path}: expected a zip archive of one file, was one of {len(members)}")
    return members[0]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read, in one line.

    Raises:
        SourceError: missing, unreadable, damaged or cut off.
    """
    try:
        yield
    except (
        lzma.LZMAError,
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        IndexError,
        struct.error,
    ) as error:
        raise DamagedFile(f"file {path}: expected a complete file: {reason_of(error)}") from error
    except UnicodeError as error:
        raise SourceError(f"file {path}: expected UTF-8 or GB 18030 text: {reason_of(error)}") from error
    except (NotImplementedError, RuntimeError) as error:  # an archive with a password, or packed in a rare way
        raise SourceError(f"file {path}: expected a file that can be unpacked: {reason_of(error)}") from error
    except OSError as error:
        raise SourceError(f"file {path}: expected a readable file: {error.strerror or reason_of(error)}") from error


class DamagedFile(SourceError):
    """A packed file is cut off, or its own sum is wrong."""
