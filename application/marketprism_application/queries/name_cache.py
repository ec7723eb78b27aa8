"""The names of what is known, kept for a moment: patterns and names that are written otherwise ask for them often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from marketprism_application.contracts.questions import Names, StoreQuestion
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.symbol_names import NameIndex, StoredName

if TYPE_CHECKING:
    import pyarrow as pa

_TTL_S = 5.0


class NamesReader:
    """Fulfils `StoreReader`: another reader's answers, that to `Names` at most `ttl_s` old.

    Whoever asks for the names while they are asked for gets that answer, or that failure: a store that is away is not
    waited for by one after another.
    """

    def __init__(
        self,
        reader: StoreReader,
        ttl_s: float = _TTL_S,
        clock: Callable[[], float] = time.monotonic,
        prepare: Callable[[Iterable[StoredName]], NameIndex] = NameIndex,
    ) -> None:
        self._reader = reader
        self._ttl_s = ttl_s
        self._clock = clock
        self._prepare = prepare
        self._names: pa.Table | None = None
        self._since = 0.0
        self._asking: asyncio.Task[pa.Table] | None = None
        self._index: tuple[pa.Table, NameIndex] | None = None
        self._preparing = asyncio.Lock()

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """The other reader's answer. Raises StoreError: as the other reader."""
        if not isinstance(question, Names):
            return await self._reader.answer(question)
        if self._names is not None and self._clock() - self._since <= self._ttl_s:
            return self._names
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="names")
            self._asking.add_done_callback(self._answered)
        return await asyncio.shield(self._asking)  # who gives up leaves it to the others

    async def index(self) -> NameIndex:
        """The names, prepared in a thread; again only when they are others. Raises StoreError: as the other reader."""
        names = await self.answer(Names())
        async with self._preparing:
            if self._index is None or not self._index[0].equals(names):
                self._index = names, await asyncio.to_thread(self._prepared, names)
            return self._index[1]

    def _prepared(self, names: pa.Table) -> NameIndex:
        columns = (names.column(field).to_pylist() for field in StoredName._fields)
        return self._prepare(map(StoredName._make, zip(*columns, strict=True)))

    async def _ask(self) -> pa.Table:
        self._names = await self._reader.answer(Names())
        self._since = self._clock()
        return self._names

    def _answered(self, asking: asyncio.Task[pa.Table]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # each who waits gets it; where nobody does any more, it is no loss
