"""Which tiers an answer was made of, whatever was made of the rows in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketprism_application.contracts.questions import StoreQuestion
from marketprism_application.contracts.tiers import Tiers, joined, tiers_of, with_tiers
from marketprism_application.ports.reading import StoreReader

if TYPE_CHECKING:
    import pyarrow as pa


class NotedReader:
    """Fulfils `StoreReader`, of one question to the read side: notes where the rows of each answer of the other reader
    lay."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._noted: Tiers | None = None

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """The other reader's answer. Raises as that one."""
        found = await self._reader.answer(question)
        self._noted = joined((self._noted, tiers_of(found)))
        return found

    def mark(self, answer: pa.Table) -> pa.Table:
        """What was made of the answers, marked with where their rows lay."""
        return with_tiers(answer, self._noted)


__all__ = ["NotedReader"]
