"""Events of jobs of the data service; each job has one of a name at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataJobEnded:
    """A job is done, has failed or was cancelled; `error` says why. `rows` were stored by its tasks."""

    job: str
    action: str  # download, check, recheck, repair, import, export, daily
    state: str  # done, failed, cancelled
    by: str
    tasks: int
    failed: int
    rows: int
    error: str


@dataclass(frozen=True, slots=True)
class DefectsFound:
    """A check found defects in so many series, the first of which is `first`; `left` are those that its own repair, if
    it had one, did not mend."""

    job: str
    action: str  # check, daily
    series: int
    defects: int
    left: int
    first: str


@dataclass(frozen=True, slots=True)
class BarsReplaced:
    """A repair stored `revisions` in the place of bars and `inserted` missing ones, in so many series, the first of
    which is `first`. `undone` series had their former values put back, for the proof failed."""

    job: str
    action: str  # repair, daily
    series: int
    revisions: int
    inserted: int
    undone: int
    first: str


__all__ = ["BarsReplaced", "DataJobEnded", "DefectsFound"]
