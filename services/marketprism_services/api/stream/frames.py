"""WebSocket frames (RFC 6455), as the server writes and reads them: whole ones out, masked ones in.

aiohttp's own reader takes unmasked frames, and any number of pings and fragments. Here they are errors with their code.
"""

from __future__ import annotations

from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
PROTOCOL_ERROR, BAD_TEXT, TOO_LARGE, FLOOD = 1002, 1007, 1009, 4008
_FIN, _MASKED, _RESERVED = 0x80, 0x80, 0x70
_MOST_FRAGMENTS = 64
_CONTROL_BYTES = 125


class FrameError(Exception):
    """What came is no frame that a client may send; `code` is what the connection is closed with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Frame(NamedTuple):
    """A whole message, or a control frame."""

    opcode: int
    payload: bytes


def frame(opcode: int, payload: bytes) -> bytes:
    """The bytes of one whole frame."""
    size = len(payload)
    if size < 126:
        return bytes((_FIN | opcode, size)) + payload
    if size < 65_536:
        return bytes((_FIN | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_FIN | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str) -> bytes:
    """A close frame; the reason is cut to what a control frame holds."""
    text = reason.encode()[: _CONTROL_BYTES - 2].decode("utf-8", "ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + text)


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """The bytes that were masked."""
    size = len(payload)
    whole = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")


class FrameReader:
    """Messages of a client out of its bytes, at most `most_bytes` each."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._buffer = bytearray()
        self._fragments: list[bytes] = []
        self._opcode = CONTINUATION  # of the message whose fragments are here

    def feed(self, data: bytes) -> list[Frame]:
        """Whole messages and control frames that are here now.

        Raises:
            FrameError: the connection has to be closed, with its code.
        """
        self._buffer += data
        found: list[Frame] = []
        while (taken := self._next()) is not None:
            final, opcode, payload = taken
            if opcode >= CLOSE:
                found.append(Frame(opcode, payload))
            elif (whole := self._joined(final, opcode, payload)) is not None:
                found.append(whole)
        return found

    def _next(self) -> tuple[bool, int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        final, opcode = bool(first & _FIN), first & 0x0F
        self._check(first, second, final, opcode)
        size, at = second & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < at:
            return None
        if size + sum(map(len, self._fragments)) > self._most_bytes:
            raise FrameError(TOO_LARGE, f"message: expected at most {self._most_bytes} bytes, was more")
        end = at + 4 + size
        if len(buffer) < end:
            return None
        payload = unmasked(bytes(buffer[at + 4 : end]), bytes(buffer[at : at + 4]))
        del buffer[:end]
        return final, opcode, payload

    @staticmethod
    def _check(first: int, second: int, final: bool, opcode: int) -> None:
        if first & _RESERVED:
            raise FrameError(PROTOCOL_ERROR, "frame: expected no reserved bit, one is set")
        if not second & _MASKED:
            raise FrameError(PROTOCOL_ERROR, "frame: expected one that is masked, was not")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise FrameError(PROTOCOL_ERROR, f"frame: expected a known opcode, was {opcode}")
        if opcode >= CLOSE and (not final or second & 0x7F > _CONTROL_BYTES):
            raise FrameError(PROTOCOL_ERROR, "control frame: expected a whole one of at most 125 bytes")

    def _joined(self, final: bool, opcode: int, payload: bytes) -> Frame | None:
        """The message that the frame completes."""
        if (opcode == CONTINUATION) != (self._opcode != CONTINUATION):
            raise FrameError(PROTOCOL_ERROR, "frame: expected a fragment only of a message that has begun")
        if opcode != CONTINUATION:
            if final:
                return Frame(opcode, payload)
            self._opcode = opcode
        self._fragments.append(payload)
        if len(self._fragments) > _MOST_FRAGMENTS:
            raise FrameError(FLOOD, f"message: expected at most {_MOST_FRAGMENTS} fragments, were more")
        if not final:
            return None
        whole = Frame(self._opcode, b"".join(self._fragments))
        self._fragments, self._opcode = [], CONTINUATION
        return whole
