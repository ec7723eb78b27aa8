"""What the writer of a stream meets, told: log, metrics, events, health."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.stream_holes import HoleNamer
from marketprism_application.ports.storage import StreamBounds
from marketprism_application.storage.progress import OF_STORE, Beginning
from marketprism_application.storage.writer import Progress, WriterHooks
from marketprism_domain.events.pipeline import (
    BarsStoredToClickHouse,
    StoreReplaced,
    StreamTruncated,
    WatermarkRebuilt,
)
from marketprism_sdk.observability import Metrics
from marketprism_services.storage.store_health import StoreState

log = structlog.get_logger()

OnRetry = Callable[[int, float, str], None]  # attempt, pause in seconds, reason


class StorageHooks(WriterHooks):
    """Of one stream; `tell` publishes an event, `heard` takes what was tried in vain."""

    def __init__(
        self,
        stream: str,
        state: StoreState,
        metrics: Metrics,
        tell: Callable[[object], None],
        holes: HoleNamer,
        epoch: int,
        on_retry: OnRetry,
    ) -> None:
        self._stream = stream
        self._state = state
        self._metrics = metrics
        self._tell = tell
        self._holes = holes
        self._epoch = epoch
        self._on_retry = on_retry

    def retry(self, attempt: int, pause_s: float, reason: str) -> None:
        """The store is away."""
        self._on_retry(attempt, pause_s, reason)

    def well(self) -> None:
        """The store did what it was asked."""
        away_s = self._state.well(self._stream)
        if away_s is not None:
            log.info("store.restored", stream=self._stream, away_s=round(away_s, 1))

    def batch(self, rows: int, seconds: float, dead: int) -> None:
        """A range is stored."""
        self._metrics.count("rows_stored_total", rows, stream=self._stream)
        self._metrics.observe("store_batch_seconds", seconds, stream=self._stream)
        self._metrics.observe("store_batch_rows", rows, stream=self._stream)
        if self._stream == streams.BARS and rows > dead:
            self._tell(BarsStoredToClickHouse(rows - dead))
        if dead:
            self._metrics.count("dead_rows_total", dead, stream=self._stream)
            log.warning("rows.dead_lettered", stream=self._stream, rows=dead)

    async def begun(self, begin: Beginning, was: Progress | None, store: str) -> None:
        """The writer begins elsewhere than where the last one ended."""
        known = was or Progress()
        self._metrics.count("store_refills_total", stream=self._stream, reason=begin.reason)
        log.error(
            "watermark.moved",
            stream=self._stream,
            reason=begin.reason,
            store=store,
            was=known.store,
            watermark=known.watermark,
            start=begin.watermark,
        )
        if begin.reason in OF_STORE:
            self._tell(StoreReplaced(self._stream, store, known.store, begin.reason, known.watermark, begin.watermark))
        else:
            self._tell(WatermarkRebuilt(self._stream, store, begin.reason, known.watermark, begin.watermark))

    async def truncated(self, wanted: int, bounds: StreamBounds) -> None:
        """The stream let messages go before they were stored."""
        lost = f"{wanted} to {bounds.first - 1} left the stream before they were stored"
        self._metrics.count("stream_truncated_total", stream=self._stream)
        self._state.note(self._stream, lost)
        gaps = await self._holes.name(self._stream, wanted, bounds, self._epoch)
        self._tell(StreamTruncated(self._stream, "storage", wanted, bounds.first))
        log.error("stream.truncated", stream=self._stream, wanted=wanted, first=bounds.first, gaps=gaps)


__all__ = ["OnRetry", "StorageHooks"]
