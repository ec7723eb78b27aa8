"""What a gateway shows of its source: numbers for metrics, books for who asks."""

from __future__ import annotations

from marketprism_adapters.capture.tap import CaptureTap
from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_application.ports.sources import MarketSource, book_source, counting_source, live_source
from marketprism_sdk.observability import Metrics
from marketprism_sdk.service import rpc


def watch_source(metrics: Metrics, source: MarketSource, tap: CaptureTap | None) -> None:
    """Metrics of what a source and its capture count by themselves."""
    live = live_source(source)
    if live is not None:
        # Ticks that found the source's queue full.
        metrics.watch("source_ticks_dropped_total", lambda: float(live.dropped))
        metrics.watch("source_queue_deepest", lambda: float(live.deepest))
    counting = live or counting_source(source)
    if counting is not None:
        metrics.watch("source_messages_skipped_total", lambda: float(sum(counting.skipped.values())))
    keeper = book_source(source)
    if keeper is not None:
        for name in keeper.figures():
            metrics.watch(f"source_{name}", lambda name=name: keeper.figures().get(name, 0.0))  # type: ignore[misc]
    if tap is not None:
        metrics.watch("captured_frames_total", lambda: tap.frames)
        metrics.watch("capture_frames_dropped_total", lambda: tap.dropped)
        metrics.watch("capture_failures_total", lambda: tap.failures)


def streams_of(source: MarketSource) -> list[dict[str, object]]:
    """Each stream of a source that watches them; none of the others."""
    keeper = book_source(source)
    return keeper.streams() if keeper is not None else []


class BookAnswers:
    """Answers for the books of a source, of which only the leader has any."""

    def __init__(self, source: MarketSource) -> None:
        self._source = source

    @rpc("orderbook")
    async def orderbook(self, request: BookRequest) -> BookView | None:
        """The book as it stands; None when this gateway has no such book."""
        keeper = book_source(self._source)
        return keeper.book(request.venue, request.symbol, request.depth or None) if keeper is not None else None


__all__ = ["BookAnswers", "streams_of", "watch_source"]
