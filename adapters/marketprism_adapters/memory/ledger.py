"""StoreLedger in memory."""

from __future__ import annotations

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.ports.storage import StoreMark


class MemoryLedger:
    """Fulfils `StoreLedger`. `name` is the store's identity; `rows` counts the rows of a kind's table."""

    def __init__(self, name: str = "memory", rows: dict[str, int] | None = None) -> None:
        self.name = name
        self.rows = rows if rows is not None else {}
        self.watermarks: dict[tuple[str, str], StoreMark] = {}

    async def identity(self) -> str:
        """The store's own name."""
        return self.name

    async def watermark(self, stream: str, created: str) -> StoreMark | None:
        """As it was recorded last."""
        return self.watermarks.get((stream, created))

    async def record(self, stream: str, created: str, mark: StoreMark) -> None:
        """Everything up to here is stored."""
        self.watermarks[stream, created] = mark

    async def holds(self, stream: str) -> bool:
        """Whether any table of the stream has a row."""
        return any(count and KINDS[name].stream == stream for name, count in self.rows.items())
