"""A run of a job: one for each time at which the job was due, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# What no trigger makes due is so at a multiple of this, nanoseconds: whole milliseconds, as people are shown times, and
# a multiple of 256, so that it is exact in a double. JavaScript has no other numbers.
DUE_STEP_NS = 4_000_000


class RunStatus(StrEnum):
    """Where a run stands. It goes on from the first three, and ends in one of the others."""

    WAITING = "waiting"  # for the jobs that it depends on, for a run before it, or for its jitter
    RUNNING = "running"  # its command is given
    RETRYING = "retrying"  # it failed, and is tried again at a known instant
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    MISSED = "missed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more becomes of it."""
        return self not in _OPEN

    @property
    def has_failed(self) -> bool:
        """Whether it was tried in vain."""
        return self in (RunStatus.FAILED, RunStatus.TIMED_OUT)


_OPEN = frozenset({RunStatus.WAITING, RunStatus.RUNNING, RunStatus.RETRYING})


class RunOrigin(StrEnum):
    """Why a run is there."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch_up"  # its time passed while nobody could run it
    OPERATOR = "operator"
    BACKFILL = "backfill"  # somebody asked for the times of a span


@dataclass(frozen=True, slots=True)
class RunId:
    """A run by its job and the instant at which that was due, nanoseconds UTC: there is one for each.

    Whoever asks for a run has one more, which `asked`, the number of the request, tells from the others.
    """

    job: str
    due: int
    asked: int = 0

    def __str__(self) -> str:
        return f"{self.job}.{self.due}.{self.asked}" if self.asked else f"{self.job}.{self.due}"

    def attempt(self, number: int) -> str:
        """The key under which its command is given: the same for whoever gives it again."""
        return f"{self}.{number}"
