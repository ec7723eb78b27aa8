"""What the SQL adapters need of an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from marketprism_adapters.clickhouse.sql.schema import Insert

if TYPE_CHECKING:
    import pyarrow as pa


class Fetching(Protocol):
    """Answers statements. Raises StoreError."""

    async def fetch(self, statement: str, params: dict[str, Any] | None = None) -> pa.Table:
        """Result of a statement."""
        ...


class Engine(Fetching, Protocol):
    """Runs statements. Raises RowError for what a value is, StoreError for everything else. `reads_arrow` says whether
    it takes the columns of an Arrow table as they are, so that they cost it less than MessagePack."""

    reads_arrow: ClassVar[bool]

    async def execute(self, statement: str, params: dict[str, Any] | None = None) -> None:
        """Run a statement without a result."""
        ...

    async def insert(self, what: Insert, rows: pa.Table) -> None:
        """Run an insert of an Arrow table."""
        ...

    async def insert_encoded(self, what: Insert, rows: bytes) -> None:
        """Run an insert of MessagePack values."""
        ...

    async def close(self) -> None:
        """Close connections, or the embedded directory: another process can open it then."""
        ...
