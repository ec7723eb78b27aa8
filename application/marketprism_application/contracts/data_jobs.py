"""Jobs of the data service as they are asked for, written down and answered."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

MOST_SERIES = 2_000  # of one job


class JobStage(StrEnum):
    """Where a job, or one of its tasks, is."""

    PLANNED = "planned"
    RUNNING = "running"
    WAITING = "waiting_for_venue"  # the venue said to wait, which is no failure
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows it any more."""
        return self in (JobStage.DONE, JobStage.FAILED, JobStage.CANCELLED)


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action"):
    """What a job is to do. Times are nanoseconds UTC."""


class Series(Request, frozen=True):
    """Which stored, or wanted, series: `symbols` are names of instruments; a `pattern` (with * and ?) is looked for in
    the venue's list, or among what is stored. `venue` is a market (binance-usdm) or an exchange (shfe)."""

    venue: str = ""
    symbols: Sequence[str] = ()
    pattern: str = ""
    kind: str = ""  # of rows: kline, trade, …; what is usual of the action where it is empty
    interval: str = ""
    ts_from: int | None = None
    ts_to: int | None = None
    confirm: bool = False  # a range of more than ten years of minutes is meant


class DownloadRequest(Series, frozen=True, tag="download"):
    """Fetch rows of the past into the store. `mode`: missing or all; `source`: auto, rest or archive."""

    mode: str = "missing"
    source: str = "auto"


class CheckRequest(Series, frozen=True, tag="check"):
    """Check stored series; `witnesses` are daily, kline, trade, ticks, product. `dense` None: by the kind of series."""

    witnesses: Sequence[str] = ()
    dense: bool | None = None
    alignment: str = ""


class RecheckRequest(Request, frozen=True, tag="recheck"):
    """Ask witnesses about every defect of a check; `witnesses` by name, empty for all that can be asked."""

    check: str
    witnesses: Sequence[str] = ()


class RepairRequest(Request, frozen=True, tag="repair"):
    """Repair what a check found, as far as it is ours: judged first where nobody has. A dry run only plans."""

    check: str
    dry_run: bool = False


class ImportRequest(Request, frozen=True, tag="import"):
    """Store the rows of a file that lies on the service's own machine, below `data.import_folder`. They are real, or
    `simulated`, which a store of real rows does not take."""

    path: str
    venue: str = ""
    symbol: str = ""
    interval: str = ""
    kind: str = ""
    mapping: dict[str, str] = {}  # field → column
    contract_size: str = ""
    replace: bool = False
    dry_run: bool = False
    simulated: bool = False


class ExportRequest(Series, frozen=True, kw_only=True, tag="export"):
    """Write stored rows as files below `data.export_folder`; `target` is a format of `data export`."""

    target: str
    folder: str


class DailyRequest(Request, frozen=True, tag="daily"):
    """Check the day before of every stored series, judge, repair what is ours. `day` YYYYMMDD, empty for yesterday."""

    day: str = ""
    repair: bool = True


DataRequest = (
    DownloadRequest | CheckRequest | RecheckRequest | RepairRequest | ImportRequest | ExportRequest | DailyRequest
)


class TaskProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a task is. `rate` is parts a second, for the time that is left."""

    parts: int = 0
    parts_done: int = 0
    rows: int = 0
    requests: int = 0
    repeated: int = 0
    waits_s: float = 0.0


class TaskRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One series of a job, which one worker does at a time. `result` are the facts of its answer, small;
    what is large (a report, verdicts, a plan) is a document by the task's id."""

    job: str
    number: int
    kind: str = ""
    venue: str = ""  # the market as the request names it
    symbol: str = ""
    interval: str = ""
    ts_from: int = 0
    ts_to: int = 0
    stage: JobStage = JobStage.PLANNED
    worker: str = ""
    attempts: int = 0
    begun_at: int = 0
    ended_at: int = 0
    progress: TaskProgress = TaskProgress()
    error: str = ""
    result: dict[str, object] = {}

    @property
    def id(self) -> str:
        """By what its documents are known."""
        return f"{self.job}.{self.number}"


class DataJob(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A job as it is written down. `tasks` is 0 until it is planned. Remarks say what was changed of the request."""

    id: str
    request: DataRequest
    by: str = ""
    created_at: int = 0
    begun_at: int = 0
    ended_at: int = 0
    stage: JobStage = JobStage.PLANNED
    cancel: bool = False  # somebody wants it ended
    tasks: int = 0
    error: str = ""
    remarks: Sequence[str] = ()


class TaskShown(msgspec.Struct, omit_defaults=False, kw_only=True):
    """A task as the API shows it."""

    number: int
    kind: str
    venue: str
    symbol: str
    interval: str
    ts_from: int
    ts_to: int
    stage: JobStage
    worker: str
    error: str
    parts: int
    parts_done: int
    rows: int
    requests: int
    waits_s: float
    result: dict[str, object]


class JobShown(msgspec.Struct, omit_defaults=False, kw_only=True):
    """A job as the API shows it. `eta_s` is what is left at the pace so far, None where nobody knows. `series` are its
    tasks, only where one job is asked for."""

    id: str
    action: str
    stage: JobStage
    by: str
    created_at: int
    begun_at: int
    ended_at: int
    tasks: int
    tasks_done: int
    tasks_failed: int
    parts: int
    parts_done: int
    rows: int
    requests: int
    eta_s: float | None
    error: str
    remarks: Sequence[str]
    request: dict[str, object]
    series: Sequence[TaskShown] = ()


__all__ = [
    "MOST_SERIES",
    "CheckRequest",
    "DailyRequest",
    "DataJob",
    "DataRequest",
    "DownloadRequest",
    "ExportRequest",
    "ImportRequest",
    "JobShown",
    "JobStage",
    "RecheckRequest",
    "RepairRequest",
    "Series",
    "TaskProgress",
    "TaskRecord",
    "TaskShown",
]
