"""End-to-end reconciliation: whether everything that was put in came out, told apart from what its readers believe.

A stage says how far it is; that may be wrong, and it may stand still. So three things are held against each other that
come from different hands: what a log holds (counted by the server), what a stage has taken (counted with each message
and written with its checkpoint), and what lies in the tables (counted by the engine). Pure: whoever looks says what it
saw and when, and is told what is wrong, with stage, partition and instruments by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

STANDING, SKIPPED, UNTAKEN, MISSING, BEYOND, UNREADABLE, LEADERLESS, ABSENT = (
    "standing",
    "skipped",
    "untaken",
    "missing",
    "beyond",
    "unreadable",
    "leaderless",
    "absent",
)
_NAMES = 3


class Problem(NamedTuple):
    """What is neither done nor moving, or is gone.

    `kind`: standing (waits and nobody takes it), skipped (passed over by a stage), untaken (refused as a whole,
    uncounted by reason), missing (published, not in the table), beyond (a place behind the end of the log),
    unreadable (a record that is none), leaderless (a lease whose holder is lost, or that nobody takes), absent (a
    service of which no instance runs any more).
    """

    kind: str
    stage: str
    where: str
    amount: int = 0
    since_s: float = 0.0
    instruments: tuple[str, ...] = ()
    note: str = ""

    @property
    def text(self) -> str:
        """One line for people."""
        names = ", ".join(self.instruments[:_NAMES]) + (", …" if len(self.instruments) > _NAMES else "")
        of = f" ({names})" if names else ""
        said = {
            STANDING: f"{self.amount} messages wait for {self.since_s:.0f} s and nobody takes them",
            SKIPPED: f"{self.amount} messages were passed over",
            UNTAKEN: f"{self.amount} ticks were not taken",
            MISSING: f"{self.amount} published rows are not in the table",
            BEYOND: "its place lies behind the end of the log",
            UNREADABLE: "its record cannot be read",
            LEADERLESS: f"nobody leads, for {self.since_s:.0f} s",
            ABSENT: f"none runs, for {self.since_s:.0f} s",
        }[self.kind]
        return f"{self.stage} {self.where}: {said}{of}{f'; {self.note}' if self.note else ''}"


class Waiting(NamedTuple):
    """What lies behind a reader's place in its log."""

    messages: int = 0
    age_s: float = 0.0  # of the first of it, by the server's clock
    instruments: tuple[str, ...] = ()


class StageSeen(NamedTuple):
    """One partition of a stage. `last` is its newest message in the log, 0 when there is none, `end` the newest of the
    whole log. `taken` messages were taken behind `since`; -1 where that is not known."""

    stage: str
    partition: int
    done: int
    last: int
    end: int
    waiting: Waiting = Waiting()
    since: int = 0
    taken: int = -1
    untaken: Mapping[str, int] = {}  # ticks by source that were refused as a whole, since ever


class StoreSeen(NamedTuple):
    """How far a stream is stored; `end` is its newest message."""

    stream: str
    watermark: int
    end: int
    waiting: Waiting = Waiting()


class Counted(NamedTuple):
    """Messages that a log holds behind `base` up to `done`, and where the log begins."""

    base: int
    done: int
    messages: int
    first: int


class Compared(NamedTuple):
    """Ticks of a range of the stream that are published, and neither in the table nor set aside."""

    base: int
    watermark: int
    missing: Mapping[str, int]  # by instrument; empty where the counts agree or a second look found them all


@dataclass(slots=True)
class _Moving:
    done: int
    at_s: float


@dataclass(slots=True)
class _Base:
    done: int
    taken: int


@dataclass(slots=True)
class _Held:
    problem: Problem
    until_s: float


