"""MarketReader over any engine that speaks ClickHouse's SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from marketprism_adapters.clickhouse.sql import queries, tick_bars
from marketprism_adapters.clickhouse.sql.columns import from_engine
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_application.contracts.kinds import INSTRUMENT, DataKind
from marketprism_application.contracts.questions import InstrumentSearch, Sections
from marketprism_application.ports.reading import RangeQuery

if TYPE_CHECKING:
    import pyarrow as pa


class SqlReader:
    """Fulfils `MarketReader`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def records(self, kind: DataKind, query: RangeQuery) -> pa.Table:
        """One page of one instrument, oldest first."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        statement, params = queries.records(kind, query)
        found = from_engine(kind, await self._engine.fetch(statement, params))
        return found.take(pa.array(range(found.num_rows - 1, -1, -1), pa.int64())) if query.last else found

    async def latest(self, kind: DataKind, symbols: Sequence[str]) -> pa.Table:
        """Newest row per symbol and venue."""
        from marketprism_application.queries.arrow_tables import schema_of  # noqa: PLC0415 (loads pyarrow)

        if not symbols:
            return schema_of(kind.name).empty_table()
        statement, params = queries.latest(kind, list(symbols))
        return from_engine(kind, await self._engine.fetch(statement, params))

    async def symbols(self) -> pa.Table:
        """What is there."""
        from marketprism_application.queries.arrow_tables import SYMBOLS  # noqa: PLC0415 (loads pyarrow)

        return (await self._engine.fetch(queries.SYMBOLS)).select(SYMBOLS.names).cast(SYMBOLS)

    async def audit(self, sources: Sequence[str]) -> pa.Table:
        """Counts per source."""
        from marketprism_application.queries.arrow_tables import AUDIT  # noqa: PLC0415 (loads pyarrow)

        if not sources:
            return AUDIT.empty_table()
        statement, params = queries.audit(list(sources))
        return (await self._engine.fetch(statement, params)).select(AUDIT.names).cast(AUDIT)

    async def daily(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """Trading days of one instrument."""
        from marketprism_application.queries.daily import COLUMNS as DAYS  # noqa: PLC0415 (loads pyarrow)

        statement, params = queries.daily(symbol, ts_from, ts_to)
        return (await self._engine.fetch(statement, params)).select(DAYS.names).cast(DAYS)

    async def statistics(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """Sums over a range."""
        from marketprism_application.queries.statistics import COLUMNS as STATISTICS  # noqa: PLC0415 (loads pyarrow)

        statement, params = queries.statistics(symbol, ts_from, ts_to)
        return (await self._engine.fetch(statement, params)).select(STATISTICS.names).cast(STATISTICS)

    async def instruments(self, search: InstrumentSearch) -> pa.Table:
        """Contract terms."""
        statement, params = queries.instruments(search)
        return from_engine(INSTRUMENT, await self._engine.fetch(statement, params))

    async def bars_of_ticks(self, symbol: str, venue: str, sections: Sections, width_ns: int) -> pa.Table:
        """Bars made of ticks by the engine."""
        from marketprism_application.queries.bars_from_ticks import COLUMNS as TICK_BARS  # noqa: PLC0415 (loads pyarrow)

        if not sections:
            return TICK_BARS.empty_table()
        statement, params = tick_bars.statement(symbol, venue, sections, width_ns)
        return (await self._engine.fetch(statement, params)).select(TICK_BARS.names).cast(TICK_BARS)
