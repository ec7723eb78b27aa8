"""A gzip file that breaks off: its content as far as it is whole."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 1 << 16
_GZIP = 31  # window bits of zlib that mean gzip


class WholePart(io.RawIOBase):
    """What can be unpacked of a file, of one or more members; `broken` says in the end why there is no more of it.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.broken = ""
        self._file = path.open("rb")
        self._unpack = zlib.decompressobj(_GZIP)
        self._ready = b""

    def readable(self) -> bool:
        """Whether it can be read: it can."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer as far as there is something; 0 at the end, whether the file is whole or not."""
        view = memoryview(buffer).cast("B")
        while not self._ready and not self.broken:
            packed = self._unpack.unused_data or self._file.read(_CHUNK)
            if not packed:
                self.broken = "" if self._unpack.eof else "the archive ends in the middle"
                break
            if self._unpack.eof:
                self._unpack = zlib.decompressobj(_GZIP)
            try:
                self._ready = self._unpack.decompress(packed)
            except zlib.error as error:
                self.broken = str(error)
        part = self._ready[: len(view)]
        view[: len(part)] = part
        self._ready = self._ready[len(part) :]
        return len(part)

    def close(self) -> None:
        """Close the file that it reads."""
        self._file.close()
        super().close()


__all__ = ["WholePart"]
