"""What became of changes before: one that a test has failed on is dead for as long as its module's source is the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from tests.mutation.trials import Trial


class Verdicts:
    """A file of lines, to which each verdict is added when it is there: a run that is stopped goes on where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError):
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self._known[row["key"]] = row["verdict"]

    def of(self, trial: Trial) -> str:
        """Where it was killed; nothing for what was alive, which is tried again."""
        verdict = self.last(trial)
        return verdict if verdict in ("killed", "timeout") else ""

    def last(self, trial: Trial) -> str:
        """What became of it when it was tried last; nothing where it never was."""
        return self._known.get(_key(trial), "")

    def add(self, trial: Trial) -> None:
        """One more."""
        change = trial.change
        row = {
            "key": _key(trial),
            "module": trial.target.name,
            "line": change.line,
            "verdict": trial.verdict,
            "change": change.text,
        }
        self._known[row["key"]] = trial.verdict
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(row)}\n")


def _key(trial: Trial) -> str:
    target, change = trial.target, trial.change
    source = hashlib.sha256("\n".join(target.lines).encode()).hexdigest()[:16]
    text = f"{target.name} {source} {change.line} {change.column} {change.kind} {change.text}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]
