"""The writer of a stream: killed after any step, every row is stored once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from marketprism_adapters.memory.ledger import MemoryLedger
from marketprism_adapters.memory.progress import MemoryProgress, ProgressCell
from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.memory.stream import MemoryMessage, MemoryRanges, MemoryStream
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK, DataKind
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.questions import Audit, Records
from marketprism_application.errors import RowError, StoreError
from marketprism_application.ports.storage import DeadRow, EncodedRows, StoreMark, StreamPlace, StreamRange
from marketprism_application.storage.inserter import PART_ROWS, Inserter
from marketprism_application.storage.writer import Progress, StreamWriter, WriterHooks, WriterSettings, decode_messages
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, tick

TICKS = [tick(at("2025-03-03 09:00:00") + n * 10**9, 100, n + 1)._replace(seq=n + 1) for n in range(60)]


STREAM = [
    MemoryMessage(
        "market.packed.3", 10 + n, encode_packed(Packed(PACKED_VERSION, "x", 0, 0, tuple(TICKS[n * 6 : n * 6 + 6])))
    )
    for n in range(10)
]


class Killed(BaseException):
    """The process ended here."""


def stream() -> MemoryStream:
    """A stream of the fixed messages."""
    made = MemoryStream()
    for message in STREAM:
        made.append(message.subject, message.data, seq=message.seq)
    return made


class Ranges(MemoryRanges):
    """Three messages at a time; each call may be the process's last."""

    def __init__(self, world: World) -> None:
        super().__init__(stream())
        self._world = world

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[MemoryMessage]:
        self._world.step()
        found = await super().next(min(max_messages, 3), min(max_wait_s, 0.001))
        if not found:
            self._world.idle()
        return found


class ProgressSteps(MemoryProgress):
    """Before and after a save the process may end."""

    def __init__(self, world: World) -> None:
        super().__init__(world.cell)
        self._world = world

    async def save(self, progress: Progress) -> None:
        self._world.step()
        await super().save(progress)
        self._world.step()


class StoreSteps(MemoryStore):
    """Before and after an insert the process may end."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def insert(
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
    ) -> int:
        self._world.step()
        done = await super().insert(kind, rows, places, covered, epoch)
        self._world.step()
        return done


class Steps(MemoryLedger):
    """The store's own record, a step of the process like any other."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def record(self, stream: str, created: str, mark: StoreMark) -> None:
        self._world.step()
        await super().record(stream, created, mark)
        self._world.step()


class Retries(WriterHooks):
    def __init__(self) -> None:
        self.heard: list[tuple[int, float, str]] = []

    def retry(self, attempt: int, pause_s: float, reason: str) -> None:
        self.heard.append((attempt, pause_s, reason))


class World:
    """What outlives a process: the store and the progress; and the place of the next kill."""

    def __init__(self) -> None:
        self.store: MemoryStore = StoreSteps(self)
        self.ledger = Steps(self)
        self.cell = ProgressCell()
        self.kill_at = -1
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.kill_at:
            raise Killed

    def idle(self) -> None:
        progress = self.cell.progress
        if progress is not None and progress.watermark == STREAM[-1].seq:
            raise asyncio.CancelledError

    async def run(self) -> bool:
        """One process; whether it got to the end."""
        settings = WriterSettings(batch_rows=10, batch_ms=1, max_batch_rows=20)
        writer = StreamWriter("MARKET_TICKS", Ranges(self), ProgressSteps(self), self.store, self.ledger, settings)
        try:
            await writer.run(1)
        except asyncio.CancelledError:
            return True
        except Killed:
            return False
        return False


async def stored(world: World) -> list[int]:
    table = await world.store.answer(Records("tick", "rb2505"))
    (audit,) = (await world.store.answer(Audit(("test",)))).to_pylist()
    assert audit["stored"] == audit["distinct_ticks"] == audit["read_back"]
    return table.column("seq").to_pylist()


async def test_killed_after_each_single_step_and_resumed() -> None:
    clean = World()
    assert await clean.run()
    for kill_at in range(1, clean.steps):
        world = World()
        world.kill_at = kill_at
        while not await world.run():
            world.kill_at = -1
        assert await stored(world) == list(range(1, 61)), f"killed at step {kill_at}"


async def test_killed_again_and_again() -> None:
    world = World()
    for _ in range(40):
        world.kill_at = world.steps + 9
        if await world.run():
            break
    world.kill_at = -1
    while not await world.run():
        pass
    assert await stored(world) == list(range(1, 61))


