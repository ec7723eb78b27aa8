"""Whether a history is linearizable: Wing and Gong's search, with Lowe's memory of what was tried.

Each operation must seem to happen at one moment between its beginning and its end. The search takes, again and again,
one that may come next (no other that is still to come had ended before it began) and asks the model whether it may
happen in the present state; a set of operations that were taken together with the state they led to is never tried
twice. Linearizability is local: each object (`key`) is judged by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tests.histories.operations import INFO, Operation

S = TypeVar("S", bound=Hashable)
_MOST_STATES = 500_000


class Model(Protocol[S]):
    """An object as its contract has it, one operation after the other."""

    @property
    def initial(self) -> S:
        """Before the first operation."""
        ...

    def step(self, state: S, operation: Operation) -> Iterable[S]:
        """The states that an operation may lead to; none where it cannot have had its outcome in this state. One of
        unknown outcome is asked for what it does where it does something."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """`holds` is None where the search was given up; `stuck` are operations of which none may come next, behind the
    longest order that was found."""

    holds: bool | None
    operations: int
    states: int = 0
    stuck: tuple[Operation, ...] = field(default=())
    last_state: str = ""

    def text(self) -> str:
        """The verdict in words, with what cannot be explained."""
        if self.holds:
            return f"linearizable ({self.operations} operations)"
        if self.holds is None:
            return f"not decided after {self.states} states ({self.operations} operations)"
        stuck = "\n  ".join(str(each) for each in self.stuck)
        return f"not linearizable ({self.operations} operations): in state {self.last_state} none of these may come next\n  {stuck}"


def check(operations: Sequence[Operation], model: Model[S], most_states: int = _MOST_STATES) -> Verdict:
    """Judge the history of one object."""
    ordered = sorted(operations, key=lambda operation: operation.start)
    needed = sum(1 << at for at, each in enumerate(ordered) if each.outcome != INFO)
    start = (0, model.initial)
    seen = {start}
    trail = [(start, _next(ordered, *start, model))]
    furthest, best = -1, start
    while trail:
        (taken, state), following = trail[-1]
        if taken & needed == needed:
            return Verdict(True, len(ordered), len(seen))
        if (count := (taken & needed).bit_count()) > furthest:
            furthest, best = count, (taken, state)
        for after in following:
            if after not in seen:
                if len(seen) >= most_states:
                    return Verdict(None, len(ordered), len(seen))
                seen.add(after)
                trail.append((after, _next(ordered, *after, model)))
                break
        else:
            trail.pop()
    stuck = tuple(ordered[at] for at in _candidates(ordered, best[0]))
    return Verdict(False, len(ordered), len(seen), stuck, repr(best[1]))


def _candidates(ordered: Sequence[Operation], taken: int) -> list[int]:
    """What may come next, those that ended first before the others: they are what must come soon."""
    found: list[int] = []
    at = (~taken & (taken + 1)).bit_length() - 1
    earliest_end = float("inf")
    while at < len(ordered):
        if not taken >> at & 1:
            operation = ordered[at]
            if operation.start > earliest_end:
                break
            earliest_end = min(earliest_end, operation.end)
            found.append(at)
        at += 1
    return sorted(found, key=lambda place: ordered[place].end)


def _next(ordered: Sequence[Operation], taken: int, state: S, model: Model[S]) -> Iterator[tuple[int, S]]:
    for at in _candidates(ordered, taken):
        operation = ordered[at]
        for after in model.step(state, operation):
            # What need not have happened and changes nothing is no step.
            if operation.outcome != INFO or after != state:
                yield taken | 1 << at, after


def by_key(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    """The operations of each object."""
    found: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        found[operation.key].append(operation)
    return dict(found)


def check_each(operations: Iterable[Operation], model: Model[S]) -> dict[str, Verdict]:
    """Judge every object by itself."""
    return {key: check(each, model) for key, each in by_key(operations).items()}


__all__ = ["Model", "Verdict", "by_key", "check", "check_each"]
