"""The names of what is known, kept for a moment: patterns and names that are written otherwise ask for them often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from marketprism_application.contracts.questions import Names, StoreQuestion
from marketprism_application.ports.reading import StoreReader

if TYPE_CHECKING:
    import pyarrow as pa

_TTL_S = 5.0


class NamesReader:
    """Fulfils `StoreReader`: another reader's answers, that to `Names` at most `ttl_s` old."""

    def __init__(self, reader: StoreReader, ttl_s: float = _TTL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._ttl_s = ttl_s
        self._clock = clock
        self._names: pa.Table | None = None
        self._since = 0.0
        self._asking = asyncio.Lock()

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """The other reader's answer. Raises StoreError: as the other reader."""
        if not isinstance(question, Names):
            return await self._reader.answer(question)
        async with self._asking:
            if self._names is None or self._clock() - self._since > self._ttl_s:
                self._names = await self._reader.answer(question)
                self._since = self._clock()
            return self._names
