"""What a stage could not read any more, or does not take: metrics, events and health, while it is news."""

from __future__ import annotations

import time
from collections.abc import Callable

from marketprism_domain.events.pipeline import StreamReplaced, StreamTruncated
from marketprism_sdk.observability import Metrics
from marketprism_sdk.streams import InputCut

TRUNCATED_S = 300.0
OUT_OF_CHAIN_S = 60.0


class InputLosses:
    """Of one service. `events` are to be published by whoever has the connection."""

    def __init__(
        self, service: str, stream: str, metrics: Metrics, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._service = service
        self._stream = stream
        self._metrics = metrics
        metrics.begin("truncated_gaps_total")
        self._now_s = now_s
        self._truncated_at = self._chain_at = float("-inf")
        self.events: list[object] = []

    def cut(self, partition: int, cut: InputCut) -> None:
        """A stage goes on behind a cut. Only a stream that was made anew is news by itself: most cuts took nothing."""
        self._metrics.count("input_cuts_total", replaced=str(bool(cut.log)).lower())
        if cut.log:
            self._truncated_at = self._now_s()
            reader = f"{self._service}.{partition}"
            self.events.append(StreamReplaced(self._stream, reader, cut.wanted, cut.first, cut.reason))

    def gaps(self, partition: int, count: int, cut: InputCut | None) -> None:
        """Instruments of a partition have lost something to a cut, or to a session that was joined; gaps name it."""
        self._truncated_at = self._now_s()
        self._metrics.count("truncated_gaps_total", count)
        if cut is not None:
            self._metrics.count("stream_truncated_total", stream=self._stream)
            reader = f"{self._service}.{partition}"
            self.events.append(StreamTruncated(self._stream, reader, cut.wanted, cut.first))

    def out_of_chain(self, source: str, ticks: int) -> None:
        """A message was not taken."""
        self._chain_at = self._now_s()
        self._metrics.count("out_of_chain_messages_total", source=source)
        self._metrics.count("out_of_chain_ticks_total", ticks, source=source)

    async def health(self) -> str:
        """Degraded for some minutes after a loss, and while messages are out of chain."""
        now = self._now_s()
        recent = now - self._truncated_at < TRUNCATED_S or now - self._chain_at < OUT_OF_CHAIN_S
        return "degraded" if recent else "healthy"
