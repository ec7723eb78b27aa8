"""A candidate in a process of its own: `python -m marketprism_services.chaos.leaders.candidate '<json>'`.

While it leads it writes numbered records into a fenced stream and, without any fence, into a twin. It never looks at
its lease before it writes: a leader that is deposed while it is frozen or cut off will write late, and only the fence
can refuse it. What happens is told on standard output, one JSON object a line, with the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from typing import Any

import msgspec

from marketprism_sdk.election import Election, LeaseLost, LeaseSettings
from marketprism_sdk.errors import Fenced, NotConnected, SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.observability import logs
from marketprism_sdk.streams import Fence, FencedPublisher, raise_fence

LATE = 9_999_999_999  # number of the write that comes after the end of a leadership
RUN = 100_000  # numbers of one uninterrupted run begin at a multiple of this, plus one


class Setup(msgspec.Struct, frozen=True):
    """What a candidate is told."""

    name: str
    url: str
    bucket: str
    fenced: str
    twin: str
    replicas: int = 1
    every_s: float = 0.005
    lease: LeaseSettings = LeaseSettings()


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What it writes: holder, epoch, number."""

    holder: str
    epoch: int
    number: int


def tell(event: str, **values: Any) -> None:
    """Write one JSON line to standard output, unbuffered."""
    line = json.dumps({"event": event, "t": time.monotonic(), **values}) + "\n"
    os.write(1, line.encode())  # whole lines, also when the process is killed between two


class Candidate:
    """Election, fence, writer."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._writing: asyncio.Task[None] | None = None
        self._fence: Fence | None = None
        self.election: Election
        self._data: NatsConnection

    async def run(self) -> None:
        """Take part in the election and write while leading, until SIGTERM."""
        setup = self._setup
        own = await NatsConnection.open(setup.url, name=f"{setup.name}-election")
        self._data = await NatsConnection.open(setup.url, name=setup.name)
        kv = await NatsKeyValue.open(own, setup.bucket, replicas=setup.replicas)
        self.election = Election(
            kv,
            "trial",
            setup.name,
            settings=setup.lease,
            prober=NatsProber(own, setup.bucket, setup.name),
            on_acquired=self._acquired,
            on_lost=self._lost,
            on_event=self._event,
        )
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        running = asyncio.create_task(self.election.run())
        tell("ready")
        await stop.wait()
        await self.election.release()
        await asyncio.gather(running, return_exceptions=True)
        tell("ended")
        await own.close()
        await self._data.close()

    def _event(self, event: object) -> None:
        if isinstance(event, LeaseLost):
            tell("lost", epoch=event.epoch, reason=event.reason)

    async def _acquired(self, epoch: int) -> None:
        tell("acquired", epoch=epoch)
        self._writing = asyncio.create_task(self._write(epoch))

    async def _lost(self, reason: str) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._fence is not None and reason != "released":
            await self._write_late(self._fence, self.election.epoch)

    async def _write_late(self, fence: Fence, epoch: int) -> None:
        """What a leader does that has not noticed: one more write under the fence that it had."""
        record = msgspec.msgpack.encode(Record(self._setup.name, epoch, LATE))
        refused, why = False, "it is in the stream"
        try:
            await publish_ack(self._data, f"{self._setup.twin}.data", record)
            await publish_ack(self._data, f"{self._setup.fenced}.data", record, fence.headers)
        except SdkError as error:
            refused, why = True, reason_of(error)
        tell("late", epoch=epoch, refused=refused, reason=why)

    async def _write(self, epoch: int) -> None:
        fence = self._fence = None
        run = 0
        while True:
            try:
                if fence is None:
                    setup = self._setup
                    fence = self._fence = await raise_fence(
                        self._data, setup.fenced, f"{setup.fenced}.fence", setup.name, epoch
                    )
                await self._stream(fence, epoch, run * RUN)
            except Fenced as error:
                tell("fenced", epoch=epoch, reason=reason_of(error))
                self.election.surrender(reason_of(error))
                return
            except (SdkError, TimeoutError) as error:
                tell("interrupted", epoch=epoch, reason=reason_of(error))
                run += 1  # what was on its way may be in the stream: never the same number twice
                await asyncio.sleep(0.02)
                await self._data.wait_connected()

    async def _stream(self, fence: Fence, epoch: int, number: int) -> None:
        setup = self._setup
        fenced = FencedPublisher(self._data, fence, replicas=setup.replicas)
        twin = WindowPublisher(self._data)
        await fenced.open()
        await twin.open()
        told = 0.0
        try:
            while True:
                number += 1
                record = msgspec.msgpack.encode(Record(setup.name, epoch, number))
                await twin.publish(f"{setup.twin}.data", record)
                await fenced.publish(f"{setup.fenced}.data", record)
                now = time.monotonic()
                if now - told > 0.1:
                    told = now
                    await fenced.flush()
                    tell("acknowledged", epoch=epoch, number=number)
                await asyncio.sleep(setup.every_s)
        finally:
            with contextlib.suppress(NotConnected):
                await fenced.close()
            with contextlib.suppress(NotConnected):
                await twin.close()


def main() -> None:
    """Run the candidate whose setup is the first argument."""
    logs.configure(level="error")
    setup = msgspec.json.decode(sys.argv[1], type=Setup)
    asyncio.run(Candidate(setup).run())


if __name__ == "__main__":
    main()
