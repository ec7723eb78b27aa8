"""Client processes of a run: `python -m tests.histories.clients WHAT '<json>'`.

Each is one operating-system process with a connection of its own through proxies of its own, and records what it asks
and what it is told. They are the product's own bucket, election and fence.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from marketprism_sdk.clock import SystemClock
from marketprism_sdk.errors import Fenced, KeyExists, NotConnected, RevisionConflict, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import leader_get_last
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import logs
from tests.histories.operations import FAIL, INFO, OK, Recorder

BUCKET = "histories"
ANSWER_S = 1.0


class Setup(msgspec.Struct, frozen=True):
    """What a client is told; `clock` is how much faster than the machine's its monotonic clock runs."""

    name: str
    url: str
    record: str
    seed: int
    clock: float = 1.0
    probes: bool = True
    keys: int = 3
    every_s: float = 0.02
    generation_s: float = 4.0


class SkewedClock(SystemClock):
    """A clock that runs at another rate."""

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def monotonic_s(self) -> float:
        """Seconds since boot, at this clock's rate."""
        return super().monotonic_s() * self._rate

    async def sleep(self, seconds: float) -> None:
        """Wait for so many of this clock's seconds."""
        await super().sleep(seconds / self._rate)


async def settled(recorder: Recorder, number: int, ask: Awaitable[Any]) -> Any:
    """Await an operation and record its outcome; what it gave, None where it gave nothing."""
    try:
        got = await ask
    except (KeyExists, RevisionConflict, Fenced) as error:
        recorder.complete(number, FAIL, str(error)[:200])
        return None
    except (SdkError, TimeoutError) as error:
        recorder.complete(number, INFO, str(error)[:200])
        return None
    recorder.complete(number, OK, got)
    return got


class KeyClient:
    """Asks for and writes a few keys that all share; which keys these are changes every few seconds, so that the
    history of one is short enough to be judged."""

    def __init__(self, setup: Setup, kv: NatsKeyValue, connection: NatsConnection) -> None:
        self._setup, self._kv, self._connection = setup, kv, connection
        self.recorder = Recorder(Path(setup.record), setup.name)
        self._dice = random.Random(setup.seed)
        self._known: dict[str, int] = {}
        self._count = 0

    async def run(self) -> None:
        """Until the process is ended."""
        while True:
            generation = int(time.monotonic() / self._setup.generation_s)
            await self.once(f"k{self._dice.randrange(self._setup.keys)}-{generation}")
            await asyncio.sleep(self._setup.every_s * self._dice.uniform(0.2, 1.8))

    async def once(self, key: str) -> None:
        """One operation of a key."""
        kv, known = self._kv, self._known.get(key)
        kind = self._dice.choices(("get", "read", "put", "create", "update", "delete"), (25, 20, 12, 13, 22, 8))[0]
        self._count += 1
        value = f"{self._setup.name}.{self._count}"
        if kind in ("get", "read"):
            number = self.recorder.invoke(kind, key)
            got = await settled(self.recorder, number, self._get(key) if kind == "get" else self._read(key))
            if got is not None:
                self._known[key] = got[1]
        elif kind in ("put", "create"):
            number = self.recorder.invoke(kind, key, value)
            payload = value.encode()
            revision = await settled(
                self.recorder, number, kv.put(key, payload) if kind == "put" else kv.create(key, payload)
            )
            if revision is not None:
                self._known[key] = revision
        elif kind == "update" and known is not None:
            number = self.recorder.invoke("update", key, [value, known])
            revision = await settled(self.recorder, number, kv.update(key, value.encode(), known))
            if revision is not None:
                self._known[key] = revision
        elif kind == "delete":
            expected = known if self._dice.random() < 0.5 else None
            number = self.recorder.invoke("delete", key, expected)
            await settled(self.recorder, number, kv.delete(key, expected))

    async def _get(self, key: str) -> list[object] | None:
        entry = await self._kv.get(key)
        return None if entry is None else [entry.value.decode(), entry.revision]

    async def _read(self, key: str) -> list[object] | None:
        """What the leader of the bucket's stream holds: an empty value is a deletion's."""
        last = await leader_get_last(self._connection, self._kv.stream, f"$KV.{self._kv.bucket}.{key}")
        return None if last is None or not last.data else [last.data.decode(), last.seq]


async def connected(url: str, name: str) -> NatsConnection:
    """A connection, waited for."""
    while True:
        try:
            return await NatsConnection.open(url, name=name)
        except NotConnected:
            await asyncio.sleep(0.1)


async def keys(setup: Setup) -> None:
    """The client of a bucket."""
    connection = await connected(setup.url, setup.name)
    kv = await _opened(lambda: NatsKeyValue.open(connection, BUCKET, replicas=3, answer_s=ANSWER_S))
    print('{"event": "ready"}', flush=True)
    await KeyClient(setup, kv, connection).run()


async def _opened(open_it: Callable[[], Awaitable[NatsKeyValue]]) -> NatsKeyValue:
    while True:
        try:
            return await open_it()
        except SdkError:
            await asyncio.sleep(0.2)


def main() -> None:
    """Run the client that the arguments name, until it is ended."""
    from tests.histories import lease_client, stage_clients  # noqa: PLC0415 (they import this module)

    logs.configure(level="error")
    programs: dict[str, Callable[[Setup], Coroutine[Any, Any, None]]] = {
        "keys": keys,
        "lease": lease_client.lease,
        "source": stage_clients.source,
        "member": stage_clients.member,
    }
    setup = msgspec.json.decode(sys.argv[2], type=Setup)
    os.nice(1)
    asyncio.run(programs[sys.argv[1]](setup))


if __name__ == "__main__":
    main()


__all__ = ["ANSWER_S", "BUCKET", "KeyClient", "Setup", "SkewedClock", "connected", "settled"]
