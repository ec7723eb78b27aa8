"""What a tick costs in calls, memory, bytes and messages is what was accepted, or little more: see `make bench-check`."""

from __future__ import annotations

import pytest

from tests.benchmarks.check import accepted_counts, grown
from tests.benchmarks.counts import function_counts, is_compiled, message_counts

_MEANT = "\nif that is meant: make bench-check ARGS=\"--accept 'why'\""


def test_the_functions_of_a_tick() -> None:
    group = f"functions, {'compiled' if is_compiled() else 'pure'}"
    if group not in accepted_counts():
        pytest.skip(f"nothing was accepted of {group}")
    assert not (wrong := grown({group: function_counts()}, accepted_counts())), "\n".join(wrong) + _MEANT


@pytest.mark.long
async def test_the_messages_of_a_tick_and_of_services_at_rest() -> None:
    wrong = grown({"messages": await message_counts()}, accepted_counts())
    assert not wrong, "\n".join(wrong) + _MEANT


def test_what_grows_is_named_and_what_shrinks_is_not() -> None:
    accepted = {"functions": {"calls": 10.0, "bytes": 100.0, "gone": 1.0}}
    assert grown({"functions": {"calls": 10.9, "bytes": 50.0, "gone": 1.0}}, accepted) == []
    assert grown({"functions": {"calls": 11.5, "bytes": 100.0, "new": 3.0}}, accepted) == [
        "functions: calls: expected 10 or little more, was 11.5, +15%",
        "functions: new: expected an accepted count, was none; now 3",
        "functions: gone: expected a count, was none",
    ]
