"""How often a strategy was tried: sweeps that a data directory remembers, each once however often it is repeated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from marketprism_application.backtesting.errors import BacktestError

_FILE = "backtest_trials.jsonl"


class Tried(NamedTuple):
    """One sweep of a strategy: a digest of its runs, and how many they were."""

    strategy: str
    sweep: str
    trials: int


def trials_before(folder: Path, strategy: str, sweep: str) -> int:
    """Trials of a strategy in all sweeps but this one; 0 where the folder remembers none.

    Raises:
        BacktestError: the file cannot be read.
    """
    path = folder / _FILE
    if not path.is_file():
        return 0
    found = {each.sweep: each.trials for each in _read(path) if each.strategy == strategy and each.sweep != sweep}
    return sum(found.values())


def remember(folder: Path, tried: Tried) -> None:
    """Write a sweep down, if the folder is there and does not know it. Raises BacktestError: it cannot be written."""
    path = folder / _FILE
    if not folder.is_dir() or (path.is_file() and tried in _read(path)):
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
            yield Tried(str(values["strategy"]), str(values["sweep"]), int(values["trials"]))
        except (ValueError, KeyError, TypeError):  # a line that was cut off is no sweep
            continue


__all__ = ["Tried", "remember", "trials_before"]
