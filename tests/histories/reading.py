"""Sessions of readers against several instances, recorded: what they are told must never go back.

Each session asks one question after the other over one connection; which instance answers is the balancer's choice.
Beside them what the pipeline says of itself is recorded: watermarks of the store and checkpoints of stages.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from marketprism_adapters.nats import streams
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.storage.writer import Progress
from marketprism_client import MarketClient
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import direct_get
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.streams import Checkpoint
from marketprism_sdk.values import decode_or_none
from tests.histories.cluster import NODES, Cluster
from tests.histories.generated_load import symbol
from tests.histories.judging import Report, judge
from tests.histories.nemesis import Nemesis, Target
from tests.histories.operations import Recorder, read_lines, write_lines
from tests.histories.product import Product
from tests.support.clickhouse import serve_clickhouse

_CHECKPOINTS = {streams.TICKS: "stage.validator.*.ck", streams.BARS: "stage.aggregator.*.ck"}
COUNTS = {"storage": 2, "query": 3, "aggregator": 2, "validator": 2, "gateway": 2}
INSTRUMENTS, RATE = 12, 120.0
_SESSIONS = 3
_ANSWER_S = 5.0
_BEFORE_S = 8.0
_WINDOW_NS = 20 * 10**9
_SETTLED_NS = 120 * 10**9


class Session:
    """One client that asks, one question at a time."""

    def __init__(self, name: str, market: MarketClient, recorder: Recorder, seed: int) -> None:
        self._name, self._market, self._recorder = name, market, recorder
        self._dice = random.Random(seed)
        self._windows: deque[tuple[str, int]] = deque(maxlen=8)
        self._newest: dict[str, int] = {}
        self.failed = 0

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            name = symbol(self._dice.randrange(INSTRUMENTS))
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self._dice.choice((self._latest, self._bars, self._latest_bars, self._stored))(name)
            except (SdkError, TimeoutError):
                self.failed += 1
            await asyncio.sleep(0.02)

    def _note(self, key: str, **values: object) -> None:
        self._recorder.note("answer", session=self._name, key=key, **values)

    async def _latest(self, name: str) -> None:
        tick = await self._market.latest_tick(name)
        if tick is not None:
            self._newest[name] = max(self._newest.get(name, 0), tick.ts_event)
            self._note(f"latest {name}", newest=tick.source_seq)

    async def _bars(self, name: str) -> None:
        bars = await self._market.bars(name, "1m", last=5)
        told = [
            [bar.ts_open, bar.revision, f"{bar.open} {bar.high} {bar.low} {bar.close} {bar.volume}"] for bar in bars
        ]
        if told:
            self._note(f"bars {name}", newest=max(each[0] for each in told), bars=told)

    async def _latest_bars(self, name: str) -> None:
        for bar in await self._market.latest_bars(name, "1m"):
            self._note(f"newest bar {name}", newest=bar.ts_open)

    async def _stored(self, name: str) -> None:
        """How many ticks a time has that is over for long: again and again of the same few times."""
        if self._windows and self._dice.random() < 0.7:
            name, end = self._dice.choice(self._windows)
        elif name in self._newest:
            end = self._newest[name] - _SETTLED_NS
            self._windows.append((name, end))
        else:
            return
        rows = await self._market.ticks_between(name, end - _WINDOW_NS, end)
        self._note(f"stored {name}", up_to=end, count=len(rows))


class Watch:
    """Places of the pipeline that must never go back, and that what is said to be stored can be read."""

    def __init__(self, connection: NatsConnection, market: MarketClient, recorder: Recorder) -> None:
        self._connection, self._market, self._recorder = connection, market, recorder
        self._stored: asyncio.Queue[int] = asyncio.Queue()
        self.failed = 0

    async def open(self) -> None:
        """Hear of watermarks."""
        await NatsKeyValue.existing(self._connection, streams.STORE_RANGES).watch("", self._watermark)

    def _watermark(self, entry: KvEntry) -> None:
        progress = decode_or_none(entry, Progress)
        if progress is not None and not entry.deleted:
            self._place(f"watermark of {entry.key}", progress.watermark, entry.revision)
            self._place(f"epoch of the writer of {entry.key}", progress.epoch, entry.revision)
            if entry.key == streams.TICKS:
                self._stored.put_nowait(progress.watermark)

    def _place(self, of: str, place: int, at: int) -> None:
        self._recorder.note("place", of=of, place=place, at=at)

    async def checkpoints(self) -> None:
        """What the streams hold of them: on its way there is also what is refused."""
        for stream, subjects in _CHECKPOINTS.items():
            for message in await read_stream(self._connection, stream, [subjects]):
                _, stage, partition, _ = message.subject.split(".")
                checkpoint = msgspec.msgpack.decode(message.data, type=Checkpoint)
                self._place(f"checkpoint of {stage} {partition}", checkpoint.in_seq, message.seq)
                self._place(f"epoch of {stage} {partition}", checkpoint.epoch, message.seq)

    async def run(self) -> None:
        """Ask until cancelled for the last tick of what was said to be stored."""
        while True:
            seq = await self._stored.get()
            while not self._stored.empty():
                seq = self._stored.get_nowait()
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self._read(seq)
            except (SdkError, TimeoutError):
                self.failed += 1

    async def _read(self, seq: int) -> None:
        message = await direct_get(self._connection, streams.TICKS, seq) if seq else None
        if message is None or not message.subject.startswith("market.packed."):
            return
        ticks = decode_packed(message.data).ticks
        if not ticks:
            return
        tick = ticks[-1]
        rows = await self._market.ticks_between(tick.symbol, tick.ts_event, tick.ts_event + 1)
        place = tick.ts_event if len(rows) else 0
        self._recorder.note("answer", session="stored", key=f"{seq}", newest=place, wrote=tick.ts_event)


class Reading:
    """The product on three NATS servers, its readers, and faults."""

    def __init__(self, folder: Path, *, seconds: float, nemesis: Sequence[str], seed: int, hosts: bool) -> None:
        self._folder, self._seconds, self._kinds, self._seed = folder, seconds, nemesis, seed
        self._cluster = Cluster(folder / "nodes", hosts=hosts, store_gb=20)

    async def run(self) -> Report:
        """Let it run and judge it; the history stays in the folder."""
        records = self._folder / "records"
        records.mkdir(parents=True)
        recorder = Recorder(records / "run.jsonl", "run")
        recorder.note("run", what="reads", seed=self._seed, nemesis=list(self._kinds))
        with serve_clickhouse(self._folder / "clickhouse") as (url, _):
            async with self._cluster:
                store = {"engine": "clickhouse", "url": url}
                product = Product(
                    self._folder / "product",
                    self._cluster.url(),
                    store,
                    COUNTS,
                    instruments=INSTRUMENTS,
                    rate=RATE,
                    replicas=NODES,
                )
                try:
                    await product.start()
                    counts, failed = await self._read(product, recorder)
                finally:
                    await product.close()
        recorder.close()
        lines = await asyncio.to_thread(read_lines, sorted(records.iterdir()))
        write_lines(self._folder / "history.jsonl", lines)
        report = await asyncio.to_thread(judge, lines)
        report.faults = counts
        report.counts["questions without an answer"] = failed
        return report

    async def _read(self, product: Product, recorder: Recorder) -> tuple[dict[str, int], int]:
        target = Target(self._cluster, product.again)
        target.children = product.children
        target.watched = (streams.TICKS, streams.RAW, f"KV_{streams.STORE_RANGES}")
        nemesis = Nemesis(target, self._kinds, self._seed, recorder)
        markets = [MarketClient(self._cluster.url()) for _ in range(_SESSIONS + 1)]
        sessions: list[Session] = []
        async with contextlib.AsyncExitStack() as stack:
            for market in markets:
                await stack.enter_async_context(market)
            watch = Watch(product.connection, markets[-1], recorder)
            await watch.open()
            for number, market in enumerate(markets[:-1]):
                sessions.append(Session(f"session-{number}", market, recorder, self._seed + number))
            asking = [asyncio.create_task(each.run()) for each in (*sessions, watch)]
            asking.append(asyncio.create_task(product.supervise()))
            try:
                await asyncio.sleep(_BEFORE_S)
                await nemesis.run(self._seconds)
                await self._cluster.ready()
                await asyncio.sleep(_BEFORE_S)
                for task in asking:
                    if task.done():
                        task.result()
            finally:
                for task in asking:
                    task.cancel()
                await asyncio.gather(*asking, return_exceptions=True)
            await watch.checkpoints()
        return dict(nemesis.counts), sum(each.failed for each in (*sessions, watch))


__all__ = ["Reading"]
