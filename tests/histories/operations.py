"""Operations of a history: who asked what of which object, from when to when, and what came of it.

Every process writes lines of its own file; all of them carry the machine's one monotonic clock, so that the files of a
machine can be laid together. An operation whose end is not known (no answer, or its process was killed) may have its
effect at any time after its beginning, or never.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

OK, FAIL, INFO = "ok", "fail", "info"
Outcome = Literal["ok", "fail", "info"]
ENDLESS = math.inf


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; times in nanoseconds of the monotonic clock, `end` endless where the outcome is not known."""

    process: str
    number: int
    kind: str
    key: str
    given: Any
    outcome: Outcome
    got: Any
    start: int
    end: float

    def __str__(self) -> str:
        took = "…" if self.end == ENDLESS else f"{(self.end - self.start) / 1e6:.1f} ms"
        return f"{self.process}#{self.number} {self.kind} {self.key} {self.given!r} → {self.outcome} {self.got!r} ({took}, from {self.start})"


class Recorder:
    """Writes the operations of one process as JSON lines, each at once: a process may be killed between two."""

    def __init__(self, path: Path, process: str) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def invoke(self, kind: str, key: str, given: object = None) -> int:
        """An operation begins; its number comes back."""
        number = next(self._numbers)
        self._write({"n": number, "type": "invoke", "kind": kind, "key": key, "given": given})
        return number

    def complete(self, number: int, outcome: Outcome, got: object = None) -> None:
        """It has ended so."""
        self._write({"n": number, "type": outcome, "got": got})

    def note(self, kind: str, **values: object) -> None:
        """Something that is no operation: a belief, a fault, a state that was seen."""
        self._write({"type": "note", "kind": kind, **values})

    def _write(self, line: dict[str, object]) -> None:
        os.write(self._file, json.dumps({"p": self._process, "t": time.monotonic_ns(), **line}).encode() + b"\n")

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class History:
    """Operations by their beginning, and notes by their time."""

    operations: list[Operation]
    notes: list[dict[str, Any]]

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        """Notes of a kind."""
        return (note for note in self.notes if note["kind"] == kind)


def read_lines(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Lines of files by their time; what a killed process had begun to write is not there.

    Raises:
        ValueError: a line other than the last of its file is no JSON.
    """
    found: list[dict[str, Any]] = []
    for path in paths:
        text = path.read_bytes()
        whole, _, cut = text.rpartition(b"\n")
        del cut
        found += [json.loads(line) for line in whole.splitlines()]
    return sorted(found, key=lambda line: line["t"])


def history_of(lines: Iterable[dict[str, Any]]) -> History:
    """Pair beginnings and ends.

    Raises:
        ValueError: an end without a beginning.
    """
    begun: dict[tuple[str, int], dict[str, Any]] = {}
    done: list[Operation] = []
    notes: list[dict[str, Any]] = []
    for line in lines:
        if line["type"] == "note":
            notes.append(line)
            continue
        place = (line["p"], line["n"])
        if line["type"] == "invoke":
            begun[place] = line
            continue
        first = begun.pop(place, None)
        if first is None:
            raise ValueError(f"history: expected the beginning of {place} before its end, was none")
        done.append(_operation(first, line["type"], line["got"], line["t"]))
    done += [_operation(first, INFO, None, ENDLESS) for first in begun.values()]
    return History(sorted(done, key=lambda operation: operation.start), notes)


def _operation(first: dict[str, Any], outcome: Outcome, got: object, end: float) -> Operation:
    return Operation(
        first["p"],
        first["n"],
        first["kind"],
        first["key"],
        first["given"],
        outcome,
        None if outcome == INFO else got,
        first["t"],
        ENDLESS if outcome == INFO else end,
    )


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Keep lines in one file."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def as_given(operation: Operation) -> dict[str, Any]:
    """An operation as a report shows it."""
    return {**asdict(operation), "end": None if operation.end == ENDLESS else operation.end}


__all__ = [
    "ENDLESS",
    "FAIL",
    "INFO",
    "OK",
    "History",
    "Operation",
    "Outcome",
    "Recorder",
    "as_given",
    "history_of",
    "read_lines",
    "write_lines",
]
