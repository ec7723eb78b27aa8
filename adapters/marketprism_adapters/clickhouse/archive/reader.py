"""StoreReader over hot and cold rows: the answer is the same wherever a row lies.

A question that no cold unit can have a row of never touches the cold place. Of those that ask for the first or the last
rows, units are read one after another until none that is left could have a nearer row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from marketprism_adapters.clickhouse.archive.hot import columns_of_tables, hot_partitions
from marketprism_adapters.clickhouse.archive.sources import TableSource, over, part_of, tables_of
from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.sql.parameters import Params, Statement
from marketprism_adapters.clickhouse.sql.queries import statement
from marketprism_application.archiving.layout import ARCHIVABLE
from marketprism_application.archiving.reach import Reach, files_in, may_hold, reach_of, rows_in, spans_of
from marketprism_application.archiving.units import KnownUnits, Records
from marketprism_application.contracts.archive_records import ColdCopy
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.overview_questions import Coverage
from marketprism_application.contracts.questions import Latest, StoreQuestion
from marketprism_application.contracts.questions import Records as RecordsQuestion
from marketprism_application.contracts.tiers import Tiers, with_tiers
from marketprism_application.errors import ColdAwayError, StoreError
from marketprism_application.ports.archive import ColdAddress, Columns

if TYPE_CHECKING:
    import pyarrow as pa

Copies = Mapping[tuple[str, str], ColdCopy]  # by table and partition
_MORE = 4  # so many times as many units are read each time that those before were not enough


class TieredReader:
    """Fulfils `StoreReader`. `place` is what people are told of where cold files lie; `on_cold` gets how many units an
    answer took."""

    def __init__(
        self,
        engine: Engine,
        known: KnownUnits,
        address: Callable[[str], ColdAddress],
        place: str,
        on_cold: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._known = known
        self._address = address
        self._place = place
        self._on_cold = on_cold
        self._plain = SqlReader(engine)
        self._columns: dict[str, Columns] = {}

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """As its class says, over all rows; it says where these lay (`tiers_of`).

        Raises:
            ColdAwayError: cold rows are needed and cannot be read. StoreError: engine trouble, or a limit exceeded.
        """
        asked = statement(question)
        if not isinstance(asked, Statement):
            return asked
        with self._reading() as records:
            reach, tables = reach_of(question), tables_of(asked.text)
            copies = _copies(records, tables, reach)
            if not copies:
                return with_tiers(await self._plain.answer(question), _tiers(records, tables, ()))
            asking = _Asking(self, asked, reach, copies, await self._hot())
            return with_tiers(await asking.answer(question), _tiers(records, tables, asking.read))

    async def fetch(self, statement: str, params: Params | None = None) -> pa.Table:
        """Result of a statement over tables, of their cold rows too. Raises as `answer`."""
        with self._reading() as records:
            copies = _copies(records, tables_of(statement), Reach())
            asked = Statement(statement, params or {}, lambda table: table)
            return await self.ask(asked, Reach(), copies, await self._hot() if copies else frozenset())

    @contextmanager
    def _reading(self) -> Iterator[Records]:
        if not self._known.complete:
            raise ColdAwayError(
                f"archive {self._place}: expected to know what is archived, not read yet", retryable=True
            )
        with self._known.reading() as records:
            yield records

    async def _hot(self) -> frozenset[tuple[str, str]]:
        if not self._columns:
            self._columns = await columns_of_tables(self._engine)
        return frozenset((each.table, each.partition) for each in await hot_partitions(self._engine))

    async def ask(self, asked: Statement, reach: Reach, copies: Copies, hot: frozenset[tuple[str, str]]) -> pa.Table:
        """The answer over the hot rows and these copies."""
        sources: dict[str, TableSource] = {}
        for table in {table for table, _ in copies}:
            units = {partition: copy for (each, partition), copy in sorted(copies.items()) if each == table}
            parts = tuple(
                part_of(partition, copy.columns, [file.path for file in files_in(copy, reach)], self._address)
                for partition, copy in units.items()
            )
            overlaid = frozenset(partition for partition in units if (table, partition) in hot)
            sources[table] = TableSource(self._columns[table], parts, overlaid)
        text, params = over(asked.text, sources, reach)
        try:
            found = await self._engine.fetch(text, {**asked.params, **params})
        except StoreError as error:
            if not copies:
                raise
            named = ", ".join(f"{table} {partition}" for table, partition in sorted(copies)[:5])
            more = f" and {len(copies) - 5} more" if len(copies) > 5 else ""
            text = f"archive {self._place}: expected to read {named}{more}: {error}"
            raise ColdAwayError(text, retryable=True) from error
        if copies:
            self._on_cold(len(copies))
        return asked.shape(found)


def _tiers(records: Records, tables: Collection[str], read: Collection[tuple[str, str]]) -> Tiers | None:
    """Where the rows of an answer about these tables lay; None where nothing of them is archived."""
    ends = [each.served.ts_last for (table, _), each in records.items() if table in tables and each.served is not None]
    return Tiers(max(ends), tuple(f"{table} {partition}" for table, partition in sorted(read))) if ends else None


def _copies(records: Records, tables: Collection[str], reach: Reach) -> Copies:
    return {
        key: record.served
        for key, record in records.items()
        if key[0] in tables and record.served is not None and may_hold(ARCHIVABLE[key[0]], record.served, reach)
    }


class _Asking:
    """One question: which of the copies it needs, found out by asking with few of them first."""

    def __init__(
        self, reader: TieredReader, asked: Statement, reach: Reach, copies: Copies, hot: frozenset[tuple[str, str]]
    ) -> None:
        self._reader = reader
        self._asked = asked
        self._reach = reach
        self._copies = copies
        self._hot = hot
        self.read: Collection[tuple[str, str]] = ()  # those that the answer was made of

    async def answer(self, question: StoreQuestion) -> pa.Table:
        match question:
            case RecordsQuestion():
                return await self._page(question)
            case Latest():
                return await self._with(self._newer_than(question, await self._with([])))
            case Coverage() if question.from_day is None and not self._reach.is_bounded:
                return await self._with(self._of_days(question, await self._with([])))
            case _:
                return await self._with(list(self._copies))

    async def _with(self, keys: Sequence[tuple[str, str]]) -> pa.Table:
        found = await self._reader.ask(self._asked, self._reach, {key: self._copies[key] for key in keys}, self._hot)
        self.read = keys
        return found

    async def _page(self, question: RecordsQuestion) -> pa.Table:
        time = KINDS[question.kind].time_field
        spans = {key: span for key, copy in self._copies.items() if (span := spans_of(copy, self._reach)) is not None}
        nearest = sorted(spans, key=lambda key: -spans[key][1] if question.last else spans[key][0])
        chosen: list[tuple[str, str]] = [] if question.last else self._enough(nearest, question.limit, 1)
        more = 1
        while True:
            found = await self._with(chosen)
            left = [key for key in nearest if key not in chosen]
            if found.num_rows >= question.limit and found.num_rows:
                edge = found.column(time)[0 if question.last else -1].as_py()
                left = [key for key in left if (spans[key][1] >= edge if question.last else spans[key][0] <= edge)]
            if not left:
                return found
            chosen += self._enough(left, question.limit - found.num_rows, more)
            more *= _MORE

    def _enough(self, nearest: Sequence[tuple[str, str]], rows: int, least: int) -> list[tuple[str, str]]:
        """The first units that have so many rows of the instruments together, or all; `least` of them."""
        chosen: list[tuple[str, str]] = []
        for key in nearest:
            if rows <= 0 and len(chosen) >= least:
                break
            chosen.append(key)
            rows -= rows_in(self._copies[key], self._reach)
        return chosen

    def _newer_than(self, question: Latest, found: pa.Table) -> list[tuple[str, str]]:
        """Units that can have a row which is newer than what was found of its instrument, or of one not found."""
        columns = (found.column(name).to_pylist() for name in ("symbol", "venue", "ts_event"))
        newest = {(symbol, venue): ts for symbol, venue, ts in zip(*columns, strict=True)}
        by_event = KINDS[question.kind].time_field == "ts_event"

        def may_be_newer(copy: ColdCopy) -> bool:
            if not copy.instruments or not by_event:
                return True
            return any(
                each.ts_last >= newest.get((each.symbol, each.venue), each.ts_last)
                for each in copy.instruments
                if each.symbol in question.symbols
            )

        return [key for key, copy in self._copies.items() if may_be_newer(copy)]

    def _of_days(self, question: Coverage, found: pa.Table) -> list[tuple[str, str]]:
        """Units with rows of the newest days that any instrument has bars of."""
        bars = zip(found.column("trading_day").to_pylist(), found.column("bars").to_pylist(), strict=True)
        days = sorted({str(day) for day, count in bars if count})
        if len(days) < question.days:
            return list(self._copies)
        return [key for key, copy in self._copies.items() if copy.days[1] >= days[-question.days]]


__all__ = ["TieredReader"]
