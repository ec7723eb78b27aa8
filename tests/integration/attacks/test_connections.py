"""Connections that ask slowly, ask nothing, or do not take what they asked for; others are answered meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.attacks.conftest import Attacked
from tests.integration.attacks.place import Bystander, Line, request

pytestmark = [pytest.mark.xdist_group("attacks"), pytest.mark.timeout(180)]

_OPEN_S = (
    60.0  # that a connection may live at most: 20 s to ask, 30 s to send a body or to take an answer; a busy machine
)
_AT_ONCE = 200


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    """How many connections this process may have."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield min(10_000, limits[1] - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@contextlib.asynccontextmanager
async def lines(port: int, count: int, address: int, receive_bytes: int = 0) -> AsyncIterator[list[Line]]:
    """Connections from many addresses."""
    found: list[Line] = []
    try:
        for begin in range(0, count, _AT_ONCE):
            found += await asyncio.gather(
                *(
                    Line.open(port, f"127.0.{address}.{n % 250 + 1}", receive_bytes)
                    for n in range(begin, min(count, begin + _AT_ONCE))
                )
            )
        yield found
    finally:
        for line in found:
            await line.close()


@pytest.mark.long
async def test_ten_thousand_who_ask_nothing_make_room_for_who_asks(attacked: Attacked, many_descriptors: int) -> None:
    process = attacked.process
    before, descriptors = process.resident_mb, process.descriptors
    async with (
        Bystander(process, attacked.bystander) as bystander,
        lines(process.port, many_descriptors, 40) as idle,
    ):
        assert len(idle) == many_descriptors
        answered = len(bystander.took_s)
        while len(bystander.took_s) < answered + 20:
            await asyncio.sleep(0.05)
        assert process.descriptors < 4_096 + 100, "as many as may be open: the longest silent made room"
        assert process.resident_mb < before + 120
        last = idle[-1]
        await last.send(request(key=attacked.bystander))
        assert (await last.answer()).status == 200
    async with asyncio.timeout(_OPEN_S):  # nothing is kept of those who went
        while process.descriptors > descriptors + 5:
            await asyncio.sleep(0.05)


@pytest.mark.long
async def test_who_asks_slowly_or_takes_nothing_is_cut_off_in_bounded_time(attacked: Attacked) -> None:
    process, document = attacked.process, request("/api/v1/openapi.json")
    before, descriptors = process.resident_mb, process.descriptors
    body = request("/api/v1/auth/login", method="POST", lines=["Content-Length: 100"])
    async with (
        Bystander(process, attacked.bystander, pause_s=0.15) as bystander,
        lines(process.port, 200, 41) as heads,
        lines(process.port, 100, 42) as bodies,
        lines(process.port, 30, 43, receive_bytes=2_048) as readers,
    ):
        for line in readers:  # some 16 MB each, far beyond what the kernel takes for a reader
            await line.send(document * 80)
            line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for line in heads:
            await line.send("GET /api/v1/me HTTP/1.1\r\n")
        for line in bodies:
            await line.send(body)
        attackers, each = [*heads, *bodies], 0
        end = asyncio.get_running_loop().time() + _OPEN_S
        most = 0.0
        while process.descriptors < descriptors + 200:  # a busy process takes a while to have them all
            assert asyncio.get_running_loop().time() < end, process.descriptors - descriptors
            await asyncio.sleep(0.02)
        while process.descriptors > descriptors + 5:  # that of the bystander comes and goes
            assert asyncio.get_running_loop().time() < end, process.descriptors - descriptors
            each += 1
            for line in attackers[each % 4 :: 4]:  # a byte now and then
                if not line.writer.is_closing():
                    line.writer.write(b"X" if line in bodies else b"X-A: b\r\n")
            await asyncio.sleep(0.5)
            most = max(most, process.resident_mb)
    assert most < before + 100
    assert len(bystander.took_s) > 100
    assert await _cut(process.port) >= len(readers)


async def _cut(port: int) -> float:
    """How many were cut who did not take their answer, as the gateway counts them."""
    line = await Line.open(port)
    await line.send(request("/metrics"))
    text = (await line.answer()).body.decode()
    await line.close()
    return sum(float(each.split(" ")[1]) for each in text.splitlines() if each.startswith("http_connections_cut_slow"))
