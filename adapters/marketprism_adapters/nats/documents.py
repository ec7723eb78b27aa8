"""Documents of any size in a bucket: compressed, cut into pieces, and there when their head is."""

from __future__ import annotations

import zlib

import msgspec

from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.values import decode_or_none

_PIECE = 512 * 1_024
_LEVEL = 1


class _Head(msgspec.Struct, frozen=True):
    """How many pieces, and how many bytes they are together, compressed and not."""

    pieces: int
    packed: int
    bytes: int


class Documents:
    """Documents by two words, of what and which; both are words of a subject. Methods raise what the bucket raises."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    async def put(self, of: str, name: str, data: bytes) -> None:
        """Write a document, pieces before its head; in place of one that is there."""
        packed = zlib.compress(data, _LEVEL)
        pieces = range(0, len(packed), _PIECE)
        for number, start in enumerate(pieces):
            await self._bucket.put(f"{of}.{name}.{number}", packed[start : start + _PIECE])
        head = _Head(len(pieces), len(packed), len(data))
        await self._bucket.put(f"{of}.{name}", msgspec.msgpack.encode(head))

    async def get(self, of: str, name: str) -> bytes | None:
        """A document, None where there is none that is whole."""
        head = decode_or_none(await self._bucket.get(f"{of}.{name}"), _Head)
        if head is None:
            return None
        parts = []
        for number in range(head.pieces):
            entry = await self._bucket.get(f"{of}.{name}.{number}")
            if entry is None:
                return None
            parts.append(entry.value)
        packed = b"".join(parts)
        return zlib.decompress(packed) if len(packed) == head.packed else None

    async def forget(self, of: str) -> None:
        """Take every document of something out."""
        for entry in await self._bucket.entries(f"{of}."):
            await self._bucket.delete(entry.key)


__all__ = ["Documents"]
