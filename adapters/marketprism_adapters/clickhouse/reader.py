"""StoreReader over any engine that speaks ClickHouse's SQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.sql.parameters import Statement
from marketprism_adapters.clickhouse.sql.queries import held, statement
from marketprism_adapters.clickhouse.stretches import Held, stretches
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import Records, StoreQuestion

if TYPE_CHECKING:
    import pyarrow as pa

_MANY_ROWS = 1_000_000  # fewer are read at once
_KNOWN_S = 60.0


class SqlReader:
    """Fulfils `StoreReader`; `sql.queries` has the statement of each question. Rows of a table that holds `many_rows`
    are looked for in stretches of time."""

    def __init__(
        self, engine: Engine, many_rows: int = _MANY_ROWS, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._many_rows = many_rows
        self._now_s = now_s
        self._held: dict[str, tuple[float, Held]] = {}  # by table

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """As its class says.

        Raises:
            StoreError: engine trouble, or a limit exceeded.
        """
        if isinstance(question, Records):
            what = await self._what_is_held(question.kind)
            if what.rows >= self._many_rows:
                return await self._in_stretches(question, what)
        return await self._whole(question)

    async def _whole(self, question: StoreQuestion) -> pa.Table:
        asked = statement(question)
        if not isinstance(asked, Statement):
            return asked
        return asked.shape(await self._engine.fetch(asked.text, asked.params))

    async def _in_stretches(self, question: Records, what: Held) -> pa.Table:
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        found: list[pa.Table] = []
        left = question.limit
        for each in stretches(question, what):
            table = await self._whole(msgspec.structs.replace(each, limit=left))
            found.append(table)
            left -= table.num_rows
            if left <= 0:
                break
        return pa.concat_tables(reversed(found) if question.last else found)

    async def _what_is_held(self, kind: str) -> Held:
        """As it was not long ago: it says where to look first, and no row is left out that came since."""
        table = KINDS[kind].table
        asked_s, what = self._held.get(table, (-_KNOWN_S, Held(0, 0, 0)))
        if self._now_s() - asked_s >= _KNOWN_S:
            (row,) = (await self._engine.fetch(held(KINDS[kind]))).to_pylist()
            what = Held(int(row["oldest"]), int(row["newest"]), int(row["rows"]))
            self._held[table] = (self._now_s(), what)
        return what