@dataclass
class Reconciler:
    """Memory of earlier looks.

    What waits is standing when it is `age_s` old and its reader has not moved for `still_s`. What is gone for good
    stays a problem for `hold_s` after it was found: it has been told by then, and nothing brings it back. A place
    behind the end of its log is believed after `sure_s`: a replica that answers may be late.
    """

    still_s: float = 8.0
    age_s: float = 8.0
    hold_s: float = 120.0
    sure_s: float = 1.5
    _moving: dict[tuple[str, str], _Moving] = field(default_factory=dict)
    _beyond: dict[tuple[str, str], float] = field(default_factory=dict)
    _bases: dict[tuple[str, int], _Base] = field(default_factory=dict)
    _untaken: dict[tuple[str, int, str], int] = field(default_factory=dict)
    _held: dict[tuple[str, str, str], _Held] = field(default_factory=dict)
    _stored_base: int = -1

    def look(self, stages: Sequence[StageSeen], stores: Sequence[StoreSeen], now_s: float) -> list[Problem]:
        """What is wrong, by a monotonic clock."""
        found: list[Problem] = []
        for seen in stages:
            where = f"partition {seen.partition}"
            found += self._behind_the_end(seen.stage, where, seen.done, seen.end, now_s)
            found += self._standing(seen.stage, where, seen.done, seen.waiting, now_s)
            self._refused(seen, where, now_s)
        for store in stores:
            found += self._behind_the_end("storage", store.stream, store.watermark, store.end, now_s)
            found += self._standing("storage", store.stream, store.watermark, store.waiting, now_s)
        for key, held in list(self._held.items()):
            if now_s < held.until_s:
                found.append(held.problem)
            else:
                del self._held[key]
        return found

    def _behind_the_end(self, stage: str, where: str, done: int, end: int, now_s: float) -> list[Problem]:
        if not done > end > 0:
            self._beyond.pop((stage, where), None)
            return []
        if now_s - self._beyond.setdefault((stage, where), now_s) < self.sure_s:
            return []
        return [Problem(BEYOND, stage, where, note=f"{done}, the log ends at {end}")]

    def _standing(self, stage: str, where: str, done: int, waiting: Waiting, now_s: float) -> list[Problem]:
        key = (stage, where)
        before = self._moving.get(key)
        if before is None or before.done != done or not waiting.messages:
            self._moving[key] = _Moving(done, now_s)
            return []
        if now_s - before.at_s < self.still_s or waiting.age_s < self.age_s:
            return []
        return [Problem(STANDING, stage, where, waiting.messages, waiting.age_s, waiting.instruments)]

    def _refused(self, seen: StageSeen, where: str, now_s: float) -> None:
        for source, count in seen.untaken.items():
            before = self._untaken.get((seen.stage, seen.partition, source))
            self._untaken[seen.stage, seen.partition, source] = count
            if before is not None and count > before:  # some are sent again a moment later, and taken then
                self._hold(Problem(UNTAKEN, seen.stage, where, count - before, 0.0, (), f"source {source}"), now_s)

    # -- taken against the log -----------------------------------------------------------------------------------

    def base_of(self, seen: StageSeen) -> int | None:
        """Behind which sequence the messages of a partition are to be counted; None when nothing can be said."""
        if seen.taken < 0:
            return None
        base = self._bases.setdefault((seen.stage, seen.partition), _Base(seen.since, 0))
        if seen.done < base.done or seen.taken < base.taken:  # another life of the partition
            base.done, base.taken = seen.since, 0
        return base.done

    def too_many(self, seen: StageSeen, messages: int) -> bool:
        """Whether the log holds more messages behind the base of a partition than its stage has taken."""
        return messages > seen.taken - self._bases[seen.stage, seen.partition].taken

    def counted(self, seen: StageSeen, counted: Counted, instruments: tuple[str, ...], now_s: float) -> None:
        """Hold what a stage has taken against what the log held for it."""
        base = self._bases[seen.stage, seen.partition]
        if counted.base != base.done or counted.done != seen.done:
            return
        passed_over = counted.messages - (seen.taken - base.taken)
        if counted.first <= counted.base + 1 and passed_over > 0:
            note = f"sequences {counted.base + 1} to {counted.done}"
            where = f"partition {seen.partition}"
            self._hold(Problem(SKIPPED, seen.stage, where, passed_over, 0.0, instruments, note), now_s)
        base.done, base.taken = seen.done, seen.taken  # where the log has lost its beginning, its reader has told it

    # -- the table against the log -------------------------------------------------------------------------------

    def stored_base(self, first: int, watermark: int) -> int:
        """Behind which sequence the ticks of the table are to be counted; `first` is where the stream begins.

        A watermark that went back is of a store, or a stream, that begins anew: so does the counting.
        """
        if watermark < self._stored_base:
            self._stored_base = -1
        self._stored_base = max(self._stored_base, first - 1)
        return self._stored_base

    def compared(self, stream: str, compared: Compared, now_s: float) -> None:
        """Hold the table against the stream. The range is looked at again as long as something is missing in it."""
        key = (MISSING, "storage", stream)
        if not compared.missing:
            self._held.pop(key, None)
            self._stored_base = compared.watermark
            return
        count = sum(compared.missing.values())
        names = tuple(sorted(compared.missing, key=lambda name: -compared.missing[name]))
        note = f"sequences {compared.base + 1} to {compared.watermark}"
        self._hold(Problem(MISSING, "storage", stream, count, 0.0, names, note), now_s)

    def _hold(self, problem: Problem, now_s: float) -> None:
        self._held[problem.kind, problem.stage, problem.where] = _Held(problem, now_s + self.hold_s)


__all__ = [
    "BEYOND",
    "MISSING",
    "SKIPPED",
    "STANDING",
    "UNREADABLE",
    "UNTAKEN",
    "Compared",
    "Counted",
    "Problem",
    "Reconciler",
    "StageSeen",
    "StoreSeen",
    "Waiting",
]
