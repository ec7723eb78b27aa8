"""Recordings as bytes: the content says how a file is compressed, its name does not matter."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from marketprism_application.errors import SourceError
from marketprism_sdk.errors import reason_of

_FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    b"PAR1": "a Parquet file",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x89HDF": "an HDF5 file",
    b"ARROW1": "an Arrow file",
    b"FEA1": "a Feather file",
    b"SQLite format 3": "a database",
    b"\x80\x04\x95": "a pickle",
    b"\x80\x05\x95": "a pickle",
    b"\x4d\x3c\xb2\xa1": "a capture of packets",
    b"\xa1\xb2\x3c\x4d": "a capture of packets",
    b"\xd4\xc3\xb2\xa1": "a capture of packets",
    b"\xa1\xb2\xc3\xd4": "a capture of packets",
    b"\x0a\x0d\x0d\x0a": "a capture of packets",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x1f\x9d": "a file of `compress`",
    b"\x89LZO": "an lzop file",
    b"\xff\x06\x00\x00sNaPpY": "a Snappy file",
    b"\x78\x01": "zlib data without a file's head",
    b"\x78\x9c": "zlib data without a file's head",
    b"\x78\xda": "zlib data without a file's head",
    b"\x93NUMPY": "a NumPy array",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
    b"DBN": "records as databento keeps them",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"\xff\xff\xff\xff": "a stream of Arrow",
    b"MATLAB 5.0": "a file of MATLAB",
    b"<?xml": "an XML document",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"version https://git-lfs": "a pointer of Git LFS, the file itself was not fetched",
}
OTHER_TEXT = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")  # UTF-16 and UTF-32
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
_TAR, _TAR_AT = b"ustar", 257
_DUCK, _DUCK_AT = b"DUCK", 8
_MAC = "__MACOSX/"  # what some systems put beside each file
_HEAD = 512  # a tar archive says in the middle of it that it is one
_Reader = gzip.GzipFile | lzma.LZMAFile | bz2.BZ2File | io.BufferedReader | zipfile.ZipExtFile


class NotText(SourceError):
    """A file is no text, packed or plain; `what` it is instead."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"recording {path}: expected text, plain or as gzip, xz, bzip2, zstd, lz4 or zip of one file, was {what}"
        )
        self.what = what


def opened(path: Path) -> IO[bytes]:
    """The file, decompressed; of a zip archive its only member.

    Raises:
        SourceError: no text.
        OSError, and what `reading` translates besides: it cannot be read.
    """
    check_is_file(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    unpacked = _unpacked(path, head)
    if unpacked is None:
        _check_text(path, head)
        return path.open("rb")
    try:
        begins = unpacked.peek(_HEAD)[:_HEAD]
        _check_text(path, begins)
        again = next((name for magic, name in _PACKED.items() if begins.startswith(magic)), "")
        if again:
            raise SourceError(f"recording {path}: expected text, was packed twice: inside is {again}")
    except BaseException:
        unpacked.close()
        raise
    return unpacked  # type: ignore[return-value]


def _unpacked(path: Path, head: bytes) -> _Reader | None:
    """A reader with `peek`, None where the file is not compressed."""
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if head.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):  # the second is the older form, `.lzma`
        return lzma.open(path)
    if head.startswith(b"BZh"):
        return bz2.open(path)
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[:1] in _SKIPPABLE):
        return _by_arrow(path, "zstd")
    if head.startswith(b"\x04\x22\x4d\x18"):
        return _by_arrow(path, "lz4")
    return _only_member(path) if head.startswith(b"PK\x03\x04") else None


_SKIPPABLE = frozenset(bytes([n]) for n in range(0x50, 0x60))  # frames of zstd that hold no data may stand first


def _by_arrow(path: Path, codec: str) -> io.BufferedReader:
    # Arrow has these codecs for every Python: the library's own module of zstd came with 3.14. It reads frame behind
    # frame.
    import pyarrow as pa  # noqa: PLC0415 (heavy: only for such files)

    return io.BufferedReader(pa.CompressedInputStream(path.open("rb"), codec))  # type: ignore[arg-type]


def _only_member(path: Path) -> zipfile.ZipExtFile:
    archive = zipfile.ZipFile(path)
    members = [each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith(_MAC)]
    if len(members) != 1:
        raise SourceError(
            f"recording {path}: expected text, plain or as gzip, xz, bzip2, zstd, lz4 or zip of one file, "
            f"was a zip archive of {len(members)}"
        )
    return archive.open(members[0])  # type: ignore[return-value]


def foreign_content(head: bytes) -> str:
    """What a file is that is no text, by the first bytes of it or of what is packed in it; empty where they do not say
    it."""
    if head[_TAR_AT:].startswith(_TAR):
        return "a tar archive: unpack it"
    if head[_DUCK_AT:].startswith(_DUCK):
        return "a DuckDB database"
    return next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), "")


def _check_text(path: Path, head: bytes) -> None:
    what = foreign_content(head)
    if what:
        raise NotText(path, what)


def check_is_file(path: Path) -> None:
    """Raises SourceError: a pipe or a device, which cannot be read twice."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        what = "a pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
        raise SourceError(f"recording {path}: expected a file, which can be read more than once, was {what}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read, in one line.

    Raises:
        SourceError: missing, unreadable, damaged or cut off.
    """
    try:
        yield
    except zipfile.BadZipFile as error:
        problem = f"was a zip archive: {reason_of(error)}"
        raise SourceError(f"recording {path}: expected a complete file, {problem}") from error
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise SourceError(f"recording {path}: expected a complete compressed file: {reason_of(error)}") from error
    except (NotImplementedError, RuntimeError) as error:  # a zip archive with a password, or packed in a rare way
        if isinstance(error, RecursionError):
            raise
        raise SourceError(f"recording {path}: expected a file that can be unpacked: {reason_of(error)}") from error
    except FileNotFoundError as error:
        raise SourceError(f"recording {path}: expected a file, there is none") from error
    except IsADirectoryError as error:
        raise SourceError(f"recording {path}: expected a file, was a folder") from error
    except OSError as error:  # bzip2 and zstd say so too when their data are damaged, without a number
        problem = error.strerror or f"complete and undamaged: {reason_of(error)}"
        raise SourceError(f"recording {path}: expected a readable file: {problem}") from error
