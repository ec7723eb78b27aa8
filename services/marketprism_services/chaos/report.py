"""What a series of trials showed."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile of unsorted values; 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


_ADDED = (
    "trials",
    "times_ms",
    "stale_writes_attempted",
    "stale_writes_accepted",
    "lost",
    "duplicated",
    "false_takeovers",
    "wrong",
    "open_ranges",
    "records",
    "notes",
)


@dataclass
class Report:
    """One fault. Times in milliseconds, from the fault to the new leader's first accepted write."""

    fault: str
    trials: int
    measured: str
    times_ms: list[float] = field(default_factory=list)
    stale_writes_attempted: int = 0
    stale_writes_accepted: int = 0
    lost: int = 0
    duplicated: int = 0
    false_takeovers: int = 0
    wrong: int = 0
    open_ranges: int = 0
    records: int = 0
    notes: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, object]:
        """The object that is printed and written."""
        return {
            "fault": self.fault,
            "trials": self.trials,
            "p50_ms": round(percentile(self.times_ms, 0.50), 1),
            "p90_ms": round(percentile(self.times_ms, 0.90), 1),
            "p99_ms": round(percentile(self.times_ms, 0.99), 1),
            "max_ms": round(max(self.times_ms, default=0.0), 1),
            "stale_writes_accepted": self.stale_writes_accepted,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "false_takeovers": self.false_takeovers,
            "stale_writes_attempted": self.stale_writes_attempted,
            "wrong": self.wrong,
            "records": self.records,
            "measured": self.measured,
            "notes": self.notes,
        }

    def add(self, other: Report) -> None:
        """Take in what another series of the same fault showed."""
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def write(self, folder: Path) -> Path:
        """`<folder>/<fault>.json`, with the machine, the date and every single time."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.fault}.json"
        times = [round(value, 2) for value in self.times_ms]
        body = {
            **self.summary(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{os.cpu_count()} x {platform.machine()}, {platform.platform(terse=True)}",
            "python": platform.python_version(),
            "times_ms": times,
        }
        path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        return path

    def sound(self) -> bool:
        """Whether nothing happened that must never happen."""
        return not (self.stale_writes_accepted or self.lost or self.duplicated or self.wrong)
