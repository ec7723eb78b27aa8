"""A hole in a stream becomes gaps in the ledger: at once as wide as it can be, then up to what came behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import GAP
from marketprism_application.contracts.subjects import subject_of
from marketprism_application.errors import StoreError
from marketprism_application.ports.storage import StreamBounds
from marketprism_application.storage.stream_gaps import Hole, RowsLedger, kinds_of
from marketprism_domain.marketdata.gap import Gap
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.publisher import WindowPublisher

log = structlog.get_logger()

_LOOK_S = 5.0
_LOOKS = 120


class HoleNamer:
    """Publishes gaps on MARKET_EVENTS, from where they are stored like all others."""

    def __init__(self, connection: NatsConnection, ledger: RowsLedger) -> None:
        self._connection = connection
        self._ledger = ledger
        self._narrowing: set[asyncio.Task[None]] = set()

    async def name(self, stream: str, wanted: int, bounds: StreamBounds, epoch: int) -> int:
        """Name what is gone, before anything behind it is stored; how many gaps that are.

        Raises:
            StoreError: the store does not say where its rows end. SdkError: the gaps could not be published.
        """
        found: list[Gap] = []
        for kind in kinds_of(stream):
            ends = await self._ledger.ends(kind)
            if not ends:
                continue
            hole = Hole(kind, ends, wanted, bounds.first, bounds.ts_first or time.time_ns())
            found += hole.gaps(epoch, time.time_ns())
            task = asyncio.get_running_loop().create_task(self._narrow(hole, epoch))
            self._narrowing.add(task)
            task.add_done_callback(self._narrowing.discard)
        await self._publish(found)
        return len(found)

    async def _narrow(self, hole: Hole, epoch: int) -> None:
        """Until every instrument has gone on, or it is likely that the others do not."""
        for _ in range(_LOOKS):
            await asyncio.sleep(_LOOK_S)
            try:
                nexts = await self._ledger.nexts(hole.kind, hole.first, hole.ts_pub)
                await self._publish(hole.narrowed(nexts, epoch, time.time_ns()))
            except (StoreError, SdkError) as error:
                log.warning("gaps.not_narrowed", kind=hole.kind.name, error=str(error))
            if not hole.open:
                return

    async def _publish(self, gaps: Sequence[Gap]) -> None:
        if not gaps:
            return
        publisher = WindowPublisher(self._connection)
        await publisher.open()
        try:
            for gap in gaps:
                await publisher.publish(subject_of(GAP, gap), encode(GAP, gap), {"Nats-Msg-Id": _id(gap)})
            await publisher.flush(10)
        finally:
            await publisher.close()

    async def close(self) -> None:
        """End the tasks that narrow gaps, and wait for them."""
        for task in self._narrowing:
            task.cancel()
        await asyncio.gather(*self._narrowing, return_exceptions=True)


def _id(gap: Gap) -> str:
    return f"hole-{gap.venue}-{gap.symbol}-{gap.kind}-{gap.seq}-{gap.ts_from}-{gap.ts_to}"


__all__ = ["HoleNamer"]
