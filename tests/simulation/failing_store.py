"""A store at the end of a line that fails: what was asked of it may be done though its answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from marketprism_adapters.memory.ledger import MemoryLedger
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import KINDS, DataKind
from marketprism_application.errors import StoreError
from marketprism_application.ports.storage import DeadRow, EncodedRows, StoreMark, StreamPlace, StreamRange
from tests.simulation.world import World

T = TypeVar("T")


class _Store(MemoryStore):
    """With what was inserted, row by row, and how often something was."""

    def __init__(self) -> None:
        super().__init__()
        self.inserts = 0
        self.fills: list[str] = []  # of each row: under which fill it came, empty of none

    async def insert(
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
    ) -> int:
        self.inserts += 1
        before = len(self.inserted)
        stored = await super().insert(kind, rows, places, covered, epoch)
        fill = covered.created.partition("#")[2].partition("@")[0]
        self.fills += [fill] * (len(self.inserted) - before)
        return stored

    @property
    def inserted(self) -> list[Any]:
        return self.raw["tick"]

    @property
    def raw(self) -> Mapping[str, list[Any]]:
        """By kind."""
        return self._raw

    def newest(self, kind: str) -> list[Any]:
        """The rows of a kind, of each key the last."""
        return self._rows(KINDS[kind])


class FailingStore:
    """A store at the end of a line: what was asked may be done though its answer is lost, or when who asked is gone."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.store, self.ledger = _Store(), MemoryLedger("A")
        self.away = False
        self.answers_lost = 0.0
        self.late = 0.0
        self._asked = 0
        self._done: dict[tuple[str, str], int] = {}

    async def _ask(self, work: Callable[[], Awaitable[T]]) -> T:
        loop, dice = self._world.loop, self._world.loop.dice
        if self.away:
            await asyncio.sleep(dice.uniform(0, 0.05))
            raise StoreError("store: away")
        answer: asyncio.Future[T] = loop.create_future()

        async def do() -> None:
            try:
                found = await work()
            except Exception as error:  # noqa: BLE001 (it is the answer)
                answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(found)

        pause_s = dice.uniform(0, 0.01) + (dice.uniform(0, 2.0) if dice.random() < self.late else 0.0)
        task: list[Any] = []
        self._world.later(pause_s, lambda: task.append(loop.spawn(loop.world, do)))
        lost = dice.random() < self.answers_lost
        try:
            async with asyncio.timeout(1.0):
                found = await asyncio.shield(answer)
        except TimeoutError as error:
            raise StoreError("store: no answer in time") from error
        if lost:
            raise StoreError("store: the answer was lost")
        return found

    async def migrate(self) -> Sequence[str]:
        return []

    async def insert(
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
    ) -> int:
        return await self._ask(lambda: self.store.insert(kind, rows, places, covered, epoch))

    async def insert_encoded(
        self, kind: DataKind, groups: Sequence[EncodedRows], covered: StreamRange, epoch: int
    ) -> int:
        return await self._ask(lambda: self.store.insert_encoded(kind, groups, covered, epoch))

    async def insert_columns(self, kind: DataKind, rows: pa.Table, seq: int, covered: StreamRange, epoch: int) -> int:
        return await self._ask(lambda: self.store.insert_columns(kind, rows, seq, covered, epoch))

    async def bury(self, dead: Sequence[DeadRow]) -> None:
        await self._ask(lambda: self.store.bury(dead))

    async def close(self) -> None:
        return None

    async def identity(self) -> str:
        return await self._ask(self.ledger.identity)

    async def watermark(self, stream: str, created: str) -> StoreMark | None:
        return await self._ask(lambda: self.ledger.watermark(stream, created))

    async def record(self, stream: str, created: str, mark: StoreMark, leads: Callable[[], bool]) -> None:
        """As SqlLedger: stamped first, then the lease is looked at."""
        self._asked += 1
        if not leads():
            raise StoreError("store: recorded by who leads")
        asked = self._asked

        async def do() -> None:  # as SqlLedger: a record is of when it was asked for, whenever it is done
            if asked > self._done.get((stream, created), 0):
                self._done[stream, created] = asked
                await self.ledger.record(stream, created, mark)

        await self._ask(do)

    async def holds(self, stream: str) -> bool:
        return await self._ask(lambda: self.ledger.holds(stream))
