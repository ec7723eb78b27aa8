"""The way of rows of the past into the store."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class SeriesKey(NamedTuple):
    """One stored series: a kind of data of an instrument, of bars and klines one interval."""

    kind: str
    venue: str
    symbol: str
    interval: str = ""


class HistoryLog(Protocol):
    """The log that the storage reads blocks of history from, as one who writes a series into it sees it.

    Raises:
        ImportTaken: somebody else writes blocks of the instrument. StorageSilent: the storage takes nothing.
    """

    async def join(self, series: SeriesKey) -> None:
        """From now on this one writes the series: what was published of it, live or as a block, is in the store."""
        ...

    async def publish(self, data: bytes) -> None:
        """A block of the series that was joined; waits where too many bytes are not stored yet."""
        ...

    async def settled(self) -> None:
        """Every block that was published is in the store."""
        ...

    @property
    def block_bytes(self) -> int:
        """How large a block may be."""
        ...
