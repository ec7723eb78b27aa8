"""What a client of the live stream may not do, each with the code that it is closed with."""

from __future__ import annotations

import asyncio
import base64
import os

import pytest

from marketprism_services.api.stream.frames import PING, TEXT, frame
from marketprism_services.api.stream.settings import ConnectionLimits, StreamSettings
from tests.integration.api.stream_side import Reader, Side


async def _limited(side: Side) -> Reader:
    await side.serve(StreamSettings(limits={"viewer": ConnectionLimits(2, 10, 5)}))
    return await side.connect(at=1)


async def test_a_flood_of_requests_is_closed(side: Side) -> None:
    reader = await _limited(side)
    for n in range(50):
        await reader.send(op="subscribe", channels=[f"market.tick.q{n}"])
    assert await reader.closed() == 4008


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ('{"op":"subscribe","channels":[' + ",".join(f'"market.tick.c{n}"' for n in range(11)) + "]}", 4008),
        ("[" * 60_000, 1007),
        ('{"op":"list","id":"' + "x" * 70_000 + '"}', 1009),
    ],
)
async def test_what_is_too_much_is_closed_with_its_code(side: Side, payload: str, code: int) -> None:
    reader = await _limited(side)
    await reader.ws.send_str(payload)
    assert await reader.closed() == code


async def test_what_is_no_request_is_an_error(side: Side) -> None:
    reader = await _limited(side)
    for text in ("{", '{"op":"fly"}', '{"op":"list","more":1}', "1"):
        await reader.ws.send_str(text)
        assert (await reader.answer())["code"] == "MALFORMED"


async def test_a_third_connection_of_two_is_closed(side: Side) -> None:
    first, second = await _limited(side), await side.connect(at=1)
    ws = await side.session.ws_connect(f"{side.urls[1]}/ws/v1/stream")
    assert await Reader(ws).closed() == 4029
    await first.close()
    await second.close()


async def _raw(side: Side, at: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection after its handshake, without a library between."""
    port = int(side.urls[at].rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws/v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def masked(data: bytes) -> bytes:
    """A frame of the server's as a client sends it, with a mask of zeros."""
    return bytes((data[0], data[1] | 0x80)) + b"\0\0\0\0" + data[2:]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b'{"op":"list"}'), 1002),
        (masked(frame(PING, b"")) * 100, 4008),
        (b"\x81\xff" + (2**62).to_bytes(8, "big"), 1009),
        (b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 100, 4008),
        (b"\xc1\x80\0\0\0\0", 1002),
        (masked(frame(TEXT, b'{"op":"list","id":"\xff"}')), 1007),
    ],
)
async def test_frames_that_no_client_sends_are_closed(side: Side, sent: bytes, code: int) -> None:
    reader, writer = await _raw(side)
    writer.write(sent)
    async with asyncio.timeout(10):
        await reader.readuntil(b"\x88")
        assert int.from_bytes((await reader.readexactly(3))[1:], "big") == code
    writer.close()


async def test_pings_are_answered_and_a_close_is_returned(side: Side) -> None:
    reader = await side.connect()
    await reader.ws.ping(b"you?")
    await reader.send(op="ping")
    assert (await reader.answer())["type"] == "pong"
    assert await reader.ws.close(code=1000)
    assert reader.ws.close_code == 1000
