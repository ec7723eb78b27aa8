"""Documents of any size in a bucket: compressed, cut into pieces, and there when their head is.

Keys are `<prefix><name>.head` and `<prefix><name>.<token>.<n>`.
"""

from __future__ import annotations

import secrets
import zlib

import msgspec

from marketprism_application.errors import StoreError
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none

_PIECE = 800_000  # a record is a message, whose limit is 1 MB where nobody has raised it
_TRIES = 3  # a document that is written anew while it is read


class _Head(msgspec.Struct, frozen=True):
    """Where the pieces of a document are, and how many."""

    token: str
    pieces: int


class Documents:
    """Documents by name: pieces first, under a token of their own, then the head that names them. Methods raise what
    the bucket raises."""

    def __init__(self, bucket: NatsKeyValue, prefix: str = "") -> None:
        self._bucket, self._prefix = bucket, prefix

    async def put(self, name: str, data: bytes) -> None:
        """Write a document in the place of what has the name; readers see the one or the other, whole."""
        packed = zlib.compress(data, 6)
        head = _Head(secrets.token_hex(6), -(-len(packed) // _PIECE))
        for number in range(head.pieces):
            piece = packed[number * _PIECE : (number + 1) * _PIECE]
            await self._bucket.put(self._piece(name, head, number), piece)
        before = await self._head(name)
        await self._bucket.put(f"{self._prefix}{name}.head", msgspec.msgpack.encode(head))
        if before is not None:
            for number in range(before.pieces):
                await self._bucket.delete(self._piece(name, before, number))

    async def get(self, name: str) -> bytes | None:
        """A document, None where there is none. Raises StoreError: a piece is away, or the head is none."""
        for _ in range(_TRIES):
            head = await self._head(name)
            if head is None:
                return None
            packed = await self._packed(name, head)
            if packed is not None:
                return zlib.decompress(packed)
        pieces = head.pieces if head is not None else 0
        raise StoreError(f"document {name}: expected {pieces} pieces, some are away", retryable=True)

    async def forget(self, of: str) -> None:
        """Take every document out whose name begins with these words."""
        for entry in await self._bucket.entries(f"{self._prefix}{of}."):
            await self._bucket.delete(entry.key)

    def _piece(self, name: str, head: _Head, number: int) -> str:
        return f"{self._prefix}{name}.{head.token}.{number}"

    async def _head(self, name: str) -> _Head | None:
        entry = await self._bucket.get(f"{self._prefix}{name}.head")
        found = decode_or_none(entry, _Head)
        if entry is not None and found is None:
            raise StoreError(f"document {name}: expected the head of a document, there is something else")
        return found

    async def _packed(self, name: str, head: _Head) -> bytes | None:
        found: list[KvEntry] = []
        for number in range(head.pieces):
            entry = await self._bucket.get(self._piece(name, head, number))
            if entry is None:
                return None
            found.append(entry)
        return b"".join(entry.value for entry in found)


__all__ = ["Documents"]
