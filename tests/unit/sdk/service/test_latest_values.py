"""Newest values of a sharded service on their way into a bucket: each goes once, and none that is newer is lost."""

from __future__ import annotations

import asyncio
from typing import cast

from marketprism_sdk.errors import NotConnected
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import ShardedService


class Bucket:
    """Takes a value a moment after it was given; fails for keys in `failing`."""

    def __init__(self) -> None:
        self.put_values: list[tuple[str, bytes]] = []
        self.failing: set[str] = set()

    async def put(self, key: str, value: bytes) -> int:
        await asyncio.sleep(0)
        if key in self.failing:
            raise NotConnected("NATS is away")
        self.put_values.append((key, value))
        return len(self.put_values)


class Values(ShardedService):
    """Without a connection: what it writes is all that is looked at."""

    def __init__(self) -> None:
        self.bucket, self.values = Bucket(), {f"k{n}": b"1" for n in range(5)}

    async def write(self) -> None:
        await self.write_values(cast("NatsKeyValue", self.bucket), self.values)


async def test_who_drains_may_write_beside_those_of_the_turn() -> None:
    service = Values()
    await asyncio.gather(service.write(), service.write())
    assert sorted(service.bucket.put_values) == [(f"k{n}", b"1") for n in range(5)]
    assert service.values == {}


async def test_what_cannot_be_written_stays_unless_it_has_a_newer_value() -> None:
    service = Values()
    service.bucket.failing = {"k2"}
    writing = asyncio.ensure_future(service.write())
    while "k2" in service.values:
        await asyncio.sleep(0)
    service.values["k2"] = b"2"
    await writing
    assert service.values == {"k2": b"2", "k3": b"1", "k4": b"1"}
    service.bucket.failing.clear()
    await service.write()
    assert service.bucket.put_values[-3:] == [("k3", b"1"), ("k4", b"1"), ("k2", b"2")]
