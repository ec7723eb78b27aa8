"""A job: when it is due, what it does, what it waits for, and what happens when it fails, overlaps or was missed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.triggers import AfterTrigger, ManualTrigger, Trigger
from marketprism_domain.values import NANOS_PER_SECOND, Bounds, check_bounds

MOST_NOTE = 2_000
_NAME = re.compile(r"[a-z][a-z0-9-]{0,47}")
_COMMAND = re.compile(r"[a-z][a-z0-9_-]{0,47}\.[a-z][a-z0-9_-]{0,47}")


class Overlap(StrEnum):
    """What becomes of a run that is due while an earlier one of its job is not done."""

    SKIP = "skip"
    QUEUE_ONE = "queue_one"  # one waits; what is due while it does is skipped
    QUEUE_ALL = "queue_all"
    ALLOW = "allow"
    CANCEL_RUNNING = "cancel_running"


class CatchUp(StrEnum):
    """Which due times are made up for that passed while nobody could run them."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


class Needs(StrEnum):
    """How the run of a job that is waited for has to end."""

    SUCCESS = "success"
    FAILURE = "failure"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A job whose run has to have ended so before."""

    job: str
    on: Needs = Needs.SUCCESS

    @classmethod
    def parse(cls, text: str) -> Dependency:
        """`archive`, `archive:failure`, `archive:any`. Raises InvalidValue."""
        job, colon, on = text.partition(":")
        if colon and on not in set(Needs):
            raise InvalidValue("after", f"a job and one of {', '.join(Needs)}, like {job}:failure", text)
        return cls(checked_name(job), Needs(on) if colon else Needs.SUCCESS)

    def __str__(self) -> str:
        return self.job if self.on is Needs.SUCCESS else f"{self.job}:{self.on.value}"


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often a run is tried in all, and how long is waited before each further attempt, seconds.

    The pause is `pause_s`, times `factor` for each attempt more, `longest_s` at most, and of that a random share.
    """

    BOUNDS: ClassVar[Bounds] = {
        "attempts": (1, 100),
        "pause_s": (0.1, 86_400),
        "factor": (1, 10),
        "longest_s": (0.1, 86_400),
    }

    attempts: int = 1
    pause_s: float = 30.0
    factor: float = 2.0
    longest_s: float = 1_800.0

    def __post_init__(self) -> None:
        check_bounds(self, RetryRule.BOUNDS)

    def pause_ns(self, attempt: int, chance: float) -> int:
        """Before the attempt after number `attempt` (from 1); `chance` is 0 to 1, half of the pause is always kept."""
        longest = min(self.longest_s, self.pause_s * self.factor ** (attempt - 1))
        return int(longest * (0.5 + chance / 2) * NANOS_PER_SECOND)


@dataclass(frozen=True, slots=True)
class CatchUpRule:
    """What is made up for: due times of the last `window_s`, `most` of them, the newest."""

    BOUNDS: ClassVar[Bounds] = {"window_s": (0, 366 * 86_400), "most": (1, 10_000)}

    policy: CatchUp = CatchUp.LAST
    window_s: float = 86_400.0
    most: int = 100

    def __post_init__(self) -> None:
        check_bounds(self, CatchUpRule.BOUNDS)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is defined. `command` is `service.command`, `body` what it is given.

    Raises:
        InvalidValue: names the field.
    """

    BOUNDS: ClassVar[Bounds] = {
        "timeout_s": (1, 86_400),
        "begin_s": (1, 86_400),
        "jitter_s": (0, 3_600),
        "late_s": (1, 86_400),
    }

    name: str
    trigger: Trigger
    command: str
    body: Mapping[str, object] = field(default_factory=dict)
    after: tuple[Dependency, ...] = ()
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUpRule = CatchUpRule()
    retry: RetryRule = RetryRule()
    timeout_s: float = 300.0  # of an attempt, once it is begun
    begin_s: float = 300.0  # within which some instance has to begin it
    jitter_s: float = 0.0  # each run begins up to so much later, by its name and time: always the same
    late_s: float = 60.0  # a due time that nobody has begun so much later counts as missed
    enabled: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        checked_name(self.name)
        if not _COMMAND.fullmatch(self.command):
            raise InvalidValue("command", "service.command in lower case, like storage.archive", self.command)
        check_bounds(self, Job.BOUNDS)
        if len(self.note) > MOST_NOTE:
            raise InvalidValue("note", f"at most {MOST_NOTE} characters", f"{len(self.note)}")
        if isinstance(self.trigger, AfterTrigger) and not self.after:
            raise InvalidValue("after", "at least one job, for a job that is due after others", [])
        if isinstance(self.trigger, ManualTrigger) and self.after:
            raise InvalidValue("after", "no job, for a job that is run by hand", [str(each) for each in self.after])
        if len({each.job for each in self.after}) < len(self.after):
            raise InvalidValue("after", "each job once", [str(each) for each in self.after])

    @property
    def service(self) -> str:
        """Whose command it is."""
        return self.command.partition(".")[0]

    @property
    def operation(self) -> str:
        """The command without its service."""
        return self.command.partition(".")[2]


def checked_name(name: str) -> str:
    """The name of a job. Raises InvalidValue."""
    if not _NAME.fullmatch(name):
        raise InvalidValue("job", "a lower-case name of letters, digits and -, at most 48 of them", name)
    return name


def is_name(text: str) -> bool:
    """Whether a job can be called so."""
    return _NAME.fullmatch(text) is not None


def check_graph(jobs: Iterable[Job]) -> None:
    """Whether every job that is waited for is there, and none waits for itself.

    Raises:
        InvalidValue: names the job, and the way round of a circle.
    """
    by_name = {job.name: job for job in jobs}
    settled: set[str] = set()
    for job in by_name.values():
        for each in job.after:
            if each.job not in by_name:
                raise InvalidValue("after", f"a job that is defined ({job.name} waits for it)", each.job)
        _visit(job.name, by_name, settled)


def _visit(start: str, by_name: Mapping[str, Job], settled: set[str]) -> None:
    """Depth first without recursion: definitions may wait for each other in a row of any length."""
    path: list[str] = []
    todo: list[tuple[str, bool]] = [(start, False)]
    on_path: set[str] = set()
    while todo:
        name, is_left = todo.pop()
        if is_left:
            path.pop()
            on_path.discard(name)
            settled.add(name)
            continue
        if name in settled:
            continue
        if name in on_path:
            circle = [*path[path.index(name) :], name]
            raise InvalidValue("after", "no circle of jobs that wait for each other", " → ".join(circle))
        path.append(name)
        on_path.add(name)
        todo.append((name, True))
        todo.extend((each.job, False) for each in by_name[name].after if each.job in by_name)
