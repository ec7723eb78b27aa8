"""A stream, a store and a watermark under every fault in any order: each message is stored, dead or gone, and in the
end nothing stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from marketprism_adapters.memory.ledger import MemoryLedger
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.codec import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.kinds import TICK, DataKind
from marketprism_application.errors import RowError, StoreError
from marketprism_application.ports import DeadRow, EncodedRows, Place, RangeQuery, StreamRange
from marketprism_application.store import Progress, StreamRemade, StreamWriter, WriterHooks, WriterSettings
from marketprism_application.store_progress import StreamBounds
from marketprism_domain.marketdata.tick import Tick
from tests.fakes.ticks import at, tick

STREAM = "MARKET_TICKS"
PER_MESSAGE = 2
POISON = 7  # every so many messages one holds a row that no table takes


class Killed(BaseException):
    """The process ended here."""


class Idle(BaseException):
    """Nothing is left to do."""


class Message(NamedTuple):
    subject: str
    seq: int
    data: bytes


class Log:
    """A stream: messages by sequence, of which the first may go, and foreign ones between them."""

    def __init__(self) -> None:
        self.made = 1
        self.messages: dict[int, Message] = {}
        self.rows: dict[int, list[int]] = {}
        self.first, self.last = 1, 0
        self.count = 0

    def append(self, *, foreign: int) -> None:
        self.last += foreign + 1
        self.count += 1
        numbers = [self.count * PER_MESSAGE + k for k in range(PER_MESSAGE)]
        rows = tuple(tick(at("2025-03-03 09:00:00") + n * 10**6, 100, 1)._replace(seq=n) for n in numbers)
        packed = encode_packed(Packed(PACKED_VERSION, "x", 0, 0, rows))
        self.messages[self.last] = Message("market.packed.0", self.last, packed)
        self.rows[self.last] = numbers

    def rows_of(self, seq: int) -> list[int]:
        return self.rows[seq]

    def lose_the_end(self, last: int) -> None:
        self.last = max(self.first - 1, min(last, self.last))
        self.messages = {seq: message for seq, message in self.messages.items() if seq <= self.last}

    def truncate(self, first: int) -> None:
        self.first = max(self.first, min(first, self.last + 1))
        self.messages = {seq: message for seq, message in self.messages.items() if seq >= self.first}

    def remake(self) -> None:
        self.made += 1
        self.messages, self.first, self.last = {}, 1, 0


class World(WriterHooks):
    """What outlives a process; `steps` are left until it is killed, `away` calls of the store fail."""

    def __init__(self) -> None:
        self.log = Log()
        self.stores = {"A": (MemoryStore(), MemoryLedger("A"))}
        self.current = "A"
        self.progress: Progress | None = Progress()
        self.steps = -1
        self.away = 0
        self.buried: dict[str, list[DeadRow]] = {}
        self.cut: tuple[int, int] | None = None  # after so many reads, so many sequences stay
        self.named: list[tuple[int, int, int]] = []

    @property
    def store(self) -> MemoryStore:
        return self.stores[self.current][0]

    @property
    def ledger(self) -> MemoryLedger:
        return self.stores[self.current][1]

    @property
    def graves(self) -> list[DeadRow]:
        """Every burial in this store: in its table a sequence that comes again has one place."""
        return self.buried.get(self.current, [])

    def step(self) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise Killed

    def call(self) -> None:
        self.step()
        if self.away:
            self.away -= 1
            raise StoreError("away")

    # -- the store -------------------------------------------------------------------------------------------------

    async def migrate(self) -> Sequence[str]:
        return []

    async def insert(
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[Place], covered: StreamRange, epoch: int
    ) -> int:
        self.call()
        if any(row.seq % POISON == 0 for row in rows):
            raise RowError("no")
        done = await self.store.insert(kind, rows, places, covered, epoch)
        self.step()
        return done

    async def insert_encoded(
        self, kind: DataKind, groups: Sequence[EncodedRows], covered: StreamRange, epoch: int
    ) -> int:
        del kind, groups, covered, epoch
        raise RowError("looked at one by one here")

    async def bury(self, dead: Sequence[DeadRow]) -> None:
        self.call()
        await self.store.bury(dead)
        self.buried.setdefault(self.current, []).extend(dead)
        self.step()

    async def close(self) -> None:
        return None

    # -- what it knows of itself -----------------------------------------------------------------------------------

    async def identity(self) -> str:
        self.call()
        return await self.ledger.identity()

    async def watermark(self, stream: str, created: str) -> int | None:
        self.call()
        return await self.ledger.watermark(stream, created)

    async def record(self, stream: str, created: str, watermark: int) -> None:
        self.call()
        await self.ledger.record(stream, created, watermark)
        self.step()

    async def holds(self, stream: str) -> bool:
        return await self.ledger.holds(stream)

    # -- the watermark ---------------------------------------------------------------------------------------------

    async def load(self) -> Progress | None:
        return self.progress

    async def save(self, progress: Progress) -> None:
        self.step()
        self.progress = progress
        self.step()

    async def truncated(self, wanted: int, bounds: StreamBounds) -> None:
        self.step()
        self.named.append((self.log.made, wanted, bounds.first))


class Source:
    """Reads the log as a consumer does; the second time that there is nothing, the process is done."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._at = 1
        self._empty = 0

    async def bounds(self) -> StreamBounds:
        log = self._world.log
        return StreamBounds(f"made-{log.made}", log.first, log.last)

    async def open(self, start_seq: int) -> None:
        self._at = start_seq

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[Message]:
        del max_wait_s
        await asyncio.sleep(0)
        log = self._world.log
        if self._world.cut is not None:
            reads, keep = self._world.cut
            self._world.cut = (reads - 1, keep) if reads else None
            if not reads:
                log.truncate(log.last - keep + 1)
        found = [log.messages[seq] for seq in sorted(log.messages) if seq >= self._at][: min(max_messages, 3)]
        if found:
            self._at, self._empty = found[-1].seq + 1, 0
            return found
        self._empty += 1
        if self._empty > 20:
            raise Idle
        return []

    async def settled(self, read_to: int) -> int:
        return max(read_to, self._world.log.last)

    async def lacks(self, first: int, last: int) -> bool:
        del first, last
        return False

    async def close(self) -> None:
        return None


