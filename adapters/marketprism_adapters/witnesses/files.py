"""A file of bars as a witness."""

from __future__ import annotations

import asyncio

import pyarrow as pa

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.errors import QueryError, SourceError
from marketprism_application.history.file_rows import rows_of
from marketprism_application.history.targets import target_of
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.ports.imports import FileSeries, RowsFile
from marketprism_application.ports.witnesses import WitnessRows
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.sessions.calendar import MarketCalendar

_PLACE = ("ts_open", "ts_close", "trading_day")


class FileWitness:
    """Fulfils `Witness` by one series of a file, whose rows are read once, when they are first asked for."""

    name = "file"
    is_remote = False

    def __init__(self, file: RowsFile, series: FileSeries, calendar: MarketCalendar, now_ns: int) -> None:
        self._file, self._series, self._calendar, self._now_ns = file, series, calendar, now_ns
        self._tables: dict[str, pa.Table] = {}
        self._reading = asyncio.Lock()

    def knows(self, dataset: Dataset) -> bool:
        """Whether the file has bars of this instrument and interval."""
        series = self._series
        return KINDS[dataset.kind].has_interval and (series.venue, series.symbol, series.interval) == (
            dataset.venue,
            dataset.symbol,
            dataset.interval,
        )

    async def bars(self, dataset: Dataset) -> WitnessRows:
        """The rows of the range, with the columns that the file has."""
        async with self._reading:
            if dataset.kind not in self._tables:
                self._tables[dataset.kind] = await asyncio.to_thread(self._read, dataset.kind)
        table = self._tables[dataset.kind]
        times = table.column("ts_open").to_numpy()
        inside = (times >= dataset.ts_from) & (times < dataset.ts_to)
        return WitnessRows(table.filter(pa.array(inside)))

    def _read(self, kind: str) -> pa.Table:
        try:
            target = target_of(self._file.facts, self._series, kind)
            parts = []
            for part in rows_of(self._file, self._series, target, self._calendar, CheckAsked(self._now_ns)):
                columns = [name for name in part.table.column_names if name in part.given or name in _PLACE]
                parts.append(part.table.select(columns))
        except QueryError as error:
            raise SourceError(str(error), refused=True) from error
        return pa.concat_tables(parts) if parts else schema_of(kind).empty_table()

    def cost(self, dataset: Dataset) -> tuple[int, float]:  # noqa: ARG002 (the port's form)
        """One look, however long."""
        return 1, 0.0


__all__ = ["FileWitness"]
