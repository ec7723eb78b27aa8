"""A reader that asks another one: what stands between the two overrides what it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.questions import InstrumentSearch
from marketprism_application.ports.reading import MarketReader, RangeQuery

if TYPE_CHECKING:
    import pyarrow as pa


class ReaderOver:
    """Fulfils `MarketReader` by another."""

    def __init__(self, reader: MarketReader) -> None:
        self._reader = reader

    async def records(self, kind: DataKind, query: RangeQuery) -> pa.Table:
        """One page of one instrument."""
        return await self._reader.records(kind, query)

    async def latest(self, kind: DataKind, symbols: Sequence[str]) -> pa.Table:
        """Newest row per symbol and venue."""
        return await self._reader.latest(kind, symbols)

    async def symbols(self) -> pa.Table:
        """What is there."""
        return await self._reader.symbols()

    async def daily(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """Trading days of one instrument."""
        return await self._reader.daily(symbol, ts_from, ts_to)

    async def statistics(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """Sums over a range."""
        return await self._reader.statistics(symbol, ts_from, ts_to)

    async def instruments(self, search: InstrumentSearch) -> pa.Table:
        """Contract terms."""
        return await self._reader.instruments(search)

    async def audit(self, sources: Sequence[str]) -> pa.Table:
        """Counts per source."""
        return await self._reader.audit(sources)
