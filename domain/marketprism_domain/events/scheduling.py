"""Events of the scheduler: what people want to be told of without asking."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobRunFailed:
    """The run of a job that was due at `due` (nanoseconds UTC) was tried `attempts` times, and is given up."""

    job: str
    due: int
    status: str  # failed or timed_out
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class JobRunsMissed:
    """A job was due `runs` times, first at `first` and last at `last`, and was not run; each is in its history."""

    job: str
    runs: int
    first: int
    last: int
    reason: str
