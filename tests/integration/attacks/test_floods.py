"""Floods of requests by one key, one address, many addresses: they are told to slow down, and others are served."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.integration.attacks.conftest import Attacked
from tests.integration.attacks.place import ME, Bystander, Line, request

pytestmark = pytest.mark.xdist_group("attacks")

_SLOWEST_S = 1.0  # of a hundred answers to others all but one; some 5 ms where nothing else runs


async def flood(port: int, sent: str, address: str, found: Counter[int], until: asyncio.Event) -> None:
    """Ask without a rest on one connection; `found` counts how often each status came."""
    line = await Line.open(port, address)
    while not until.is_set():
        await line.send(sent * 50)
        for _ in range(50):
            found[(answer := await line.answer()).status] += 1
            if answer.status == 429:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.code == "TOO_MANY_REQUESTS"
            if answer.status == 503:  # a busy machine: who asks is not known for certain for a moment
                assert answer.code == "UNAVAILABLE"
    await line.close()


@pytest.mark.parametrize(
    ("path", "is_known", "many"),
    [(ME, True, False), ("/api/v1", False, False), (ME, False, False), ("/api/v1/openapi.json", False, True)],
    ids=["one key", "one address", "one address without a key", "many addresses"],
)
async def test_who_floods_is_told_to_slow_down_and_others_are_served(
    attacked: Attacked, path: str, is_known: bool, many: bool
) -> None:
    sent, over = request(path, attacked.attacker if is_known else ""), asyncio.Event()
    found: Counter[int] = Counter()
    async with Bystander(attacked.process, attacked.bystander) as bystander:
        floods = [
            asyncio.create_task(flood(attacked.process.port, sent, f"127.0.{60 + n if many else 60}.1", found, over))
            for n in range(4)
        ]
        while len(bystander.took_s) < 40 or not found[429]:
            assert not any(each.done() for each in floods)
            await asyncio.sleep(0.02)
        over.set()
        await asyncio.gather(*floods)
    assert set(found) <= {200, 401, 429, 503}, found
    assert bystander.p99_s < _SLOWEST_S
