"""Where the pipeline stands, read from what is durable: streams, checkpoints and watermarks.

Nothing here asks a running service: a service that is down or lying cannot make unfinished work look done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from marketprism_adapters.nats import streams
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import direct_get_last
from marketprism_sdk.ports import KeyValue
from marketprism_services.positions import SourcePosition
from marketprism_services.settings import PARTITIONS
from marketprism_services.stream_ranges import decode_progress


@dataclass
class Progress:
    """Counts so far, and the distance between each stage and its input in stream sequences."""

    finished: bool = False  # the source has ended and everything of it is in the raw stream
    rows: dict[str, int] = field(default_factory=dict)  # per source: rows read
    skipped: dict[str, int] = field(default_factory=dict)  # rows that are no tick, by reason
    accepted: int = 0
    stale: int = 0
    redelivered: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    bars: dict[str, int] = field(default_factory=dict)
    behind: dict[str, int] = field(default_factory=dict)
    error: str = ""  # why a source cannot go on
    away: str = ""  # why it cannot yet
    refused: dict[str, str] = field(default_factory=dict)  # instruments that are not subscribed, and why

    @property
    def done(self) -> bool:
        """Everything read is validated, aggregated and stored."""
        return self.finished and not any(self.behind.values())


class PipelineProbe:
    """Reads progress over a connection."""

    def __init__(self, connection: NatsConnection, positions: KeyValue, ranges: KeyValue) -> None:
        self._connection = connection
        self._positions = positions
        self._ranges = ranges

    async def read(self, sources: tuple[str, ...] = ()) -> Progress:
        """Progress of the given sources, of all when none is given."""
        progress = Progress()
        await self._read_source(progress, sources)
        await asyncio.gather(*(self._read_partition(progress, p, sources) for p in range(PARTITIONS)))
        for stream in (streams.TICKS, streams.BARS, streams.EVENTS):
            progress.behind[f"storage:{stream}"] = await self._store_lag(stream)
        return progress

    async def how(self) -> Progress:
        """How the sources are, and nothing else."""
        progress = Progress()
        await self._read_source(progress, ())
        return progress

    async def _read_source(self, progress: Progress, sources: tuple[str, ...]) -> None:
        found = [msgspec.msgpack.decode(entry.value, type=SourcePosition) for entry in await self._positions.entries()]
        records = [record for record in found if not record.group]
        for state in (record for record in found if record.group):
            progress.refused.update(state.refused)
            if state.retry:
                progress.away = progress.away or state.error
            else:
                progress.error = progress.error or state.error
        if sources:
            records = [record for record in records if record.source in sources]
        progress.finished = bool(records) and all(record.finished for record in records)
        progress.finished &= not sources or len(records) == len(sources)
        for record in records:
            progress.rows[record.source] = record.rows
            _add(progress.skipped, record.skipped)

    async def _read_partition(self, progress: Progress, partition: int, sources: tuple[str, ...]) -> None:
        raw, packed = await asyncio.gather(
            self._last(streams.RAW, f"market.raw.{partition}"),
            self._last(streams.TICKS, f"market.packed.{partition}"),
        )
        if raw is None:
            return
        validated = await self._checkpoint(streams.TICKS, streams.VALIDATOR_STAGE, partition)
        progress.behind[f"validator:{partition}"] = max(0, raw - validated.get("in_seq", 0))
        for source, counts in (validated.get("stats") or {}).items():
            if not sources or source in sources:
                progress.accepted += counts["accepted"]
                progress.stale += counts["stale"]
                progress.redelivered += counts["redelivered"]
                _add(progress.rejected, counts["rejected"])
        if packed is None:
            return
        aggregated = await self._checkpoint(streams.BARS, streams.AGGREGATOR_STAGE, partition)
        progress.behind[f"aggregator:{partition}"] = max(0, packed - aggregated.get("in_seq", 0))
        for source, counts in (aggregated.get("stats") or {}).items():
            if not sources or source in sources:
                _add(progress.bars, counts)

    async def _last(self, stream: str, subject: str) -> int | None:
        message = await direct_get_last(self._connection, stream, subject)
        return None if message is None else message.seq

    async def _checkpoint(self, stream: str, stage: str, partition: int) -> dict[str, Any]:
        message = await direct_get_last(self._connection, stream, f"stage.{stage}.{partition}.ck")
        return {} if message is None else msgspec.msgpack.decode(message.data)

    async def _store_lag(self, stream: str) -> int:
        subjects = streams.STORED[stream]
        lasts = await asyncio.gather(*(self._last(stream, subject) for subject in subjects))
        last = max((seq for seq in lasts if seq is not None), default=0)
        entry = await self._ranges.get(stream)
        stored = None if entry is None else decode_progress(entry.value)
        return max(0, last - (0 if stored is None else stored.watermark))


def _add(total: dict[str, int], part: dict[str, int]) -> None:
    for key, count in part.items():
        total[key] = total.get(key, 0) + count
