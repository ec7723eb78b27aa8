"""A candidate of a lease that writes under its fence while it leads, and records what it does.

The product's Election works on a bucket that records: every write of the lease's key is an operation of the object
`lease`. The fence and what is written under it are operations of the object `stream`. It never looks at its lease before
it writes: a late write must be refused by the fence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from marketprism_sdk.election import Election, decode_lease
from marketprism_sdk.errors import Fenced, KeyExists, RevisionConflict, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.streams import Fence
from tests.histories.clients import ANSWER_S, BUCKET, Setup, SkewedClock, connected
from tests.histories.operations import FAIL, INFO, OK, Outcome, Recorder

LOG = {"name": "LOG", "subjects": ["log.>"], "allow_direct": True, "num_replicas": 3, "storage": "file"}
KEY = "lease"
_BELIEF_S = 0.01
_WRITE_S = 0.03


class RecordedBucket:
    """A bucket whose writes of a lease are recorded; fulfils `KeyValue`."""

    def __init__(self, kv: NatsKeyValue, recorder: Recorder) -> None:
        self._kv, self._recorder = kv, recorder

    async def get(self, key: str) -> KvEntry | None:
        """As the bucket; what was seen is recorded as a read that may be late."""
        number = self._recorder.invoke("get", key)
        entry = await self._kv.get(key)
        if (record := decode_lease(entry)) is not None and entry is not None:
            self._recorder.complete(number, OK, [[record.holder, record.epoch, record.state], entry.revision])
        return entry

    async def get_latest(self, key: str) -> KvEntry | None:
        """As `get`: it is not recorded that it may not be late."""
        return await self.get(key)

    async def create(self, key: str, value: bytes) -> int:
        """As the bucket."""
        return await self._written("create", key, _record(value), self._kv.create(key, value))

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """As the bucket."""
        return await self._written("update", key, [_record(value), revision], self._kv.update(key, value, revision))

    async def _written(self, kind: str, key: str, given: object, write: Awaitable[int]) -> int:
        number = self._recorder.invoke(kind, key, given)
        outcome: Outcome = INFO
        revision: int | None = None
        try:
            revision = await write
            outcome = OK
            return revision
        except (KeyExists, RevisionConflict):
            outcome = FAIL
            raise
        finally:
            self._recorder.complete(number, outcome, revision)

    async def put(self, key: str, value: bytes) -> int:
        """As the bucket, not recorded."""
        return await self._kv.put(key, value)

    async def delete(self, key: str) -> None:
        """As the bucket, not recorded."""
        await self._kv.delete(key)

    async def entries(self, prefix: str = "") -> list[KvEntry]:
        """As the bucket, not recorded."""
        return await self._kv.entries(prefix)

    async def watch(self, prefix: str, on_entry: Callable[[KvEntry], None]) -> Stop:
        """As the bucket, not recorded."""
        return await self._kv.watch(prefix, on_entry)


def _record(value: bytes) -> list[Any]:
    record = decode_lease(KvEntry(KEY, value, 0))
    assert record is not None
    return [record.holder, record.epoch, record.state]


class Candidate:
    """Election, fence, writes, beliefs."""

    def __init__(self, setup: Setup, recorder: Recorder, data: NatsConnection) -> None:
        self._setup, self._recorder, self._data = setup, recorder, data
        self._writing: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()
        self.election: Election

    async def acquired(self, epoch: int) -> None:
        """Begin to write."""
        self._writing = asyncio.get_running_loop().create_task(self._write(epoch))

    async def lost(self, reason: str) -> None:
        """Stop, with one more write as of somebody who has not noticed."""
        del reason
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _write(self, epoch: int) -> None:
        fence = Fence(self._data, "LOG", "log.fence", self._setup.name, epoch)
        while True:
            try:
                await self._raise(fence, epoch)
                while True:
                    await self._entry(fence, epoch)
                    await asyncio.sleep(_WRITE_S)
            except Fenced as error:
                self.election.surrender(str(error), error.epoch)
                return
            except (SdkError, TimeoutError):
                await asyncio.sleep(0.05)
                await self._data.wait_connected()

    async def _raise(self, fence: Fence, epoch: int) -> None:
        number = self._recorder.invoke("raise", "stream", [self._setup.name, epoch])
        outcome: Outcome = INFO
        try:
            await fence.raise_it()
            outcome = OK
        except Fenced as error:
            outcome = FAIL if error.epoch else INFO
            raise
        finally:
            self._recorder.complete(number, outcome, fence.seq if outcome == OK else None)

    async def _entry(self, fence: Fence, epoch: int) -> None:
        number = self._recorder.invoke("write", "stream", [epoch, fence.seq])
        outcome: Outcome = INFO
        seq: int | str | None = None
        try:
            value = f"{self._setup.name}#{number} {epoch}".encode()
            seq = (await publish_ack(self._data, "log.entry", value, fence.headers, ANSWER_S)).seq
            outcome = OK
        except Fenced as error:
            outcome, seq = FAIL, str(error)
            raise
        finally:
            self._recorder.complete(number, outcome, seq)

    async def believe(self) -> None:
        """Look again and again at whether this one believes to lead; only the first and the last look of a while are
        recorded."""
        told = 0.0
        while True:
            since = time.monotonic_ns()
            leads, epoch = self.election.is_leader(), self.election.epoch
            if leads and (time.monotonic() - told > 0.05):
                told = time.monotonic()
                self._recorder.note("belief", since=since, epoch=epoch)
            await asyncio.sleep(_BELIEF_S)


async def lease(setup: Setup) -> None:
    """The candidate, until the process is ended."""
    own, data = await connected(setup.url, f"{setup.name}-lease"), await connected(setup.url, setup.name)
    recorder = Recorder(Path(setup.record), setup.name)
    while True:
        try:
            await ensure_stream(data, LOG)
            kv = await NatsKeyValue.open(own, BUCKET, replicas=3, answer_s=ANSWER_S)
            break
        except SdkError:
            await asyncio.sleep(0.2)
    candidate = Candidate(setup, recorder, data)
    candidate.election = Election(
        RecordedBucket(kv, recorder),
        KEY,
        setup.name,
        clock=SkewedClock(setup.clock),
        prober=NatsProber(own, KEY, setup.name) if setup.probes else None,
        on_acquired=candidate.acquired,
        on_lost=candidate.lost,
    )
    print('{"event": "ready"}', flush=True)
    believing = asyncio.create_task(candidate.believe())
    try:
        await candidate.election.run()
    finally:
        believing.cancel()


__all__ = ["KEY", "LOG", "RecordedBucket", "lease"]