async def test_a_store_that_is_away_is_tried_again_with_the_same_range() -> None:
    world, away, retries = World(), [True] * 3, Retries()

    class Flaky(MemoryStore):
        async def insert(
            self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
        ) -> int:
            if away and away.pop():
                raise StoreError("away", retryable=True)
            return await super().insert(kind, rows, places, covered, epoch)

    world.store = Flaky()
    writer = StreamWriter(
        "MARKET_TICKS",
        Ranges(world),
        MemoryProgress(world.cell),
        world.store,
        world.ledger,
        WriterSettings(batch_ms=1),
        retries,
    )
    with pytest.raises(asyncio.CancelledError):
        await writer.run(1)
    assert [attempt for attempt, _, _ in retries.heard] == [1, 2, 3]
    assert await stored(world) == list(range(1, 61))


async def test_a_poisoned_row_is_set_aside_and_its_neighbours_are_stored() -> None:
    world = World()

    class Picky(MemoryStore):
        async def insert(
            self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
        ) -> int:
            if any(row.seq == 17 for row in rows):
                raise RowError("market_ticks: no such number", engine_code=69)
            return await super().insert(kind, rows, places, covered, epoch)

    world.store = Picky()
    progress = MemoryProgress(world.cell)
    writer = StreamWriter(
        "MARKET_TICKS", Ranges(world), progress, world.store, world.ledger, WriterSettings(batch_ms=1)
    )
    with pytest.raises(asyncio.CancelledError):
        await writer.run(1)
    assert await stored(world) == [n for n in range(1, 61) if n != 17]
    assert [(dead.seq, dead.offset) for dead in world.store.dead.values()] == [(12, 4)]
    assert writer.dead == 1


def test_messages_that_are_not_what_their_subject_says_are_set_aside_with_the_reason() -> None:
    messages = [
        MemoryMessage("market.packed.1", 1, b"nonsense"),
        MemoryMessage("market.bar.1m.rb2505", 2, encode(TICK, SAMPLES["tick"])),
        MemoryMessage("nobody.knows", 3, b""),
        STREAM[0],
    ]
    decoded = decode_messages("S", messages)
    assert [(dead.seq, dead.reason.split(":")[0]) for dead in decoded.dead] == [
        (1, "packed message"),
        (2, "bar message"),
        (3, "subject nobody.knows"),
    ]
    assert decoded.total == 6


async def test_a_row_that_is_none_is_set_aside_and_its_part_keeps_its_token() -> None:
    world = World()
    good = [msgspec.msgpack.encode(tick_) for tick_ in TICKS[:5]]
    packed = [1, "test", 1, 0, [msgspec.Raw(row) for row in good] + ["no tick"], [], []]
    broken = msgspec.msgpack.encode([PACKED_VERSION, *packed[1:]])
    inserter = Inserter("MARKET_TICKS", world.store, lambda *_: None)
    covered = StreamRange("S", "2025", 1, 1)
    for _ in range(2):
        dead: list[DeadRow] = []
        count, others = await inserter._insert_encoded([MemoryMessage("market.packed.1", 1, broken)], covered, 1, dead)
        assert (count, list(others)) == (6, [])
        assert [(row.seq, row.offset) for row in dead] == [(1, 5)]
    (audit,) = (await world.store.answer(Audit(("test",)))).to_pylist()
    assert (audit["stored"], audit["distinct_ticks"]) == (5, 5)


async def test_a_large_range_goes_in_parts_that_a_second_writer_repeats() -> None:
    tokens: list[str] = []

    class Counting(MemoryStore):
        async def insert_encoded(
            self, kind: DataKind, groups: Sequence[EncodedRows], covered: StreamRange, epoch: int
        ) -> int:
            rows = sum(len(group.rows) for group in groups)
            tokens.append(f"{covered.token}:{rows}")
            return rows

    row = msgspec.Raw(msgspec.msgpack.encode(TICKS[0]))
    data = msgspec.msgpack.encode([PACKED_VERSION, "test", 1, 0, [row] * (PART_ROWS // 2 + 1)])
    messages = [MemoryMessage("market.packed.7", 7 + n, data) for n in range(5)]
    for _ in range(2):
        rows, dead = await Inserter("S", Counting(), lambda *_: None).insert(
            messages, StreamRange("S", "2025", 7, 11), 1
        )
        assert (rows, dead) == (5 * (PART_ROWS // 2 + 1), 0)
    full, rest = PART_ROWS + 2, PART_ROWS // 2 + 1
    wanted = [f"S:2025/1:7-11:{full}", f"S:2025/2:7-11:{rest}", f"S:2025:7-11:{full}"]
    assert sorted(tokens[:3]) == sorted(tokens[3:]) == wanted
