"""Records of downloads as they are written down: a job, and each of its parts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

PLANNED, CLAIMED, DONE, FAILED = "planned", "claimed", "done", "failed"


class JobRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job downloads: a series, the range that was asked for, and how. `id` is the same for one series and one
    source, so that the job of a series is found again."""

    id: str
    kind: str
    venue: str
    symbol: str
    interval: str
    ts_from: int
    ts_to: int
    source: str
    mode: str
    parts: int = 0
    first: int = 0  # bounds of the series, nanoseconds
    last: int = 0


class PartRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a part is. `receipt` is what the sink wrote about its stored rows, `holes` are (from, to, cause)."""

    number: int
    ts_from: int
    ts_to: int
    state: str = PLANNED
    requests: int = 0
    weight: float = 0.0
    worker: str = ""
    claimed_at: int = 0
    rows: int = 0
    repeated: int = 0
    holes: Sequence[tuple[int, int, str]] = ()
    receipt: str = ""
    error: str = ""


__all__ = ["CLAIMED", "DONE", "FAILED", "PLANNED", "JobRecord", "PartRecord"]
