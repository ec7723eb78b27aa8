"""How often a strategy was tried: sweeps that a data directory remembers, each once however often it is repeated.

The command line and the backtest service of one data directory write into one file, so that each counts the other's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from marketprism_application.backtesting.errors import BacktestError

_FILE = "backtest_trials.jsonl"


class Tried(NamedTuple):
    """One sweep of a strategy: a digest of its runs, how many they were, and whether the service has done it."""

    strategy: str
    sweep: str
    trials: int
    by_service: bool = False


def trials_before(folder: Path, strategy: str, sweep: str) -> int:
    """Trials of a strategy in all sweeps but this one; 0 where the folder remembers none. Raises BacktestError."""
    return sum(each.trials for each in sweeps_of(folder, strategy).values() if each.sweep != sweep)


def sweeps_of(folder: Path, strategy: str) -> dict[str, Tried]:
    """Sweeps of a strategy by their digests. Raises BacktestError: the file cannot be read."""
    path = folder / _FILE
    return {each.sweep: each for each in _read(path) if each.strategy == strategy} if path.is_file() else {}


def remember(folder: Path, tried: Tried) -> None:
    """Write a sweep down, if the folder is there and does not know it. Raises BacktestError: it cannot be written."""
    path = folder / _FILE
    if not folder.is_dir() or tried.sweep in sweeps_of(folder, tried.strategy):
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(tried._asdict()) + "\n")  # one write: lines of several processes do not mix
    except OSError as error:
        raise BacktestError(f"data_dir: expected {path} that can be written: {error.strerror}") from error


def _read(path: Path) -> Iterator[Tried]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BacktestError(f"data_dir: expected {path} that can be read: {error.strerror}") from error
    for line in lines:
        try:
            values = json.loads(line)
            by_service = bool(values.get("by_service", False))
            yield Tried(str(values["strategy"]), str(values["sweep"]), int(values["trials"]), by_service)
        except (ValueError, KeyError, TypeError):  # a line that was cut off is no sweep
            continue


__all__ = ["Tried", "remember", "sweeps_of", "trials_before"]
