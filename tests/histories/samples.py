"""Samples of processes and of what services say of themselves."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
_GAUGES = {
    "marketprism_event_loop_tasks": "tasks",
    "marketprism_stage_lag_messages": "lag_messages",
    "marketprism_stage_lag_seconds": "lag_s",
    "marketprism_store_lag_messages": "store_lag_messages",
    "marketprism_store_lag_seconds": "store_lag_s",
}
_MEANS = {
    "marketprism_validation_delay_seconds": "validation_delay_s",
    "marketprism_bar_delay_seconds": "bar_delay_s",
    "marketprism_store_batch_seconds": "store_batch_s",
}


def of_process(pid: int, data: Path | None = None) -> dict[str, float]:
    """Resident memory, open files and threads; nothing of a process that has ended.

    Files below `data` are `data_files`, and no `files`: a database opens and closes them as it merges.
    """
    folder = Path(f"/proc/{pid}")
    try:
        pages = int((folder / "statm").read_text(encoding="ascii").split()[1])
        opened = [_target(each) for each in (folder / "fd").iterdir()]
        threads = sum(1 for _ in (folder / "task").iterdir())
    except OSError:
        return {}
    found = {"rss_mb": pages * _PAGE_MB, "files": float(len(opened)), "threads": float(threads)}
    if data is not None:
        found["data_files"] = float(sum(data in target.parents for target in opened))
        found["files"] -= found["data_files"]
    return found


def _target(descriptor: Path) -> Path:
    try:
        return descriptor.readlink()
    except OSError:  # closed meanwhile
        return descriptor


def values_of(text: str) -> dict[str, float]:
    """The series of a scrape, summed over their labels."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, value = line.rpartition(" ")
        with contextlib.suppress(ValueError):
            bare = name.partition("{")[0]
            found[bare] = found.get(bare, 0.0) + float(value)
    return found


class Scrapes:
    """Scrapes of one service: gauges as they are, of histograms the mean since the scrape before."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def take(self, text: str) -> dict[str, float]:
        """What a scrape adds."""
        values = values_of(text)
        found = {short: values[name] for name, short in _GAUGES.items() if name in values}
        for name, short in _MEANS.items():
            count = values.get(f"{name}_count", 0.0) - self._before.get(f"{name}_count", 0.0)
            if count > 0:
                total = values.get(f"{name}_sum", 0.0) - self._before.get(f"{name}_sum", 0.0)
                found[short] = total / count
        self._before = values
        return found


__all__ = ["Scrapes", "of_process", "values_of"]
