"""Frames of the live stream: as aiohttp reads them, and as a client writes them."""

from __future__ import annotations

import asyncio
import os

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_websocket import WebSocketReader
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_services.api.stream.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Frame,
    FrameError,
    FrameReader,
    close_frame,
    frame,
)

LENGTHS = (0, 1, 125, 126, 127, 65_535, 65_536, 200_000)  # all three forms of a length, and their bounds


async def as_aiohttp_reads(data: bytes, count: int) -> list[tuple[WSMsgType, object]]:
    """The first so many messages that aiohttp finds in bytes."""
    loop = asyncio.get_running_loop()
    queue = WebSocketDataQueue(BaseProtocol(loop), 2**20, loop=loop)
    reader = WebSocketReader(queue, 2**20, False, True)
    assert reader.feed_data(data)[0] is False
    found = [await queue.read() for _ in range(count)]
    return [(each.type, each.data) for each in found]


def as_client(opcode: int, payload: bytes, *, final: bool = True, mask: bytes = b"abcd") -> bytes:
    """A frame as a client sends it."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65_536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes(((0x80 if final else 0) | opcode,)) + length + mask + masked


@pytest.mark.parametrize("size", LENGTHS)
async def test_aiohttp_reads_what_is_written(size: int) -> None:
    text, binary = "x" * size, os.urandom(size)
    data = frame(TEXT, text.encode()) + frame(BINARY, binary) + close_frame(4010, "revoked")
    found = await as_aiohttp_reads(data, 3)
    assert found == [(WSMsgType.TEXT, text), (WSMsgType.BINARY, binary), (WSMsgType.CLOSE, 4010)]


@pytest.mark.parametrize("size", LENGTHS)
def test_what_a_client_writes_is_read(size: int) -> None:
    payload = os.urandom(size)
    assert FrameReader(10**6).feed(as_client(BINARY, payload)) == [Frame(BINARY, payload)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.integers(1, 40), st.binary(min_size=4, max_size=4))
def test_however_the_bytes_come(payloads: list[bytes], piece: int, mask: bytes) -> None:
    data = b"".join(as_client(TEXT, payload, mask=mask) for payload in payloads)
    reader = FrameReader(1_000)
    found = [each for at in range(0, len(data), piece) for each in reader.feed(data[at : at + piece])]
    assert found == [Frame(TEXT, payload) for payload in payloads]


def test_fragments_are_joined_with_control_frames_between() -> None:
    data = (
        as_client(TEXT, b"ab", final=False)
        + as_client(PING, b"?")
        + as_client(CONTINUATION, b"cd", final=False)
        + as_client(CONTINUATION, b"ef")
    )
    assert FrameReader(100).feed(data) == [Frame(PING, b"?"), Frame(TEXT, b"abcdef")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"{}"), 1002),  # unmasked
        (as_client(0x3, b""), 1002),
        (b"\xc1\x80abcd", 1002),  # a reserved bit
        (as_client(PING, b"x" * 126), 1002),
        (as_client(PING, b"", final=False), 1002),
        (as_client(CONTINUATION, b""), 1002),
        (as_client(TEXT, b"", final=False) + as_client(TEXT, b""), 1002),
        (as_client(TEXT, b"x" * 1_001)[:8], 1009),  # before it has come
        (as_client(TEXT, b"x" * 600, final=False) + as_client(CONTINUATION, b"x" * 600), 1009),
        (b"\x81\xff" + (2**63 - 1).to_bytes(8, "big"), 1009),
        (as_client(TEXT, b"", final=False) + as_client(CONTINUATION, b"", final=False) * 64, 4008),
    ],
)
def test_what_no_client_sends_has_its_code(data: bytes, code: int) -> None:
    with pytest.raises(FrameError) as caught:
        FrameReader(1_000).feed(data)
    assert caught.value.code == code


def test_a_reason_is_cut_where_a_character_ends() -> None:
    made = close_frame(4001, "原" * 60)
    assert made[1] <= 125
    assert made[0] & 0xF == CLOSE
    assert set(made[4:].decode()) == {"原"}
