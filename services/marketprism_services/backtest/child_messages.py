"""What a worker and its child say to one another: frames of MessagePack, each with its length before it."""

from __future__ import annotations

import struct
from typing import BinaryIO, TypeAlias

import msgspec

LENGTH = struct.Struct(">I")
MOST_FRAME = 256 * 1_024 * 1_024


class Limits(msgspec.Struct, frozen=True):
    """What a child may take: memory beside its rows, seconds of processor time a run, seconds without an event."""

    memory_mb: int
    cpu_s: float
    stall_s: float


class Check(msgspec.Struct, tag=True, frozen=True):
    """Is there such a strategy, and may its parameters be these; with a `space`, each of its sets; with an objective to
    `rank_by`, can a kernel rank them."""

    params: dict[str, object]
    strict: bool = False
    space: dict[str, object] = {}
    method: str = ""
    samples: int = 0
    constraint: str = ""
    seed: int = 0
    rank_by: str = ""


class Listing(msgspec.Struct, tag=True, frozen=True):
    """Which strategies are there."""


class Runs(msgspec.Struct, tag=True, frozen=True):
    """Runs over the rows of a folder, each a number and its parameters; `full` has the rows behind each result,
    `dearer` doubles fees and fills a tick worse."""

    rows: str
    calendar: bytes
    options: dict[str, object]
    sets: tuple[tuple[int, dict[str, object]], ...]
    full: bool = False
    dearer: bool = False


class Rank(msgspec.Struct, tag=True, frozen=True):
    """Every set ranked by the strategy's signals: a result of each that the kernel alone runs, then one of number -1
    that says which are left for events (`confirm`), each a number and what is compared with its run."""

    rows: str
    calendar: bytes
    options: dict[str, object]
    sets: tuple[dict[str, object], ...]
    objective: str


class Walk(msgspec.Struct, tag=True, frozen=True):
    """One window of a walk-forward: every set over the days of training, the best over those behind them."""

    rows: str
    calendar: bytes
    options: dict[str, object]
    sets: tuple[dict[str, object], ...]
    number: int
    train: tuple[str, ...]
    test: tuple[str, ...]
    objective: str


class Verify(msgspec.Struct, tag=True, frozen=True):
    """Prove fills again; tables of fills and orders as Arrow. `ts_end` is when the run ended, None of an old one."""

    rows: str
    options: dict[str, object]
    fills: bytes
    orders: bytes
    ts_end: int | None = None


Work: TypeAlias = Check | Listing | Rank | Runs | Walk | Verify


class Job(msgspec.Struct, frozen=True):
    """What a child does. `strategy` is its name, `file` the folder of an uploaded file, `path` where packages are."""

    work: Work
    limits: Limits
    strategy: str = ""
    file: str = ""
    path: str = ""
    packages: tuple[str, ...] = ()


class Identity(msgspec.Struct, tag=True, frozen=True):
    """The run id of the run that begins."""

    number: int
    digest: str


class Step(msgspec.Struct, tag=True, frozen=True):
    """How far a run is: the share of its time, the time of its event, and its equity then, empty where not known."""

    number: int
    share: float
    now: int
    equity: str = ""


class Found(msgspec.Struct, tag=True, frozen=True):
    """What became of a run, or the answer to any other work."""

    number: int
    document: dict[str, object]


class Part(msgspec.Struct, tag=True, frozen=True):
    """A document of a run's result."""

    number: int
    name: str
    data: bytes


class Refused(msgspec.Struct, tag=True, frozen=True):
    """A run, or the whole work (number -1), that cannot be: a code and a text."""

    number: int
    code: str
    text: str


class End(msgspec.Struct, tag=True, frozen=True):
    """All is done; seconds of processor time that it took."""

    cpu_s: float


Frame: TypeAlias = Identity | Step | Found | Part | Refused | End


def packed(frame: Frame | Job) -> bytes:
    """A frame as it is sent. Decimals become texts."""
    data = msgspec.msgpack.encode(frame)
    return LENGTH.pack(len(data)) + data


def read_job(source: BinaryIO) -> Job:
    """What there is to do. Raises EOFError: the parent has gone."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    return msgspec.msgpack.decode(source.read(*LENGTH.unpack(head)), type=Job)


__all__ = [
    "LENGTH",
    "MOST_FRAME",
    "Check",
    "End",
    "Found",
    "Frame",
    "Identity",
    "Job",
    "Limits",
    "Listing",
    "Part",
    "Rank",
    "Refused",
    "Runs",
    "Step",
    "Verify",
    "Walk",
    "Work",
    "packed",
    "read_job",
]
