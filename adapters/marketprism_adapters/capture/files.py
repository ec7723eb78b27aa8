"""Capture files: blocks of frames, compressed, with an index.

A file begins with MAGIC. A block is a header (sizes, number of frames, first and last receive time, CRC-32) and one
MessagePack array of frames [ts_recv, channel, payload], compressed by Zstandard. The first frame of a channel in a file
has a map in place of bytes: its name and the name of the decoder that can read it, and `simulated` where no market sent
what it holds; so every file can be read alone. The
index beside it holds one fixed record a block, and is made anew from the headers where it is missing or short. A block
that a crash cut off ends the file; whoever writes again begins another.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel
from marketprism_sdk.errors import reason_of

if TYPE_CHECKING:
    pass

MAGIC = b"MPCAP\x01\n"
SUFFIX, INDEX = ".mpcap", ".mpidx"
_HEADER = struct.Struct(">4sIIIqqI")
_ENTRY = struct.Struct(">QIqqI")
_BLOCK = b"BLCK"
_SIMULATED = "simulated"
_LEVEL = 3
_LARGEST = 1 << 28  # bytes of a block unpacked


class Frame(NamedTuple):
    """What came in, and when (nanoseconds UTC)."""

    ts_recv: int
    channel: Channel
    payload: bytes


class Block(NamedTuple):
    """Where a block lies in its file, and what it spans."""

    offset: int
    size: int
    ts_first: int
    ts_last: int
    frames: int


class BlockWriter:
    """One file, of frames that a market sent, or of `simulated` ones. Raises OSError as files do."""

    def __init__(self, path: Path, *, simulated: bool = False) -> None:
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        self.path = path
        self._file = path.open("xb")
        self._index = path.with_suffix(INDEX).open("xb")
        self._file.write(MAGIC)
        self.size = len(MAGIC)
        self._codec = pa.Codec("zstd", compression_level=_LEVEL)
        self._channels: dict[Channel, int] = {}
        self._marks = {_SIMULATED: True} if simulated else {}

    def write(self, frames: list[tuple[int, Channel, bytes]]) -> None:
        """Add a block, and hand it to the operating system."""
        entries: list[tuple[int, int, Any]] = []
        for ts, channel, payload in frames:
            number = self._channels.get(channel)
            if number is None:
                number = self._channels[channel] = len(self._channels)
                entries.append((ts, number, channel._asdict() | self._marks))
            entries.append((ts, number, payload))
        raw = msgspec.msgpack.encode(entries)
        data: bytes = self._codec.compress(raw, asbytes=True)
        first, last = frames[0][0], frames[-1][0]
        header = _HEADER.pack(_BLOCK, len(data), len(raw), len(frames), first, last, zlib.crc32(data))
        self._file.write(header + data)
        self._file.flush()
        self._index.write(_ENTRY.pack(self.size, len(header) + len(data), first, last, len(frames)))
        self._index.flush()
        self.size += len(header) + len(data)

    def close(self) -> None:
        """Close the frames and their index. Raises OSError."""
        self._file.close()
        self._index.close()


class CaptureFile:
    """One file, read.

    Raises (everywhere):
        SourceError: not a capture file, unreadable, or a block inside it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                magic = file.read(len(MAGIC))
                self.blocks = self._indexed() or list(self._scan(file))
            self.truncated = path.stat().st_size - self._end()
        except OSError as error:
            raise SourceError(f"capture {path}: expected a readable file: {error.strerror}") from error
        if magic != MAGIC:
            raise SourceError(f"capture {path}: expected a capture file, it begins with {magic!r}")

    @property
    def frames(self) -> int:
        """Number of frames in whole blocks."""
        return sum(block.frames for block in self.blocks)

    def is_simulated(self) -> bool:
        """Whether whoever wrote it knew that no market sent what it holds; the first block says so."""
        if not self.blocks:
            return False
        with self.path.open("rb") as file:
            named = [entry for _, _, entry in self._block(file, 0, self.blocks[0]) if isinstance(entry, dict)]
        return any(entry.get(_SIMULATED) is True for entry in named)

    def _end(self) -> int:
        return self.blocks[-1].offset + self.blocks[-1].size if self.blocks else len(MAGIC)

    def _indexed(self) -> list[Block]:
        """Blocks by the index, none where it does not cover the file."""
        path = self.path.with_suffix(INDEX)
        data = path.read_bytes() if path.exists() else b""
        whole = len(data) - len(data) % _ENTRY.size
        blocks = [Block(*entry) for entry in _ENTRY.iter_unpack(data[:whole])]
        end = len(MAGIC)
        for block in blocks:
            if block.offset != end:
                return []
            end += block.size
        return blocks if end == self.path.stat().st_size else []

    def _scan(self, file: Any) -> Iterator[Block]:
        size, offset = self.path.stat().st_size, len(MAGIC)
        while offset + _HEADER.size <= size:
            file.seek(offset)
            sign, packed, _, frames, first, last, _ = _HEADER.unpack(file.read(_HEADER.size))
            length = _HEADER.size + packed
            if sign != _BLOCK or offset + length > size:
                return
            yield Block(offset, length, first, last, frames)
            offset += length

    def read(self, ts_from: int = 0, ts_to: int = 2**63 - 1) -> Iterator[Frame]:
        """Frames received in [ts_from, ts_to), in the order of their arrival; blocks after them are not read."""
        channels: dict[int, Channel] = {}
        with self.path.open("rb") as file:
            for number, block in enumerate(self.blocks):
                # The first blocks name the channels, so one that lies before the range is read for the names alone.
                before, after = block.ts_last < ts_from, block.ts_first >= ts_to
                if after:
                    return
                for ts, channel, payload in self._block(file, number, block):
                    if isinstance(payload, dict):
                        channels[channel] = self._channel(payload, number)
                    elif channel not in channels or not isinstance(payload, bytes):
                        raise self._unexpected(number, f"bytes of a channel with a name, was {channel}")
                    elif not before and ts_from <= ts < ts_to:
                        yield Frame(ts, channels[channel], payload)

    def _channel(self, named: dict[str, object], number: int) -> Channel:
        """What names a channel, from a file that anybody may have written: both are shown on terminals."""
        name, decoder = named.get("name"), named.get("decoder")
        if not (isinstance(name, str) and isinstance(decoder, str) and (name + decoder).isprintable()):
            raise self._unexpected(number, f"a channel's name and decoder in printable letters, was {named!r}")
        return Channel(name, decoder)

    def _unexpected(self, number: int, what: str) -> SourceError:
        return SourceError(f"capture {self.path}, block {number}: expected {what[:200]}")

    def _block(self, file: Any, number: int, block: Block) -> Iterator[tuple[int, int, Any]]:
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        where = f"capture {self.path}, block {number}"
        file.seek(block.offset)
        data = file.read(block.size)
        if len(data) < _HEADER.size:
            raise SourceError(f"{where}: expected a header of {_HEADER.size} bytes, was {len(data)}")
        _, packed, raw, _, _, _, crc = _HEADER.unpack(data[: _HEADER.size])
        body = data[_HEADER.size :]
        if len(body) != packed or zlib.crc32(body) != crc:
            raise SourceError(f"{where}: expected checksum {crc:08x}, the block is damaged")
        if raw > _LARGEST:
            raise SourceError(f"{where}: expected at most {_LARGEST} bytes unpacked, was {raw}")
        try:
            plain = pa.Codec("zstd").decompress(body, raw, asbytes=True)
            yield from msgspec.msgpack.decode(plain, type=list[tuple[int, int, Any]])
        except (
            pa.ArrowException,
            msgspec.MsgspecError,
            UnicodeDecodeError,
            OSError,
            MemoryError,
            RecursionError,
        ) as error:
            raise SourceError(f"{where}: expected frames: {reason_of(error)}") from error
