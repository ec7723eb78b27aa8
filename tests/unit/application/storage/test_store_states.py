"""A stream, a store and a watermark under every fault in any order: each message is stored, dead or gone, and in the
end nothing stands still."""

from __future__ import annotations

import asyncio
from copy import deepcopy

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from marketprism_adapters.memory.ledger import MemoryLedger
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.questions import Records
from marketprism_application.ports.storage import DeadRow, StoreMark
from marketprism_application.storage.writer import Progress, StreamRemade, StreamWriter, WriterSettings
from marketprism_domain.marketdata.tick import Tick
from tests.fakes.storing import STREAM, Idle, Killed, Source, World


class Storing(RuleBasedStateMachine):
    """Faults and runs in any order; `teardown` is the time after the last fault."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.copies: list[tuple[str, MemoryStore, MemoryLedger, list[DeadRow]]] = []
        self.former: list[Progress | None] = []

    @rule(count=st.integers(1, 6), foreign=st.integers(0, 2))
    def publish(self, count: int, foreign: int) -> None:
        for _ in range(count):
            self.world.log.publish(foreign=foreign)

    @rule(
        steps=st.integers(1, 30),
        away=st.integers(0, 4),
        cut=st.none() | st.tuples(st.integers(0, 3), st.integers(0, 4)),
    )
    def run_and_die(self, steps: int, away: int, cut: tuple[int, int] | None) -> None:
        self.world.steps, self.world.away, self.world.cut = steps, away, cut
        self._run()

    @rule(lost=st.integers(1, 6), again=st.integers(0, 8), foreign=st.integers(0, 1), seen=st.booleans())
    def lose_the_end(self, lost: int, again: int, foreign: int, *, seen: bool) -> None:
        """A power cut: the stream's last messages never were, and their sequences come again. Where it is `seen`, a
        writer runs in between."""
        log = self.world.log
        log.lose_the_end(log.last - lost)
        if seen:
            self._settle()
        for _ in range(again):
            log.publish(foreign=foreign)

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

    @rule(count=st.integers(1, 4))
    def restore_an_older_copy(self, count: int) -> None:
        """What was stored since the copy was made is not in it; the watermark knows nothing of that."""
        name = self.world.current
        copy = deepcopy((*self.world.stores[name], self.world.graves))
        self.publish(count, 1)
        self._settle()
        store, ledger, graves = copy
        self.world.stores[name], self.world.buried[name] = (store, ledger), graves

    @rule()
    def copy_the_store(self) -> None:
        name = self.world.current
        self.copies.append((name, *deepcopy((*self.world.stores[name], self.world.graves))))

    @rule(which=st.integers(0, 10))
    def restore_a_copy(self, which: int) -> None:
        """One that was made at any time before; the same may be restored again."""
        if self.copies:
            name, *copy = self.copies[which % len(self.copies)]
            store, ledger, graves = deepcopy(copy)
            self.world.stores[name], self.world.buried[name] = (store, ledger), graves

    @rule()
    def remember_the_watermark(self) -> None:
        self.former.append(self.world.progress)

    @rule(which=st.integers(0, 10))
    def set_the_watermark_back(self, which: int) -> None:
        """A power cut: what was saved of it last never was."""
        if self.former:
            self.world.progress = self.former[which % len(self.former)]

    @rule()
    def rebuild(self) -> None:
        self.world.progress = Progress(f"made-{self.world.log.made}", fill="f")

    @invariant()
    def nothing_below_the_watermark_is_missing(self) -> None:
        world = self.world
        own = world.ledger.watermarks.get((STREAM, f"made-{world.log.made}"), StoreMark(0))
        if world.log.time_at(own.seq) != own.ts:
            return  # it lost its end, and no writer has seen that yet; or nothing is left to look at
        known = asyncio.run(self._rows())
        missing = [seq for seq in world.log.messages if seq <= own.seq and not set(world.log.rows_of(seq)) <= known]
        assert missing == [], f"recorded as stored up to {own.seq}, not there"

    async def _rows(self) -> set[int]:
        table = await self.world.store.answer(Records("tick", "rb2505", limit=100_000))
        stored = table.column("seq").to_pylist() if table.num_rows else []
        assert len(stored) == len(set(stored))
        return set(stored) | {msgspec.msgpack.decode(row.payload, type=Tick).seq for row in self.world.graves}

    def _run(self) -> bool:
        async def run() -> bool:
            async def at_once(_: float) -> None:
                await asyncio.sleep(0)

            world = self.world
            writer = StreamWriter(
                STREAM, Source(world), world, world, world, WriterSettings(4, 0, 8), world, sleep=at_once
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
