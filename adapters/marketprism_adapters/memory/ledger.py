"""StoreLedger in memory."""

from __future__ import annotations

from marketprism_application.contracts.kinds import KINDS


class MemoryLedger:
    """Fulfils `StoreLedger`. `name` is the store's identity; `rows` counts the rows of a kind's table."""

    def __init__(self, name: str = "memory", rows: dict[str, int] | None = None) -> None:
        self.name = name
        self.rows = rows if rows is not None else {}
        self.watermarks: dict[tuple[str, str], int] = {}

    async def identity(self) -> str:
        """The store's own name."""
        return self.name

    async def watermark(self, stream: str, created: str) -> int | None:
        """As it was recorded last."""
        return self.watermarks.get((stream, created))

    async def record(self, stream: str, created: str, watermark: int) -> None:
        """Everything up to here is stored."""
        self.watermarks[stream, created] = watermark

    async def holds(self, stream: str) -> bool:
        """Whether any table of the stream has a row."""
        return any(count and KINDS[name].stream == stream for name, count in self.rows.items())
