"""The search against histories whose verdict is known, and against brute force."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.histories.linearizing import Model, Verdict, check
from tests.histories.models import FencedStream, Lease, Register
from tests.histories.operations import ENDLESS, FAIL, INFO, OK, Operation, Outcome
from tests.histories.reads_of_keys import one_value_each, settle


def op(
    kind: str,
    asked: object,
    got: object,
    start: int,
    end: float,
    outcome: Outcome = OK,
    process: str = "p",
) -> Operation:
    return Operation(process, start, kind, "k", asked, outcome, got, start, ENDLESS if outcome == INFO else end)


GOOD: dict[str, list[Operation]] = {
    "one after the other": [op("put", "a", 1, 0, 1), op("read", None, ["a", 1], 2, 3)],
    "a read beside a write sees either": [
        op("put", "a", 1, 0, 9),
        op("read", None, None, 1, 2),
        op("read", None, ["a", 1], 3, 4),
    ],
    "an unknown write that is seen later": [
        op("put", "a", None, 0, 0, INFO),
        op("read", None, None, 5, 6),
        op("read", None, ["a", 3], 7, 8),
    ],
    "an unknown write that never was": [op("put", "a", None, 0, 0, INFO), op("create", "b", 1, 5, 6)],
    "a swap that is refused": [op("put", "a", 4, 0, 1), op("update", ["b", 3], None, 2, 3, FAIL)],
    "deleted and made again": [
        op("create", "a", 1, 0, 1),
        op("delete", None, None, 2, 3),
        op("create", "b", 5, 4, 5),
    ],
    "a swap of what an unknown write left": [
        op("put", "a", 1, 0, 1),
        op("update", ["b", 1], None, 2, 2, INFO),
        op("update", ["c", 2], 3, 4, 5),
    ],
}
BAD: dict[str, list[Operation]] = {
    "a stale read": [
        op("put", "a", 1, 0, 1),
        op("put", "b", 2, 2, 3),
        op("read", None, ["a", 1], 4, 5),
    ],
    "a write that is lost": [op("put", "a", 1, 0, 1), op("read", None, None, 2, 3)],
    "two swaps of one revision": [
        op("put", "a", 1, 0, 1),
        op("update", ["b", 1], 2, 2, 9),
        op("update", ["c", 1], 3, 3, 8),
    ],
    "made twice": [op("create", "a", 1, 0, 9), op("create", "b", 2, 1, 8)],
    "a read that goes back": [
        op("put", "a", None, 0, 0, INFO),
        op("read", None, ["a", 1], 1, 2),
        op("read", None, None, 3, 4),
    ],
    "a revision that goes back": [op("put", "a", 7, 0, 1), op("put", "b", 5, 2, 3)],
    "a refusal without a reason": [op("put", "a", 4, 0, 1), op("update", ["b", 4], None, 2, 3, FAIL)],
    "a refused write that is seen": [op("update", ["b", 4], None, 0, 1, FAIL), op("read", None, ["b", 5], 2, 3)],
    "something that came back to life": [
        op("put", "a", 1, 0, 1),
        op("delete", None, None, 2, 3),
        op("read", None, ["a", 1], 4, 5),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_linearizable_history_of_a_key_holds(name: str) -> None:
    assert check(GOOD[name], Register()).holds is True


@pytest.mark.parametrize("name", BAD)
def test_an_anomaly_of_a_key_is_found_and_told(name: str) -> None:
    verdict = check(BAD[name], Register())
    assert (verdict.holds, bool(verdict.stuck)) == (False, True)
    assert "none of these may come next" in verdict.text()


def test_a_search_that_takes_too_long_is_given_up_and_says_so() -> None:
    unknown = [op("put", f"v{n}", None, n, 0, INFO) for n in range(12)]
    wrong = op("read", None, ["never", 99], 20, 21)
    verdict = check([*unknown, wrong], Register(), most_states=100)
    assert (verdict.holds, verdict.text()) == (None, "not decided after 100 states (13 operations)")


A, B = "a", "b"
LEASES_GOOD: dict[str, list[Operation]] = {
    "taken, renewed, given back, taken": [
        op("create", [A, 1, "held"], 1, 0, 1),
        op("update", [[A, 1, "held"], 1], 2, 2, 3),
        op("update", [[A, 1, "released"], 2], 3, 4, 5),
        op("update", [[B, 2, "held"], 3], 4, 6, 7),
    ],
    "a renewal whose answer was lost": [
        op("create", [A, 1, "held"], 1, 0, 1),
        op("update", [[A, 1, "held"], 1], None, 2, 2, INFO),
        op("update", [[B, 2, "held"], 2], 3, 5, 6),
        op("update", [[A, 1, "held"], 2], None, 7, 8, FAIL),
    ],
}
LEASES_BAD: dict[str, list[Operation]] = {
    "taken twice under one epoch": [
        op("create", [A, 1, "held"], 1, 0, 1),
        op("update", [[B, 1, "held"], 1], 2, 2, 3),
    ],
    "a token that goes back": [
        op("create", [A, 5, "held"], 1, 0, 1),
        op("update", [[B, 4, "held"], 1], 2, 2, 3),
    ],
    "renewed by who was deposed": [
        op("create", [A, 1, "held"], 1, 0, 1),
        op("update", [[B, 2, "held"], 1], 2, 2, 3),
        op("update", [[A, 1, "held"], 2], 3, 4, 5),
    ],
    "two take one revision": [
        op("create", [A, 1, "released"], 1, 0, 1),
        op("update", [[A, 2, "held"], 1], 2, 2, 9),
        op("update", [[B, 3, "held"], 1], 3, 3, 8),
    ],
    "renewed after it was given back": [
        op("create", [A, 1, "held"], 1, 0, 1),
        op("update", [[A, 1, "released"], 1], 2, 2, 3),
        op("update", [[A, 1, "held"], 2], 3, 4, 5),
    ],
}


@pytest.mark.parametrize("name", LEASES_GOOD)
def test_a_history_of_a_lease_holds(name: str) -> None:
    assert check(LEASES_GOOD[name], Lease()).holds is True


@pytest.mark.parametrize("name", LEASES_BAD)
def test_an_anomaly_of_a_lease_is_found(name: str) -> None:
    assert check(LEASES_BAD[name], Lease()).holds is False


FENCED_GOOD: dict[str, list[Operation]] = {
    "the next fence refuses the one before": [
        op("raise", [A, 1], 10, 0, 1),
        op("write", [1, 10], 11, 2, 3),
        op("raise", [B, 2], 12, 4, 5),
        op("write", [1, 10], None, 6, 7, FAIL),
        op("write", [2, 12], 13, 8, 9),
    ],
    "a fence whose answer was lost refuses too": [
        op("raise", [A, 1], 10, 0, 1),
        op("raise", [B, 2], None, 2, 2, INFO),
        op("write", [1, 10], None, 6, 7, FAIL),
        op("raise", [A, 1], None, 8, 9, FAIL),
    ],
}
FENCED_BAD: dict[str, list[Operation]] = {
    "a late write behind the next fence": [
        op("raise", [A, 1], 10, 0, 1),
        op("raise", [B, 2], 12, 4, 5),
        op("write", [1, 10], 13, 6, 7),
    ],
    "a fence of an older epoch": [op("raise", [B, 2], 12, 0, 1), op("raise", [A, 1], 13, 2, 3)],
    "one epoch of two": [op("raise", [B, 2], 12, 0, 1), op("raise", [A, 2], 13, 2, 3)],
    "a refusal without a reason": [op("raise", [A, 1], 10, 0, 1), op("write", [1, 10], None, 2, 3, FAIL)],
}


@pytest.mark.parametrize("name", FENCED_GOOD)
def test_a_history_of_a_fenced_stream_holds(name: str) -> None:
    assert check(FENCED_GOOD[name], FencedStream()).holds is True


@pytest.mark.parametrize("name", FENCED_BAD)
def test_an_anomaly_of_a_fenced_stream_is_found(name: str) -> None:
    assert check(FENCED_BAD[name], FencedStream()).holds is False


LATE = [op("put", "a", 1, 0, 1), op("put", "b", 2, 2, 3), op("get", None, ["a", 1], 4, 5)]


def test_a_late_read_of_a_replica_holds_and_what_was_never_there_does_not() -> None:
    left, wrong = settle(LATE)
    assert (check(left, Register()).holds, wrong) == (True, [])
    refused = [op("update", ["b", 4], None, 0, 1, FAIL), op("get", None, ["b", 5], 2, 3)]
    future = [op("get", None, ["a", 1], 0, 1), op("put", "a", 1, 2, 3)]
    other = [op("put", "a", 1, 0, 1), op("get", None, ["a", 2], 2, 3)]
    told = [settle(each)[1][0].partition(":")[0] for each in (refused, future, other)]
    assert told == [
        "a read saw what was refused",
        "a read saw what nobody had begun to write",
        "a read saw revision 2, the write was given 1",
    ]


def test_what_a_late_read_saw_was_done_before_its_end() -> None:
    seen = [op("put", "a", None, 0, 0, INFO), op("get", None, ["a", 1], 1, 2), op("read", None, None, 3, 4)]
    left, wrong = settle(seen)
    assert (check(left, Register()).holds, wrong) == (False, [])


def test_a_revision_of_two_values_is_found() -> None:
    assert one_value_each(LATE) == []
    assert len(one_value_each([op("put", "a", 1, 0, 1), op("put", "b", 1, 2, 3)])) == 1


def _by_brute_force(operations: Sequence[Operation], model: Model[Hashable]) -> bool:
    """Every set of unknown ones that happened, in every order."""
    needed = [each for each in operations if each.outcome != INFO]
    unknown = [each for each in operations if each.outcome == INFO]
    for count in range(len(unknown) + 1):
        for chosen in itertools.combinations(unknown, count):
            for order in itertools.permutations([*needed, *chosen]):
                if any(late.end < early.start for early, late in itertools.combinations(order, 2)):
                    continue
                states = {model.initial}
                for each in order:
                    states = {after for state in states for after in model.step(state, each)}
                if states:
                    return True
    return False


@st.composite
def _histories(draw: st.DrawFn) -> list[Operation]:
    found = []
    for number in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, 8))
        end = start + draw(st.integers(1, 6))
        outcome: Outcome = draw(st.sampled_from((OK, OK, OK, FAIL, INFO)))
        revision = draw(st.integers(1, 4))
        value, seen = f"v{number}", [f"v{draw(st.integers(0, 4))}", draw(st.integers(1, 4))]
        kind, asked, got = draw(
            st.sampled_from(
                (
                    ("put", value, revision),
                    ("create", value, revision),
                    ("update", [value, draw(st.integers(1, 4))], revision),
                    ("delete", None, None),
                    ("delete", revision, None),
                    ("read", None, seen),
                    ("read", None, None),
                )
            )
        )
        if kind == "read" or (outcome == FAIL and (kind == "put" or asked is None)):
            outcome = OK
        found.append(op(kind, asked, got if outcome == OK else None, start, end, outcome))
    return found


@given(_histories())
def test_the_search_says_what_brute_force_says(history: list[Operation]) -> None:
    found: Verdict = check(history, Register())
    assert found.holds is _by_brute_force(history, Register())  # type: ignore[arg-type]
