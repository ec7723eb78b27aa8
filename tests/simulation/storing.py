"""Scenario `storing`: a leader stores a stream of packed ticks, as the storage service does, into a store that fails.

The product's own StreamWriter, StreamRanges and KvProgress. What must be true: every row is in the store once, or lies in
a range whose loss was named; the stream is never taken for another one; the watermark never names what is not stored;
and all is stored within a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from marketprism_adapters.nats.stream_ranges import KvProgress, StreamRanges
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, decode_packed, encode_packed
from marketprism_application.ports.storage import (
    Progress,
    StoreMark,
    StreamBounds,
)
from marketprism_application.storage.progress import (
    STREAM_LOST_ITS_END,
    STREAM_REMADE,
    WATERMARK_BEYOND_STREAM,
    Beginning,
)
from marketprism_application.storage.writer import StreamRemade, StreamWriter, WriterHooks, WriterSettings
from marketprism_sdk.election import Election
from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from tests.fakes.ticks import at, tick
from tests.simulation.failing_store import FailingStore
from tests.simulation.faults import Faults
from tests.simulation.leading import LeaderWatch
from tests.simulation.source import Source
from tests.simulation.streams import Stored, Stream
from tests.simulation.world import URL, Machine, Report, World

T = TypeVar("T")
STREAM = "MARKET_TICKS"
CONFIG = {
    "name": STREAM,
    "subjects": ["market.packed.*", "fence.market.packed"],
    "allow_direct": True,
    "allow_atomic": True,
}
_OF_STREAM = (STREAM_LOST_ITS_END, STREAM_REMADE, WATERMARK_BEYOND_STREAM)
PER_MESSAGE = 2
_BEGIN = at("2025-03-03 09:00:00")
_SETTLE_S = 90.0


def message(number: int) -> tuple[str, bytes]:
    """A message of two ticks."""
    rows = tuple(tick(_BEGIN + n, 100, 1)._replace(seq=n) for n in (number * PER_MESSAGE, number * PER_MESSAGE + 1))
    return f"market.packed.{number % 3}", encode_packed(Packed(PACKED_VERSION, "x", 0, 0, rows))


def number_in(data: bytes) -> int:
    """The number of a message."""
    return int(decode_packed(data).ticks[0].seq) // PER_MESSAGE


class _Ledger:
    """What a pod knows of the store, and records there while it leads."""

    def __init__(self, store: FailingStore, leads: Callable[[], bool]) -> None:
        self._store, self._leads = store, leads
        self.identity, self.watermark, self.holds = store.identity, store.watermark, store.holds

    async def record(self, stream: str, created: str, mark: StoreMark) -> None:
        await self._store.record(stream, created, mark, self._leads)


class Truth(WriterHooks):
    """What the stream was given, what the store has, and what was named as lost."""

    def __init__(self, world: World, store: FailingStore, total: int) -> None:
        self._world, self._store, self.total = world, store, total
        self.seqs: dict[int, int] = {}  # sequence of a message, its number
        self.gone: set[int] = set()  # sequences that the stream has lost
        self.named: list[tuple[int, int]] = []
        self.last_number = 0
        self._looked = 0
        self._rows: dict[int, int] = {}
        self._came: set[tuple[int, str]] = set()
        world.server.jetstream.on_stored = self.stored
        world.checks.append(self.check)

    async def begun(self, begin: Beginning, was: Progress | None, store: str) -> None:
        """It is the same stream for ever and loses nothing at its end; what was recorded may have been deleted."""
        del was, store
        recorded = {mark.seq for mark in self._store.ledger.watermarks.values()}
        if begin.reason in _OF_STREAM and not recorded & self.gone:
            self._world.violate(f"{STREAM} is taken for one that is not what it was: {begin.reason}")

    def remade(self, stream: str) -> None:
        """As `begun`."""
        if not self.gone:
            self._world.violate(f"{stream} is taken for one that was made anew, or has lost its end")

    async def truncated(self, wanted: int, bounds: StreamBounds) -> None:
        """A loss is named."""
        await asyncio.sleep(0.001)
        self.named.append((wanted, bounds.first))

    def stored(self, stream: Stream, message: Stored) -> None:
        """A message was taken by a stream."""
        if message.subject.startswith("market.packed."):
            number = number_in(message.data)
            if number != self.last_number + 1:
                self._world.violate(f"{STREAM}: expected number {self.last_number + 1}, was {number}")
            self.last_number = number
            self.seqs[message.seq] = number
        elif stream.name == "KV_store_ranges" and message.data:
            progress = msgspec.msgpack.decode(message.data, type=Progress)
            self._watermark(progress.watermark)

    def _watermark(self, watermark: int) -> None:
        missing = [
            seq
            for seq, number in self.seqs.items()
            if seq <= watermark and not self._is_there(number) and not self._is_named(seq)
        ]
        if missing:
            self._world.violate(f"the watermark is {watermark}, message {missing[0]} is not in the store, nor named")

    def _is_there(self, number: int) -> bool:
        return all(self._rows.get(number * PER_MESSAGE + n) for n in range(PER_MESSAGE))

    def _is_named(self, seq: int) -> bool:
        return any(first <= seq < end for first, end in self.named)

    def check(self) -> str:
        """After each step: no row twice. A stream that is read anew, into a fill, brings rows again that the table has
        by the same key; within one fill none comes twice."""
        rows, fills = self._store.store.inserted, self._store.store.fills
        while self._looked < len(rows):
            seq, fill = rows[self._looked].seq, fills[self._looked]
            self._looked += 1
            self._rows[seq] = self._rows.get(seq, 0) + 1
            if (seq, fill) in self._came or (not fill and self._rows[seq] > 1):
                return f"row {seq} is in the store twice"
            self._came.add((seq, fill))
        return ""

    def missing(self) -> str:
        """What is still to be done, in words."""
        if self.last_number < self.total:
            return f"the stream has {self.last_number} of {self.total} messages"
        for seq, number in self.seqs.items():
            if not self._is_there(number) and not self._is_named(seq):
                return f"message {seq} is not in the store, nor named as lost"
        return ""

    def wrong_at_end(self) -> str:
        """What was named as lost, was lost."""
        for first, end in self.named:
            for seq in range(first, end):
                if seq in self.seqs and seq not in self.gone and not self._is_there(self.seqs[seq]):
                    return f"message {seq} is named as lost, and the stream has it"
        return ""


async def storage(
    machine: Machine,
    store: FailingStore,
    hooks: Mapping[str, WriterHooks],
    prepare: Callable[[NatsConnection], Awaitable[object]],
    on_remade: Callable[[str], None] = lambda _: None,
) -> None:
    """A storage pod: it stores each of the streams while it leads. `on_remade` hears of a stream that its writer takes
    for another one, or for one that has lost its end."""
    connection = await NatsConnection.open(URL, name=machine.name)
    sessions = await connection.another(f"{machine.name}-election")
    await prepare(connection)
    ranges = await NatsKeyValue.open(connection, "store_ranges")
    leaders = await NatsKeyValue.open(sessions, "leaders")
    holder = f"{machine.name}.{machine.lives}"
    writing: list[asyncio.Task[None]] = []

    async def write(stream: str, epoch: int) -> None:
        while True:
            source = StreamRanges(connection, stream)
            progress = KvProgress(ranges, stream)
            settings = WriterSettings(batch_rows=20, batch_ms=50, quiet_ms=200, max_batch_rows=60)
            ledger = _Ledger(store, election.is_leader)
            writer = StreamWriter(stream, source, progress, store, ledger, settings, hooks[stream])
            try:
                await writer.run(epoch)
            except (RevisionConflict, KeyExists) as error:
                election.surrender(str(error), rest_s=1.0)
                return
            except StreamRemade:
                on_remade(stream)
                await asyncio.sleep(0.2)
            except SdkError:
                await asyncio.sleep(0.2)
            finally:
                await source.close()

    async def begin(epoch: int) -> None:
        writing.extend(asyncio.get_running_loop().create_task(write(stream, epoch)) for stream in hooks)

    async def end(reason: str) -> None:
        del reason
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        writing.clear()

    prober = NatsProber(sessions, "storage", holder)
    election = Election(leaders, "storage", holder, prober=prober, on_acquired=begin, on_lost=end)
    machine.state = election
    await election.run()


def store_faults(world: World, store: FailingStore) -> tuple[dict[str, Callable[[], str]], Callable[[], None]]:
    """What befalls a store, and how all of it is mended."""
    dice = world.loop.dice

    def away() -> str:
        store.away = True
        seconds = dice.uniform(0.1, 3.0)
        world.later(seconds, lambda: setattr(store, "away", False))
        return f"the store, for {seconds:.3f} s"

    def answers() -> str:
        store.answers_lost, store.late = dice.uniform(0, 0.5), dice.uniform(0, 0.3)
        return f"{store.answers_lost:.2f} of the store's answers are lost, {store.late:.2f} come late"

    def heal() -> None:
        store.away, store.answers_lost, store.late = False, 0.0, 0.0

    return {"store": away, "answers": answers}, heal


def schedule(seed: int, kinds: Sequence[str] = (), *, suffer_s: float = 8.0, total: int = 150) -> Report:
    """One schedule of this scenario."""
    world = World(seed, "storing")
    store = FailingStore(world)
    truth = Truth(world, store, total)
    dice = world.loop.dice

    def purge() -> str:
        stream = world.server.jetstream.streams.get(STREAM)
        if stream is None or len(stream.messages) < 4:
            return ""
        below = stream.first + dice.randrange(1, 1 + len(stream.messages) // 2)
        fence = stream.last_of("fence.market.packed")
        gone = [seq for seq in stream.messages if seq < below and seq != fence]
        for seq in gone:
            stream.remove(seq)
        truth.gone.update(gone)
        return f"the stream forgets {len(gone)} messages below {below}"

    more, heal = store_faults(world, store)
    more["purge"] = purge
    faults = Faults(world, kinds, more=more, on_heal=heal)
    source = Source(
        STREAM,
        "market.packed",
        total,
        total / suffer_s,
        message,
        {**CONFIG, "num_replicas": world.replicas},
        number_in=number_in,
    )

    async def pod(machine: Machine) -> None:
        await storage(
            machine,
            store,
            {STREAM: truth},
            lambda connection: ensure_stream(connection, {**CONFIG, "num_replicas": world.replicas}),
            truth.remade,
        )

    LeaderWatch(world, [world.machine(name, source) for name in ("source-a", "source-b")])
    pods = [world.machine(name, pod) for name in ("storage-a", "storage-b")]
    LeaderWatch(world, pods)

    async def before() -> None:
        return None

    async def suffer(_: World) -> None:
        await asyncio.sleep(dice.uniform(0.0, 1.0))
        await faults.suffer(suffer_s)

    report = world.run(suffer, truth.missing, before=before, settle_s=_SETTLE_S, at_end=truth.wrong_at_end)
    report.counts = {"messages": truth.last_number, "rows": len(store.store.inserted), "named": len(truth.named)}
    return report
