"""StoreReader over any engine that speaks ClickHouse's SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.sql.parameters import Statement
from marketprism_adapters.clickhouse.sql.queries import statement
from marketprism_application.contracts.questions import StoreQuestion

if TYPE_CHECKING:
    import pyarrow as pa


class SqlReader:
    """Fulfils `StoreReader`; `sql.queries` has the statement of each question."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """As its class says.

        Raises:
            StoreError: engine trouble, or a limit exceeded.
        """
        asked = statement(question)
        if not isinstance(asked, Statement):
            return asked
        return asked.shape(await self._engine.fetch(asked.text, asked.params))