class Storing(RuleBasedStateMachine):
    """Faults and runs in any order; `teardown` is the time after the last fault."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(count=st.integers(1, 6), foreign=st.integers(0, 2))
    def publish(self, count: int, foreign: int) -> None:
        for _ in range(count):
            self.world.log.append(foreign=foreign)

    @rule(
        steps=st.integers(1, 30),
        away=st.integers(0, 4),
        cut=st.none() | st.tuples(st.integers(0, 3), st.integers(0, 4)),
    )
    def run_and_die(self, steps: int, away: int, cut: tuple[int, int] | None) -> None:
        self.world.steps, self.world.away, self.world.cut = steps, away, cut
        self._run()

    @rule(lost=st.integers(1, 6), again=st.integers(0, 3))
    def lose_the_end(self, lost: int, again: int) -> None:
        """A power cut: the stream's last messages never were, and their sequences come again. The writer sees it."""
        log = self.world.log
        log.lose_the_end(log.last - lost)
        self._settle()
        for _ in range(again):
            log.append(foreign=0)

    @rule()
    def run_to_the_end(self) -> None:
        self._settle()

    @rule(keep=st.integers(0, 5))
    def truncate(self, keep: int) -> None:
        self.world.log.truncate(self.world.log.last - keep + 1)

    @rule()
    def remake(self) -> None:
        self.world.log.remake()

    @rule(what=st.sampled_from(["lost", "garbage", "beyond"]))
    def spoil_the_watermark(self, what: str) -> None:
        known = self.world.progress
        if what == "beyond" and known is not None and known.created == f"made-{self.world.log.made}":
            self.world.progress = Progress(known.created, 1, 0, 10**9, 10**9, known.store)
        elif what != "beyond":
            self.world.progress = Progress() if what == "lost" else None

    @rule(name=st.sampled_from("ABC"))
    def another_store(self, name: str) -> None:
        self.world.stores.setdefault(name, (MemoryStore(), MemoryLedger(name)))
        self.world.current = name

    @rule()
    def rebuild(self) -> None:
        self.world.progress = Progress(f"made-{self.world.log.made}", fill="f")

    @invariant()
    def nothing_below_the_watermark_is_missing(self) -> None:
        world = self.world
        own = world.ledger.watermarks.get((STREAM, f"made-{world.log.made}"), 0)
        known = asyncio.run(self._rows())
        missing = [seq for seq in world.log.messages if seq <= own and not set(world.log.rows_of(seq)) <= known]
        assert missing == [], f"recorded as stored up to {own}, not there"

    async def _rows(self) -> set[int]:
        table = await self.world.store.records(TICK, RangeQuery("rb2505", limit=100_000))
        stored = table.column("seq").to_pylist() if table.num_rows else []
        assert len(stored) == len(set(stored))
        return set(stored) | {msgspec.msgpack.decode(row.payload, type=Tick).seq for row in self.world.graves}

    def _run(self) -> bool:
        async def run() -> bool:
            async def at_once(_: float) -> None:
                await asyncio.sleep(0)

            world = self.world
            writer = StreamWriter(
                STREAM, Source(world), world, world, world, WriterSettings(4, 0.0, 8), world, sleep=at_once
            )
            try:
                await writer.run(1)
            except Killed:
                return False
            except StreamRemade:
                return False
            except Idle:
                return True
            return False

        return asyncio.run(run())

    def _settle(self) -> None:
        self.world.steps, self.world.away, self.world.cut = -1, 0, None
        assert self._run(), "a writer without a fault has not come to its end"
        rows = asyncio.run(self._rows())
        for seq in self.world.log.messages:
            wanted = set(self.world.log.rows_of(seq))
            assert wanted <= rows, f"message {seq} is neither stored nor dead"
        assert self.world.progress is not None
        assert self.world.progress.watermark <= self.world.log.last
        assert self.world.progress.watermark >= max(self.world.log.messages, default=0)

    def teardown(self) -> None:
        self._settle()


TestStoring = Storing.TestCase
TestStoring.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
