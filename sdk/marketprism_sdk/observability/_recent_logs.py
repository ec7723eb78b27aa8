"""The newest log lines of this process, in bounded memory: what was written in the last minutes, for who cannot get at
the file."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from heapq import merge
from typing import NamedTuple

import msgspec

LEVELS = {"info": 20, "warning": 30, "error": 40, "critical": 50}
MOST_LINES, MOST_BYTES = 2_000, 2**20
_GRAVE = LEVELS["warning"]
_SHARE = 0.5  # of lines and bytes: what is chatty does not push out what was wrong
_LONGEST = 16_384  # bytes of a line; of a longer one its beginning


class LogLine(NamedTuple):
    """A line: its number in this process, from 1 on; when it was written, nanoseconds UTC; a JSON object as text."""

    seq: int
    ts: int
    level: str
    text: str


class LogPage(NamedTuple):
    """Lines in order. `more`: there are others behind them, or, of the newest, before them. `missed`: of those behind
    the position that was asked for, some are not held any more."""

    lines: tuple[LogLine, ...]
    more: bool
    missed: bool


class _Ring:
    """Lines up to a number and a size; the oldest go."""

    def __init__(self, most_lines: int, most_bytes: int) -> None:
        self.lines: deque[LogLine] = deque()
        self.newest_dropped = 0
        self.dropped = 0
        self._bytes = 0
        self._most_lines, self._most_bytes = most_lines, most_bytes

    def add(self, line: LogLine) -> None:
        """Hold one more, in the place of others where there is no room."""
        self.lines.append(line)
        self._bytes += len(line.text)
        while len(self.lines) > self._most_lines or self._bytes > self._most_bytes:
            gone = self.lines.popleft()
            self._bytes -= len(gone.text)
            self.newest_dropped = gone.seq
            self.dropped += 1


class RecentLogs:
    """Lines of level info and above; any thread may add. Half of the room is for warnings and errors alone."""

    def __init__(
        self,
        most_lines: int = MOST_LINES,
        most_bytes: int = MOST_BYTES,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._seq = 0
        self.counts: dict[str, int] = {}  # lines by level since the beginning
        lines, size = int(most_lines * _SHARE), int(most_bytes * _SHARE)
        self._plain = _Ring(most_lines - lines, most_bytes - size)
        self._grave = _Ring(lines, size)

    def add(self, level: str, text: str) -> None:
        """Hold a line, if it is of one of the levels; a level that is none counts as an error."""
        if level == "debug":
            return
        rank = LEVELS.get(level, LEVELS["error"])
        with self._lock:
            self._seq += 1
            self.counts[level] = self.counts.get(level, 0) + 1
            line = LogLine(self._seq, self._now_ns(), level, bounded(level, text))
            (self._grave if rank >= _GRAVE else self._plain).add(line)

    @property
    def dropped(self) -> int:
        """How many lines had to make room for newer ones."""
        return self._plain.dropped + self._grave.dropped

    def read(self, *, after: int = 0, since_ns: int = 0, level: str = "info", limit: int = 200) -> LogPage:
        """Lines of this level and above: those behind the line `after`, oldest first; without one the newest, of those
        that were written at `since_ns` or later.

        Raises:
            ValueError: a level that is none.
        """
        if level not in LEVELS:
            raise ValueError(f"level: expected one of {', '.join(LEVELS)}, was {level[:80]!r}")
        least = LEVELS[level]
        with self._lock:
            rings = [self._grave] if least >= _GRAVE else [self._plain, self._grave]
            held = list(merge(*(ring.lines for ring in rings)))
            newest_dropped = max(ring.newest_dropped for ring in rings)
        fit = [
            line
            for line in held
            if line.seq > after and line.ts >= since_ns and LEVELS.get(line.level, LEVELS["error"]) >= least
        ]
        lines = fit[:limit] if after else fit[-limit:]
        return LogPage(tuple(lines), len(fit) > len(lines), 0 < after < newest_dropped)


def bounded(level: str, text: str) -> str:
    """The line, or one in its place that says how long it was and how it began."""
    if len(text) <= _LONGEST:
        return text
    begin = text[: _LONGEST // 4]
    return msgspec.json.encode({"event": "log.line_cut", "level": level, "length": len(text), "begin": begin}).decode()
