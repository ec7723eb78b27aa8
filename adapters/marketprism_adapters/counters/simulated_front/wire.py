"""What a shared front and its clients say to each other: MessagePack arrays behind their length (4 bytes)."""

from __future__ import annotations

from typing import Any

import msgspec

from marketprism_application.errors import SourceError

HEARTBEAT_S = 0.5
SILENT_S = 3.0  # a side that was not heard for so long is gone
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Any])
_LENGTH = 4
_LONGEST = 1 << 24


def frame(*parts: Any) -> bytes:
    """One message as it goes over the connection: its length, then `parts` encoded."""
    body = _encoder.encode(parts)
    return len(body).to_bytes(_LENGTH) + body


class Frames:
    """Bytes in, messages out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> list[list[Any]]:
        """Messages that are complete with this piece.

        Raises:
            SourceError: what came is no front's.
        """
        buffer = self._buffer
        buffer += piece
        found: list[list[Any]] = []
        at = 0
        while len(buffer) - at >= _LENGTH:
            length = int.from_bytes(buffer[at : at + _LENGTH])
            if length > _LONGEST:
                raise SourceError(f"front: expected a message of at most {_LONGEST} bytes, was {length}")
            end = at + _LENGTH + length
            if len(buffer) < end:
                break
            try:
                found.append(_decoder.decode(memoryview(buffer)[at + _LENGTH : end]))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise SourceError(f"front: expected a MessagePack array: {error}") from error
            at = end
        del buffer[:at]
        return found


__all__ = ["HEARTBEAT_S", "SILENT_S", "Frames", "frame"]
