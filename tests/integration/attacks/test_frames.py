"""WebSockets that are opened from elsewhere, and clients that send too much, too fast, or nothing."""

from __future__ import annotations

import asyncio
import json

import pytest

from marketprism_services.api.stream.frames import PING, TEXT, frame
from tests.integration.attacks.conftest import Attacked
from tests.integration.attacks.place import Answer, Bystander, Line, request

pytestmark = pytest.mark.xdist_group("attacks")

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


def handshake(key: str = "", *more: str) -> str:
    return request("/ws/v1/stream", key, lines=(*UPGRADE, *more))


async def opened(attacked: Attacked, key: str, address: str = "127.0.0.50") -> Line:
    """A WebSocket after its handshake."""
    line = await Line.open(attacked.process.port, address)
    await line.send(handshake(key))
    assert (await line.answer()).status == 101
    return line


async def close_code(line: Line) -> int:
    """The code that the server closes with."""
    async with asyncio.timeout(20):
        while True:
            opcode, size = await line.reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await line.reader.readexactly(2), "big")
            payload = await line.reader.readexactly(size)
            if opcode == 0x88:
                return int.from_bytes(payload[:2], "big")


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame as a client sends it, with a mask of zeros."""
    data = frame(opcode, payload)
    head = {126: 4, 127: 10}.get(data[1], 2)
    return bytes((data[0], data[1] | 0x80)) + data[2:head] + b"\0\0\0\0" + payload


def subscribing(*channels: str) -> bytes:
    return masked(TEXT, json.dumps({"op": "subscribe", "channels": channels}).encode())


@pytest.mark.parametrize(
    "headers",
    [
        ("Cookie: mp=" + "x" * 43, "Origin: https://evil.example"),
        ("Cookie: mp=" + "x" * 43, "Origin: null"),
        ("Origin: http://127.0.0.1.evil.example",),
        ("Origin: http://[",),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site", "Origin: http://127.0.0.1:1"),
    ],
)
async def test_a_page_of_somewhere_else_opens_no_websocket_with_what_its_browser_has(
    attacked: Attacked, headers: tuple[str, ...]
) -> None:
    """Whoever logged in in the browser is not let in by it, and nobody else either: no message but the refusal."""
    line = await Line.open(attacked.process.port, "127.0.0.51")
    await line.send(handshake("", *headers))
    found: Answer = await line.answer()
    if found.status == 101:  # without a credential: who asks has to say who it is, which the page cannot
        await line.send(subscribing("market.tick.>"))
        assert await close_code(line) == 4001
    else:
        assert found.status in (401, 403)
    await line.close()


FLOODS = {
    "a frame of 2**62 bytes": (b"\x81\xff" + (2**62).to_bytes(8, "big"), 1009),
    "a message of 70 kB": (masked(TEXT, b"x" * 70_000), 1009),
    "a message of 70 kB in pieces": (
        b"\x01\xfe\x7f\xff\0\0\0\0" + b"x" * 32_767 + (b"\x00\xfe\x7f\xff\0\0\0\0" + b"x" * 32_767) * 2,
        1009,
    ),
    "100 000 empty pieces": (b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 100_000, 4008),
    "100 000 pings": (masked(PING, b"") * 100_000, 4008),
    "20 000 tiny messages": (masked(TEXT, b"1") * 20_000, 4008),
    "2 000 channels": (subscribing(*(f"market.tick.c{n}" for n in range(2_000))), 4008),
    "a message 60 000 deep": (masked(TEXT, b"[" * 60_000), 1007),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_who_sends_too_much_is_closed_with_its_code_and_others_are_answered(
    attacked: Attacked, name: str
) -> None:
    sent, code = FLOODS[name]
    before = attacked.process.resident_mb
    line = await opened(attacked, attacked.attacker)
    async with Bystander(attacked.process, attacked.bystander):
        await line.send(sent)
        assert await close_code(line) == code
    await line.close()
    assert attacked.process.resident_mb < before + 30


async def test_wildcards_of_a_subscription_reach_no_other_subject(attacked: Attacked) -> None:
    """Accounts' records, commands and calls are subjects too."""
    line = await opened(attacked, attacked.attacker)
    wanted = (">", "*", "*.>", "$KV.access.>", "kv.access.>", "$JS.API.>", "cmd.>", "rpc.>", "_INBOX.>", "audit.>")
    for channel in wanted:
        await asyncio.sleep(0.11)  # ten messages in a second are allowed
        await line.send(subscribing(channel))
    found: list[str] = []
    async with asyncio.timeout(20):
        while len(found) < len(wanted):
            _, size = await line.reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await line.reader.readexactly(2), "big")
            message = json.loads(await line.reader.readexactly(size))
            if message["type"] == "error":
                found.append(message["code"])
    assert set(found) == {"UNKNOWN_CHANNEL"}
    await line.close()


async def test_who_does_not_say_who_it_is_does_not_stay(attacked: Attacked) -> None:
    async with Bystander(attacked.process, attacked.bystander):
        lines = [await opened(attacked, "", f"127.0.52.{n + 1}") for n in range(100)]
        assert {await close_code(line) for line in lines} == {4001}
    for line in lines:
        await line.close()
