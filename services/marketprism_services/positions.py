"""How far each source is in the raw log (KV `source_positions`); only saves work, see ADR 6."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from marketprism_adapters.nats import streams
from marketprism_application.contracts.subjects import escape
from marketprism_application.ports import MarketSource, PlayedSource
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue


class SourcePosition(msgspec.Struct):
    """One source; `error` says why it cannot go on, under the name `source`."""

    source: str
    position: int = 0
    rows: int = 0
    finished: bool = False
    skipped: dict[str, int] = {}
    error: str = ""


class Positions:
    """Positions of the sources of a gateway."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int) -> Positions:
        """The bucket, made if need be."""
        return cls(await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS, replicas=replicas))

    async def known(self) -> dict[str, int]:
        """Position by source."""
        found = [msgspec.msgpack.decode(e.value, type=SourcePosition) for e in await self._bucket.entries()]
        return {position.source: position.position for position in found}

    async def save(self, positions: Mapping[str, int]) -> None:
        """Where the sources are."""
        for source, position in positions.items():
            await self._put(SourcePosition(source, position, position))

    async def fail(self, reason: str) -> None:
        """The source cannot go on."""
        await self._put(SourcePosition("source", error=reason))

    async def finish(self, source: MarketSource, positions: Mapping[str, int], known: Mapping[str, int]) -> None:
        """Everything of the sources is in the raw log and acknowledged."""
        played = source if isinstance(source, PlayedSource) else None
        counts = played.rows if played is not None else {}
        skipped = played.skipped if played is not None else {}
        for number, name in enumerate(sorted({*counts, *positions})):
            position = max(positions.get(name, 0), known.get(name, 0))
            rows = counts.get(name, position)
            # Rows that are no tick are counted once, on the first source.
            await self._put(SourcePosition(name, position, rows, finished=True, skipped=skipped if not number else {}))

    async def _put(self, position: SourcePosition) -> None:
        await self._bucket.put(escape(position.source), msgspec.msgpack.encode(position))
