"""A stream, a store and a watermark as they outlive a process, and what a test may do to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from marketprism_adapters.memory.ledger import MemoryLedger
from marketprism_adapters.memory.progress import MemoryProgress, ProgressCell
from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.memory.stream import MemoryMessage, MemoryRanges, MemoryStream
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.errors import RowError, StoreError
from marketprism_application.ports.storage import (
    DeadRow,
    EncodedRows,
    StoreMark,
    StreamBounds,
    StreamPlace,
    StreamRange,
)
from marketprism_application.storage.writer import Progress, WriterHooks
from tests.fakes.ticks import at, tick

STREAM = "MARKET_TICKS"
PER_MESSAGE = 2
POISON = 7  # every so many messages one holds a row that no table takes


class Killed(BaseException):
    """The process ended here."""


class Idle(BaseException):
    """Nothing is left to do."""


WANTED, FOREIGN = "market.packed.0", "market.other.0"


class Log(MemoryStream):
    """A stream: messages by sequence, of which the first may go, and foreign ones between them."""

    def __init__(self) -> None:
        super().__init__("made-1")
        self.made = 1
        self.rows: dict[int, list[int]] = {}
        self.count = 0
        self.clock = 0

    @property
    def messages(self) -> dict[int, MemoryMessage]:
        """Those that are read."""
        return {message.seq: message for message in self.read(1, WANTED.__eq__, self.last)}

    def publish(self, *, foreign: int) -> None:
        for _ in range(foreign):
            self.append(FOREIGN, b"", ts=self._now())
        self.count += 1
        numbers = [self.count * PER_MESSAGE + k for k in range(PER_MESSAGE)]
        rows = tuple(tick(at("2025-03-03 09:00:00") + n * 10**6, 100, 1)._replace(seq=n) for n in numbers)
        seq = self.append(WANTED, encode_packed(Packed(PACKED_VERSION, "x", 0, 0, rows)), ts=self._now())
        self.rows[seq] = numbers

    def _now(self) -> int:
        self.clock += 1
        return self.clock

    def rows_of(self, seq: int) -> list[int]:
        return self.rows[seq]

    def lose_the_end(self, last: int) -> None:
        self.last = max(self.first - 1, min(last, self.last))
        self._messages = {seq: stored for seq, stored in self._messages.items() if seq <= self.last}

    def truncate(self, first: int) -> None:
        self.purge(max(self.first, min(first, self.last + 1)))

    def remake(self) -> None:
        self.made += 1
        self.created = f"made-{self.made}"
        self._messages, self.first, self.last = {}, 1, 0


class World(WriterHooks):
    """What outlives a process; `steps` are left until it is killed, `away` calls of the store fail."""

    def __init__(self) -> None:
        self.log = Log()
        self.stores = {"A": (MemoryStore(), MemoryLedger("A"))}
        self.current = "A"
        self.cell = ProgressCell()
        self._progress = MemoryProgress(self.cell)
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
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
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

    async def insert_columns(self, kind: DataKind, rows: pa.Table, seq: int, covered: StreamRange, epoch: int) -> int:
        self.call()
        done = await self.store.insert_columns(kind, rows, seq, covered, epoch)
        self.step()
        return done

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

    async def watermark(self, stream: str, created: str) -> StoreMark | None:
        self.call()
        return await self.ledger.watermark(stream, created)

    async def record(self, stream: str, created: str, mark: StoreMark) -> None:
        self.call()
        await self.ledger.record(stream, created, mark)
        self.step()

    async def holds(self, stream: str) -> bool:
        return await self.ledger.holds(stream)

    # -- the watermark ---------------------------------------------------------------------------------------------

    @property
    def progress(self) -> Progress | None:
        return self.cell.progress

    @progress.setter
    def progress(self, progress: Progress | None) -> None:
        self.cell.put(progress)

    async def load(self) -> Progress | None:
        return await self._progress.load()

    async def save(self, progress: Progress) -> None:
        self.step()
        await self._progress.save(progress)
        self.step()

    async def truncated(self, wanted: int, bounds: StreamBounds) -> None:
        self.step()
        self.named.append((self.log.made, wanted, bounds.first))


class Source(MemoryRanges):
    """Reads the log as a consumer does; after twenty times that there is nothing, the process is done."""

    def __init__(self, world: World) -> None:
        super().__init__(world.log, WANTED.__eq__)
        self._world = world
        self._empty = 0

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[MemoryMessage]:
        del max_wait_s
        log = self._world.log
        if self._world.cut is not None:
            reads, keep = self._world.cut
            self._world.cut = (reads - 1, keep) if reads else None
            if not reads:
                log.truncate(log.last - keep + 1)
        found = await super().next(min(max_messages, 3), 0.0)
        self._empty = 0 if found else self._empty + 1
        if self._empty > 20:
            raise Idle
        return found
