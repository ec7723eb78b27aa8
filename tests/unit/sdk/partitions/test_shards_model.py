"""The model of a hand-over: in every state that can be reached, the partition finds its worker by itself."""

from __future__ import annotations

import pytest

from tests.unit.sdk.partitions.shards_model import Model, State, explore, two_owners_of_an_epoch


def _judge(model: Model) -> tuple[int, str]:
    """How many states there are, and what is wrong with one of them.

    Wrong is an end in which the partition is not worked on, two owners of one epoch, and members that could go on
    among themselves for ever.
    """
    goes_on: dict[State, list[State]] = {}

    def wrong(state: State, follow: list[State]) -> str:
        goes_on[state] = follow
        if two_owners_of_an_epoch(state):
            return "two owners of one epoch"
        return "nothing more happens" if not follow and not model.good(state) else ""

    count, text = explore(model, wrong)
    return count, text or ("it never ends" if _circle(goes_on) else "")


def _circle(follows: dict[State, list[State]]) -> bool:
    """Whether there is a way back: what has no more predecessors is taken away until nothing is left, or a circle."""
    waiting = dict.fromkeys(follows, 0)
    for after in follows.values():
        for state in after:
            waiting[state] += 1
    free = [state for state, count in waiting.items() if not count]
    for state in free:
        for after in follows[state]:
            waiting[after] -= 1
            if not waiting[after]:
                free.append(after)
    return len(free) < len(follows)


@pytest.mark.parametrize(
    ("members", "budget"),
    [
        ("ab", {"take-over": 2, "answer": 1, "dead": 1, "join": 1}),
        ("ab", {"take-over": 1, "leave": 1, "join": 2, "refused": 1, "idle": 1}),
        ("ab", {"kill": 2, "join": 3, "answer": 1}),
        ("ab", {"record": 1, "take-over": 1, "dead": 1, "join": 1}),
        ("abc", {"take-over": 1, "join": 2}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
@pytest.mark.parametrize("partition", [0, 1])
def test_after_the_last_fault_one_member_works_on_the_partition(
    members: str, budget: dict[str, int], partition: int
) -> None:
    count, wrong = _judge(Model(members, budget, partition=partition))
    assert not wrong
    assert count > 100


@pytest.mark.parametrize("rule", sorted(Model.RULES))
def test_no_rule_can_be_left_out(rule: str) -> None:
    budget = {"take-over": 1, "dead": 1, "join": 1, "idle": 1, "record": 1}
    found = [_judge(Model("ab", budget, Model.RULES - {rule}, partition))[1] for partition in range(3)]
    assert any(found)
