"""What is done wrongly in a model, to see that it is found: a model that finds none of it proves nothing.

Each has bounds of its own, the smallest in which it shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.model.election import Election
from tests.model.election_state import Bounds as ElectionBounds
from tests.model.handover import Handover
from tests.model.handover_state import Bounds as HandoverBounds

_CLOCK = {"lease": 2, "late": 0, "timeouts": 0}
ELECTION: dict[str, dict[str, int]] = {
    "a fence is not raised": {},
    "no CAS": {},
    "an epoch is used again": {},
    "writes without a fence": {},
    "a fence is lowered": {},
    "a lapsed lease is not taken": {"crashes": 1},
    "a deposed leader goes on": {"epochs": 3},
    "a lease counts from its answer": _CLOCK,
    "a lease is taken before it ends": _CLOCK,
    "a probe is not counted": {**_CLOCK, "crashes": 1, "epochs": 2},
    "a probe outlives a renewal": {**_CLOCK, "cuts": 1},
}
HANDOVER: dict[str, dict[str, int]] = {
    "no CAS": {},
    "no expectation": {},
    "an epoch is used again": {},
    "a record outlives its work": {},
    "given back before the last output": {},
    "a checkpoint's epoch is not looked at": {},
    "a checkpoint is not fenced": {},
    "a checkpoint before its output": {},
    "an off-by-one in hand-over": {"inputs": 2},
}


def _of_election(mutant: str) -> Election:
    fields: dict[str, Any] = {"processes": 2, "epochs": 2, "crashes": 0, "surrenders": 0, **ELECTION[mutant]}
    return Election(ElectionBounds(**fields), mutant, f"election, {mutant}")


def _of_handover(mutant: str) -> Handover:
    fields: dict[str, Any] = {
        "members": 2,
        "inputs": 1,
        "epochs": 3,
        "late": 0,
        "crashes": 0,
        "leaves": 0,
        "timeouts": 0,
        **HANDOVER[mutant],
    }
    return Handover(HandoverBounds(**fields), mutant, f"hand-over, {mutant}")


def mutants() -> Iterator[Election | Handover]:
    """Every model with something wrong in it."""
    for mutant in ELECTION:
        yield _of_election(mutant)
    for mutant in HANDOVER:
        yield _of_handover(mutant)


__all__ = ["ELECTION", "HANDOVER", "mutants"]
