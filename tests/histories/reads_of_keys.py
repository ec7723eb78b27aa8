"""What a bucket's reads and revisions must be, beside the order of its writes.

`get` may be answered by any replica, so it may be late by contract: it gives some state that was committed, never one
that was not, and nothing from the future. `read` is the stream leader's answer. A revision is the number of one write of
the whole bucket: two values of one revision are two histories.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.histories.operations import ENDLESS, FAIL, INFO, OK, Operation

READS = ("get", "read")


def _value_of(operation: Operation) -> object:
    return operation.given[0] if operation.kind == "update" else operation.given


def _is_write(operation: Operation) -> bool:
    return operation.kind in ("put", "create", "update")


def one_value_each(operations: Iterable[Operation]) -> list[str]:
    """Revisions of a bucket that were told of two writes."""
    told: dict[int, tuple[str, str]] = {}
    wrong: list[str] = []
    for operation in operations:
        if operation.outcome != OK or operation.got is None:
            continue
        if operation.kind in READS:
            value, revision = operation.got
        elif _is_write(operation):
            value, revision = _value_of(operation), operation.got
        else:
            continue
        new = (operation.key, json.dumps(value))
        old = told.setdefault(int(revision), new)
        if old != new:
            wrong.append(f"revision {revision} is of {old[0]} = {old[1]} and of {new[0]} = {new[1]}: {operation}")
    return wrong


def loosened(operations: Iterable[Operation]) -> list[Operation]:
    """The same with refusals that say nothing: on a replicated stream two servers may take themselves for its leader
    for a moment, both are asked, and the one that is no more answers first."""
    return [replace(each, outcome=INFO, got=None, end=ENDLESS) if each.outcome == FAIL else each for each in operations]


def settle(operations: Sequence[Operation], *, late: Sequence[str] = ("get",)) -> tuple[list[Operation], list[str]]:
    """Judge the reads that may be late and take them out; a write of unknown outcome that one of them saw was done
    before that read's end. What else comes back is to be put in order, and what was seen and cannot have been."""
    writes: dict[tuple[str, str], list[int]] = defaultdict(list)
    left = [each for each in operations if each.kind not in READS or (each.outcome == OK and each.kind not in late)]
    for at, each in enumerate(left):
        if _is_write(each):
            writes[each.key, json.dumps(_value_of(each))].append(at)
    wrong: list[str] = []
    for read in operations:
        if read.kind not in late or read.outcome != OK or read.got is None:
            continue
        value, revision = read.got
        found = [at for at in writes.get((read.key, json.dumps(value)), ()) if left[at].start < read.end]
        possible = [at for at in found if left[at].outcome != FAIL]
        if not possible:
            reason = "was refused" if found else "nobody had begun to write"
            wrong.append(f"a read saw what {reason}: {read}")
        elif all(left[at].outcome == OK and left[at].got != revision for at in possible):
            wrong.append(f"a read saw revision {revision}, the write was given {left[possible[0]].got}: {read}")
        elif len(possible) == 1:
            seen = left[possible[0]]
            if seen.outcome == INFO or seen.end > read.end:
                left[possible[0]] = replace(seen, outcome=OK, got=revision, end=min(seen.end, read.end))
    return left, wrong


__all__ = ["loosened", "one_value_each", "settle"]
