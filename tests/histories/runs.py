"""A run: a cluster, client processes that record, faults, and what the records say afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_sdk.streams import Checkpoint, FenceRecord
from marketprism_sdk.testing import Child, FaultyProxy
from tests.histories import stage_clients
from tests.histories.clients import BUCKET, Setup
from tests.histories.cluster import NODES, Cluster
from tests.histories.judging import Report, judge
from tests.histories.lease_client import LOG
from tests.histories.nemesis import Nemesis, Target
from tests.histories.operations import Recorder, read_lines, write_lines
from tests.histories.reading import Reading

HISTORY = "history.jsonl"
_DONE_S = 120.0


@dataclass(frozen=True)
class Plan:
    """What runs: programs by the names of their processes, and what is kept of the streams at the end."""

    clients: dict[str, str]
    streams: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)


PLANS = {
    "kv": Plan({f"keys-{n}": "keys" for n in range(4)}, (f"KV_{BUCKET}",)),
    "lease": Plan({f"candidate-{n}": "lease" for n in range(3)}, (f"KV_{BUCKET}", "LOG")),
    "lock": Plan({f"candidate-{n}": "lease" for n in range(3)}, (f"KV_{BUCKET}", "LOG"), {"probes": False}),
    "stages": Plan(
        {**{f"source-{n}": "source" for n in range(2)}, **{f"member-{n}": "member" for n in range(3)}},
        ("IN", "OUT", "KV_shards"),
        {"every_s": 0.01},
    ),
}


class Run:
    """One run in a folder of its own."""

    def __init__(
        self,
        what: str,
        folder: Path,
        *,
        seconds: float,
        nemesis: Sequence[str],
        seed: int,
        hosts: bool,
        say: Callable[[str], None] = print,
    ) -> None:
        self._what, self._plan, self._folder = what, PLANS[what], folder
        self._seconds, self._kinds, self._seed, self._say = seconds, nemesis, seed, say
        self._cluster = Cluster(folder / "nodes", hosts=hosts)
        self._target = Target(self._cluster, self._start)
        self._lives: Counter[str] = Counter()
        self._ready = asyncio.Event()

    async def run(self) -> Report:
        """Let it run and judge it; the history stays in the folder."""
        records = self._folder / "records"
        records.mkdir(parents=True)
        recorder = Recorder(records / "run.jsonl", "run")
        recorder.note("run", what=self._what, seed=self._seed, nemesis=list(self._kinds), every=stage_clients.EVERY)
        nemesis = Nemesis(self._target, self._kinds, self._seed, recorder)
        try:
            async with self._cluster:
                connection = await NatsConnection.open(self._cluster.url(), name="run")
                await self._streams(connection)
                for name in self._plan.clients:
                    await self._start(name, 1.0)
                self._target.watched = self._plan.streams
                await nemesis.run(self._seconds)
                await self._cluster.ready()
                await self._end(connection, recorder)
                await connection.close()
        finally:
            await self._stop()
            recorder.close()
        lines = await asyncio.to_thread(read_lines, sorted(records.iterdir()))
        write_lines(self._folder / HISTORY, lines)
        report = await asyncio.to_thread(judge, lines)
        report.faults = dict(nemesis.counts)
        return report

    async def _streams(self, connection: NatsConnection) -> None:
        configs = {"lease": (LOG,), "lock": (LOG,), "stages": (stage_clients.IN, stage_clients.OUT, stage_clients.SIDE)}
        end = time.monotonic() + 60.0
        while True:
            try:
                for config in configs.get(self._what, ()):
                    await ensure_stream(connection, config)
                if self._what != "stages":
                    await NatsKeyValue.open(connection, BUCKET, replicas=NODES)
                return
            except SdkError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)

    async def _start(self, name: str, clock: float) -> None:
        """A client, or its next life."""
        old = self._target.children.get(name)
        if old is not None:
            await old.end()
        if name not in self._target.proxies:
            self._target.proxies[name] = []
            for number in range(NODES):
                proxy = FaultyProxy(*self._cluster.place(number))
                await proxy.start()
                self._target.proxies[name].append(proxy)
        self._lives[name] += 1
        living = f"{name}.{self._lives[name]}"
        setup = Setup(
            living,
            ",".join(proxy.url for proxy in self._target.proxies[name]),
            str(self._folder / "records" / f"{living}.jsonl"),
            self._seed * 1_000 + sum(living.encode()),
            clock,
            **self._plan.settings,
        )
        arguments = [
            sys.executable,
            "-m",
            "tests.histories.clients",
            self._plan.clients[name],
            msgspec.json.encode(setup).decode(),
        ]
        path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
        child = Child(arguments, lambda *_: None, name=name, env={"PYTHONPATH": path})
        await child.start()
        self._target.children[name] = child

    async def _stop(self) -> None:
        for child in self._target.children.values():
            child.thaw()
            child.kill()
            await child.end()
        for proxies in self._target.proxies.values():
            for proxy in proxies:
                await proxy.stop()

    # -- what is left at the end ---------------------------------------------------------------------------------------

    async def _end(self, connection: NatsConnection, recorder: Recorder) -> None:
        """Wait until the streams are whole again and the work is done, and record what they hold."""
        await connection.wait_connected()
        await self._cluster.current(connection, *self._plan.streams)
        if self._what == "kv":
            return
        if self._what == "stages":
            await self._worked_off(connection, recorder)
            return
        await asyncio.sleep(3.0)  # somebody leads and writes again
        for child in self._target.children.values():
            child.kill()
        for message in await read_stream(connection, "LOG", ["log.>"]):
            if message.subject == "log.fence":
                fence = msgspec.msgpack.decode(message.data, type=FenceRecord)
                recorder.note("stored-fence", seq=message.seq, epoch=fence.epoch, holder=fence.holder)
            else:
                recorder.note("stored-entry", seq=message.seq, value=message.data.decode())

    async def _worked_off(self, connection: NatsConnection, recorder: Recorder) -> None:
        for name, child in self._target.children.items():
            if self._plan.clients[name] == "source":
                child.kill()
        await asyncio.sleep(1.0)
        end, complete = time.monotonic() + _DONE_S, False
        while not complete and time.monotonic() < end:
            with contextlib.suppress(SdkError):
                last = await read_stream(connection, "IN", ["in.>"])
                done = await read_stream(connection, "OUT", ["out.>"])
                complete = len(done) >= sum(map(_outputs, Counter(each.subject for each in last).values()))
            await asyncio.sleep(0.5)
        await asyncio.sleep(1.0)
        recorder.note("end", complete=complete)
        streams = {"IN": "in.>", "OUT": "out.>", "SIDE": "side.>"}
        for stream, subjects in streams.items():
            for message in await read_stream(connection, stream, [subjects]):
                partition, text = int(message.subject.rpartition(".")[2]), message.data.decode()
                value = int(text) if stream == "IN" else text
                recorder.note("stored", stream=stream.lower(), partition=partition, value=value)
        for message in await read_stream(connection, "OUT", ["stage.sums.*.ck"]):
            checkpoint = msgspec.msgpack.decode(message.data, type=Checkpoint)
            value = [checkpoint.epoch, checkpoint.in_seq]
            recorder.note("stored", stream="checkpoint", partition=int(message.subject.split(".")[2]), value=value)


def _outputs(numbers: int) -> int:
    return numbers + numbers // 3


async def run_and_keep(
    what: str, folder: Path, *, seconds: float, nemesis: Sequence[str], seed: int, hosts: bool, keep: bool = False
) -> Report:
    """Run, and keep the folder where something was wrong, or `keep` says so."""
    shutil.rmtree(folder, ignore_errors=True)
    if what == "reads":
        report = await Reading(folder, seconds=seconds, nemesis=nemesis, seed=seed, hosts=hosts).run()
    else:
        report = await Run(what, folder, seconds=seconds, nemesis=nemesis, seed=seed, hosts=hosts).run()
    (folder / "report.json").write_text(json.dumps(asdict(report), indent=1), encoding="utf-8")
    if not report.wrong and not keep:
        await asyncio.to_thread(shutil.rmtree, folder, True)
    return report


__all__ = ["HISTORY", "PLANS", "Run", "run_and_keep"]
