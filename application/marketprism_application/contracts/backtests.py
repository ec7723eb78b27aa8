"""Requests to the backtest service, its records and its answers, as they travel. Money is decimal texts, times are
nanoseconds UTC, 0 for never."""

from __future__ import annotations

from enum import StrEnum

import msgspec

MOST_SOURCE = 256 * 1_024  # bytes of an uploaded file
MOST_INSTRUMENTS = 200


class RunState(StrEnum):
    """What has become of a run, a sweep, a walk-forward or a task."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more becomes of it."""
        return self in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


class Kind(StrEnum):
    """What a record is of."""

    RUN = "run"
    SWEEP = "sweep"
    WALK_FORWARD = "walk_forward"


class SubmitBacktest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A run as it is asked for.

    `strategy` is `package.module:Class`, or `file.py:Class` of the uploaded `source`. `from` and `to` are times or days
    as the history's requests take them; a `to` that is still to come is now. `mode` is what fills: bar, quote, trade,
    queue. `settings` are the options of `marketprism backtest` by their names. `confirm` asks for more than ten years
    of minutes, `force` runs what is known.
    """

    strategy: str
    instruments: tuple[str, ...]
    params: dict[str, object] = {}
    interval: str = ""
    start: str | int = msgspec.field(default="", name="from")
    end: str | int = msgspec.field(default="", name="to")
    venue: str = ""
    mode: str = "bar"
    capital: str | int | float = "1000000"
    settings: dict[str, object] = {}
    source: str = ""
    confirm: bool = False
    force: bool = False


class SubmitSweep(SubmitBacktest, forbid_unknown_fields=True, kw_only=True):
    """Many runs of one question. `space` gives values by the parameter's name: a list, or `{from, to, step}`.

    `method` is grid, random or sobol, of which the last two draw `samples` sets; `constraint` is an expression over the
    parameters (`fast < slow`); `objective` a statistic, of which more is better. `kernel`: all sets are ranked by the
    strategy's `signals`, and the best are run by events.
    """

    space: dict[str, object]
    method: str = "grid"
    samples: int = 100
    constraint: str = ""
    objective: str = "sharpe"
    kernel: bool = False


class SubmitWalkForward(SubmitSweep, forbid_unknown_fields=True, kw_only=True):
    """A sweep over `train` trading days whose best is run on the `test` days behind them, again and again; windows of
    training begin at the first day where they are `anchored`. `embargo` days between the two are left out."""

    train: int
    test: int
    anchored: bool = False
    embargo: int = 0


class RunQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is of, checked and complete: what its key is made of. `code` is the digest of the strategy's source,
    `source` that of an uploaded file. `as_of` pins the rows, and is no part of the key."""

    strategy: str
    code: str
    params: dict[str, object]
    instruments: tuple[str, ...]
    venue: str
    interval: str
    ts_from: int | None
    ts_to: int | None
    options: dict[str, object]
    source: str = ""
    as_of: int = 0


class SweepQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep asks besides. Its sets of parameters are a document."""

    space: dict[str, object]
    method: str
    samples: int
    constraint: str
    objective: str
    runs: int
    kernel: bool = False
    train: int = 0
    test: int = 0
    anchored: bool = False
    embargo: int = 0


class BacktestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run, a sweep or a walk-forward. `user` asked for it. `digest` is the run id of its content, known when the rows
    are read; `same_as` the run whose result it has. `tasks` were cut so far, of which `ended` have; `done` of `runs`
    runs are done, of which `ranked` by the kernel alone. `estimate` is about how many rows a run reads. `summary` is
    what there is to say at its end."""

    id: str
    kind: Kind
    state: RunState
    user: str
    key: str
    question: RunQuestion
    created_at: int
    sweep: SweepQuestion | None = None
    started_at: int = 0
    ended_at: int = 0
    digest: str = ""
    same_as: str = ""
    follow_of: str = ""  # a run that is asked for again: whose result it is compared with
    runs: int = 1
    cut: int = 0
    tasks: int = 0
    ended: int = 0
    done: int = 0
    ranked: int = 0
    failed: int = 0
    rows: int = 0
    cpu_s: float = 0.0
    estimate: int = 0
    force: bool = False
    code: str = ""
    error: str = ""
    summary: dict[str, object] = {}
    parts: tuple[tuple[int, int, int], ...] = ()  # tasks that are under way: number, first run, how many


class TaskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has made of a task: the runs `first` and `count - 1` more of a record. What it found is stored
    before this says done. A `count` of 0 asks for a ranking of all sets; it ends with how many the kernel alone has
    run, and the runs of the tasks behind it are those that are left. One behind the last run of a sweep runs its best
    again, with higher costs."""

    id: str
    number: int
    first: int
    count: int
    state: RunState
    attempt: int = 0
    worker: str = ""
    begun_at: int = 0
    ended_at: int = 0
    rows: int = 0
    cpu_s: float = 0.0
    digest: str = ""
    same_as: str = ""
    failed: int = 0
    code: str = ""
    error: str = ""
    summary: dict[str, object] = {}


class TaskProgress(msgspec.Struct, frozen=True):
    """How far a task is: runs that are done of it, the share of the one that is being done, its event time, and its
    equity then, empty where nobody knows."""

    number: int
    done: int
    share: float
    now: int
    at: int
    equity: str = ""


class ById(msgspec.Struct):
    """A run, a sweep or a walk-forward by its name."""

    id: str


class TableOf(msgspec.Struct):
    """A table of a run's result: rows from `offset` on, at most `limit`; without one 10 000 of JSON, all of a file
    (csv, arrow, parquet)."""

    id: str
    format: str = "json"
    offset: int = 0
    limit: int | None = None


class ListBacktests(msgspec.Struct):
    """Which records: of a strategy, in a state, of a kind, of a user; those that were asked for before `before` and
    after `after` (nanoseconds UTC), the newest first."""

    strategy: str = ""
    state: str = ""
    kind: str = ""
    user: str = ""
    before: int = 0
    after: int = 0
    limit: int = 100


class CompareBacktests(msgspec.Struct):
    """Runs by their names, with commas between."""

    ids: str


class ResultsOf(msgspec.Struct):
    """Results of a sweep, the best first by a statistic or a sum; `sort` empty for its objective."""

    id: str
    sort: str = ""
    offset: int = 0
    limit: int = 100


class GridOf(msgspec.Struct):
    """All runs of a sweep by one value, empty for its objective."""

    id: str
    by: str = ""


class Submitted(msgspec.Struct, frozen=True):
    """What was asked for: its name, whether its result is known already, whether it was under way, and what was done to
    the request."""

    run_id: str
    state: RunState
    cached: bool = False
    following: bool = False
    remarks: tuple[str, ...] = ()


class Progress(msgspec.Struct, frozen=True):
    """How far it is: runs that are done, the share of the whole, what is left in seconds (None: not known), the event
    time of the run that goes on, and its equity then as far as it is known."""

    done: int
    runs: int
    share: float
    eta_s: float | None = None
    now: int = 0
    equity: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it is shown; `follow_of` is the run that this one was asked for again of."""

    run_id: str
    kind: Kind
    state: RunState
    user: str
    strategy: str
    params: dict[str, object]
    instruments: tuple[str, ...]
    venue: str
    interval: str
    ts_from: int | None
    ts_to: int | None
    settings: dict[str, object]
    as_of: int
    created_at: int
    started_at: int
    ended_at: int
    digest: str
    follow_of: str
    cached: bool
    runs: int
    done: int
    failed: int
    rows: int
    cpu_s: float
    code: str
    error: str
    progress: Progress
    sweep: SweepQuestion | None = None
    summary: dict[str, object] = {}


class StrategyShown(msgspec.Struct, frozen=True):
    """A strategy that can be run: its name, what it says of itself, and the JSON Schema of its parameters. One that
    cannot be imported has a `problem`."""

    name: str
    text: str = ""
    schema: dict[str, object] = {}
    problem: str = ""


__all__ = [
    "MOST_INSTRUMENTS",
    "MOST_SOURCE",
    "BacktestRecord",
    "ById",
    "CompareBacktests",
    "GridOf",
    "Kind",
    "ListBacktests",
    "Progress",
    "ResultsOf",
    "RunQuestion",
    "RunState",
    "Shown",
    "StrategyShown",
    "SubmitBacktest",
    "SubmitSweep",
    "SubmitWalkForward",
    "Submitted",
    "SweepQuestion",
    "TableOf",
    "TaskProgress",
    "TaskRecord",
]
