"""Where a gateway's leader puts what its source delivers: ticks into the raw log, everything else into MARKET_DATA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketprism_application.contracts.packed import Packed
from marketprism_application.contracts.venue_messages import Message
from marketprism_application.ports.gateway import MarketDataLog, RawLog
from marketprism_application.ports.sources import MarketSource, ResumePoint, resumable_source


class Outlet:
    """Both logs of one leader."""

    def __init__(self, raw: RawLog, data: MarketDataLog) -> None:
        self._raw = raw
        self._data = data
        self._names_holes = False  # the source itself does, whoever read it before

    async def resume(self, source: MarketSource, known: Mapping[str, int]) -> ResumePoint | None:
        """Let a source that can go on where its last reader left off, which is returned; None for any other source.

        `known` is when the position of each source was last saved.
        """
        resumed = resumable_source(source)
        if resumed is None:
            return None
        resume_point = await self._data.resume_point(
            resumed.venue_name, resumed.resumable, known.get(resumed.source, 0)
        )
        resumed.resume(resume_point)
        self._names_holes = True
        return resume_point

    async def send(self, packed: Sequence[tuple[int, Packed]], messages: Sequence[Message], resumed: int) -> None:
        """One batch of the source; see `RawLog.send`. Its ticks first: somebody waits for them."""
        await self._raw.send(packed, 0 if self._names_holes else resumed)
        await self._data.send(messages)

    async def flush(self) -> None:
        """Everything sent is in the streams."""
        await self._data.flush()
        await self._raw.flush()

    async def close(self) -> None:
        """Close both publishers; `flush` before says that everything is stored."""
        await self._data.close()
        await self._raw.close()


__all__ = ["Outlet"]
