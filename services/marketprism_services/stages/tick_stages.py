"""How long ticks take from stage to stage on their way to subscribers: as metrics, and of the last in `/status`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from marketprism_sdk.observability import Metrics

RECEIVE = "receive"  # from its receipt until its message is on its way to the raw log
RAW_LOG = "raw_log"  # from there until the validator takes it
VALIDATE = "validate"  # until its validated form is made
PUBLISH = "publish"  # until that is written to NATS

_RECENT = 1_000


class TickStages:
    """Of the stages that a service has."""

    def __init__(self, metrics: Metrics, *stages: str) -> None:
        self._metrics = metrics
        self._recent: dict[str, deque[float]] = {stage: deque(maxlen=_RECENT) for stage in stages}

    def took(self, stage: str, seconds: float) -> None:
        """One message of ticks more; clocks of two hosts may make it less than nothing, which counts as nothing."""
        seconds = max(0.0, seconds)
        self._metrics.observe("tick_stage_seconds", seconds, stage=stage)
        self._recent[stage].append(seconds)

    def status(self) -> dict[str, dict[str, float]]:
        """Milliseconds by stage that half, and 99 %, of the last thousand messages took at most; stages that some have
        passed."""
        return {
            stage: {f"p{percent}": _milliseconds(sorted(recent), percent) for percent in (50, 99)}
            for stage, recent in self._recent.items()
            if recent
        }


def _milliseconds(ordered: Sequence[float], percent: int) -> float:
    return round(ordered[(len(ordered) - 1) * percent // 100] * 1e3, 3)


__all__ = ["PUBLISH", "RAW_LOG", "RECEIVE", "VALIDATE", "TickStages"]
