"""How the store of a storage service is: what it waits for, what it fills again, what was lost lately."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marketprism_application.storage.writer import StreamWriter

OPENING = "store"
_ALARM_S = 5.0  # a store that is away for longer is unhealthy
_NOTED_S = 600.0  # a loss is shown for so long


@dataclass
class _Trouble:
    reason: str
    since: float
    attempts: int


class StoreState:
    """Collects it; `health` is the text of the service's check."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}
        self._notes: dict[str, tuple[str, float]] = {}
        self.writers: dict[str, StreamWriter] = {}
        self.migration: int = 0  # the newest that is applied; 0 while the store is not open
        self.disks: dict[str, dict[str, int]] = {}  # as Inventory.by_disk has them

    def away(self, what: str, reason: str) -> bool:
        """Something does not work; whether that, or this reason, is news."""
        known = self._troubles.get(what)
        if known is None:
            self._troubles[what] = _Trouble(reason, self._clock(), 1)
            return True
        news = known.reason != reason
        known.reason, known.attempts = reason, known.attempts + 1
        return news

    def well(self, what: str) -> float | None:
        """It works; for how many seconds it did not, None when it did."""
        known = self._troubles.pop(what, None)
        return None if known is None else self._clock() - known.since

    def note(self, what: str, text: str) -> None:
        """Something was lost: shown for a while."""
        self._notes[what] = (text, self._clock() + _NOTED_S)

    def clear(self) -> None:
        """This service no longer has the store; that it could not open it remains."""
        self._troubles = {what: trouble for what, trouble in self._troubles.items() if what == OPENING}
        self.writers.clear()
        self.migration = 0

    def health(self) -> str:
        """healthy, degraded or unhealthy, with the reason."""
        now = self._clock()
        for what, trouble in self._troubles.items():
            status = "unhealthy" if now - trouble.since >= _ALARM_S else "degraded"
            return f"{status}: {trouble.reason}" if what == OPENING else f"{status}: {what}: {trouble.reason}"
        filling = self.refilling()
        if filling:
            behind = ", ".join(f"{stream} at {at} of {to}" for stream, (at, to) in filling.items())
            return f"degraded: filling the store again from the streams: {behind}"
        self._notes = {what: note for what, note in self._notes.items() if note[1] > now}
        for what, (text, _) in self._notes.items():
            return f"degraded: {what}: {text}"
        return "healthy"

    def refilling(self) -> Mapping[str, tuple[int, int]]:
        """By stream: how far, of how far."""
        return {
            stream: (writer.watermark, writer.refilling_to)
            for stream, writer in self.writers.items()
            if writer.refilling_to
        }

    def snapshot(self) -> dict[str, Any]:
        """Health, watermarks, refills and disks as plain values, for `/status`."""
        return {
            "health": self.health(),
            "migration": self.migration,
            "watermarks": {stream: writer.watermark for stream, writer in self.writers.items()},
            "refilling": {stream: list(of) for stream, of in self.refilling().items()},
            "disks": self.disks,
            "away": {what: trouble.reason for what, trouble in self._troubles.items()},
        }


__all__ = ["OPENING", "StoreState"]
