"""What is kept of jobs: how each is defined, where it stands, and what became of its runs.

Times are nanoseconds UTC, 0 for never.
"""

from __future__ import annotations

import msgspec

from marketprism_domain.scheduling.runs import RunId, RunOrigin, RunStatus


class JobDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A job as people write it, in a file or over the API; `scheduling.definitions` makes a `Job` of it.

    Spans are texts like `15m`; `after` names jobs, with `:failure` or `:any` behind one whose success is not needed.
    """

    trigger: str
    command: str
    body: dict[str, object] = {}
    after: list[str] = []
    overlap: str = "skip"
    catch_up: str = "last"
    catch_up_window: str = "1d"
    catch_up_most: int = 100
    attempts: int = 1
    retry_pause: str = "30s"
    retry_factor: float = 2.0
    retry_longest: str = "30m"
    timeout: str = "5m"
    begin_within: str = "5m"
    jitter: str = "0s"
    late: str = "1m"
    enabled: bool = True
    note: str = ""


class JobDefinition(msgspec.Struct, frozen=True):
    """What somebody wrote of a job: another document, that it is paused, or that it is removed. A `document` of None
    leaves that of the file or of the built-in job."""

    document: JobDocument | None
    actor: str
    reason: str
    at: int
    paused: bool = False
    removed: bool = False
    paused_by: str = ""
    paused_at: int = 0
    paused_for: str = ""  # the reason


class OpenRun(msgspec.Struct):
    """A run that is not done. `since` is when it came to its status; it is not begun before `not_before`."""

    due: int
    origin: RunOrigin
    planned_at: int
    status: RunStatus = RunStatus.WAITING
    attempt: int = 0
    since: int = 0
    not_before: int = 0
    begun_at: int = 0  # the first attempt
    actor: str = ""
    reason: str = ""  # of the last attempt that failed
    asked: int = 0  # number of the request that it is for, 0 of none
    is_claimed: bool = False  # some instance has begun the attempt

    def id_of(self, job: str) -> RunId:
        """Which run of a job it is."""
        return RunId(job, self.due, self.asked)


class JobState(msgspec.Struct):
    """Where a job stands: what the next leader goes on from.

    `cursor`: every due time up to it is a run, or is told of as missed. `ended`: due time and status of the newest run
    that has ended, by due time. `used`: the run of each job waited for that the newest own run stood on. `asked`: the
    newest request that is dealt with.
    """

    job: str
    cursor: int
    trigger: str = ""
    open: list[OpenRun] = []
    ended_due: int = 0
    ended_status: RunStatus | None = None
    last_success: int = 0
    failures: int = 0  # in a row
    used: dict[str, int] = {}
    asked: int = 0
    paused: bool = False


class RunRecord(msgspec.Struct, frozen=True):
    """A run that has ended, or, for `missed` ones, `runs` in a row from `due` to `last_due`."""

    job: str
    due: int
    status: RunStatus
    origin: RunOrigin
    planned_at: int
    ended_at: int
    begun_at: int = 0
    attempts: int = 0
    reason: str = ""
    output: object = None
    ran_s: float = 0.0
    epoch: int = 0
    last_due: int = 0
    runs: int = 1
    actor: str = ""
    asked: int = 0

    @property
    def run(self) -> RunId:
        """Which run it is."""
        return RunId(self.job, self.due, self.asked)


class JobRequest(msgspec.Struct, frozen=True):
    """What somebody wants of a job: a `run` with the due time `first`, to `cancel` the run that was due then (and was
    `asked` for by that request, where it is one of those), or to `backfill` the due times from `first` to `last`."""

    job: str
    what: str
    actor: str
    at: int
    first: int = 0
    last: int = 0
    asked: int = 0


__all__ = ["JobDefinition", "JobDocument", "JobRequest", "JobState", "OpenRun", "RunRecord"]
