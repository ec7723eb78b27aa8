"""What a gateway's session says of itself: as metrics and lines of the log, and in the registry."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog

from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import ResumePoint
from marketprism_sdk.observability import Metrics
from marketprism_services.stages.tick_stages import RECEIVE, TickStages

log = structlog.get_logger()


class Announce(Protocol):
    """`Service.announce`."""

    def __call__(self, status: str, **metadata: Any) -> Awaitable[None]: ...


class SourceSilence:
    """For how long a source brings nothing that is to come. Trying to connect again ends no silence."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due_since: float | None = None
        self._due = False

    def seconds(self, last_data_s: float, *, due: bool) -> float:
        """Since the last data, or since they are `due`: a morning does not count from the evening before, and a source
        that never brings anything is silent too. 0 before they are due for the first time."""
        now = self._clock()
        if due and not self._due:
            self._due_since = now
        self._due = due
        return 0.0 if self._due_since is None else max(0.0, now - max(self._due_since, last_data_s))


class SessionWatch:
    """Fulfils `SessionObserver`: metrics, and lines of the log."""

    def __init__(self, metrics: Metrics, venue: str) -> None:
        self._metrics = metrics
        self.stages: TickStages = TickStages(metrics, RECEIVE)
        self._venue = venue
        metrics.begin("messages_received_total", "ticks_received_total")
        metrics.begin("events_not_published_total", "source_retries_total")

    def received(self, messages: int, ticks: int) -> None:
        self._metrics.count("messages_received_total", messages)
        self._metrics.count("ticks_received_total", ticks)

    def took(self, seconds: float) -> None:
        self.stages.took(RECEIVE, seconds)

    def refused(self, reason: str, frames: int) -> None:
        """Count them by reason."""
        self._metrics.count("frames_refused_total", frames, venue=self._venue, reason=reason)

    def resumed(self, resume_point: ResumePoint) -> None:
        log.info(
            "source.resumed",
            since=resume_point.since,
            trades=len(resume_point.trades),
            sent_again=len(resume_point.recent),
        )

    def subscribed(self, added: int, removed: int) -> None:
        log.info("subscriptions.changed", added=added, removed=removed)

    def events_lost(self, names: Sequence[str], error: Exception) -> None:
        """Count and log them."""
        self._metrics.count("events_not_published_total", len(names))
        text = f"{type(error).__name__}: {error}"[:500]
        log.error("events.not_published", error=text, events=list(names), exc_info=error)

    def retrying(self, error: SourceError, delay_s: float | None) -> None:
        """Count and log it."""
        log.warning("source.away", error=str(error), delay_s=delay_s)
        self._metrics.count("source_retries_total")


class RegistryStatus:
    """Fulfils `SessionStatus`: what the registry says of the gateway."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce

    async def waiting(self, epoch: int, until: int | None) -> None:
        """Active, and not connected."""
        await self._announce("active", epoch=epoch, connection="waiting", until=until or 0)
        log.info("connection.not_wanted", until=until)

    async def wanted(self, epoch: int) -> None:
        """Active, and connected as far as the source lets it."""
        await self._announce("active", epoch=epoch, connection="")

    async def finished(self, ticks: int) -> None:
        """Finished, with the number of ticks."""
        await self._announce("finished", ticks=ticks)

    async def failed(self, error: SourceError) -> None:
        """Failed, until an operator has mended it."""
        log.error("source.failed", error=str(error))
        await self._announce("failed", error=str(error))


__all__ = ["RegistryStatus", "SessionWatch", "SourceSilence"]
