"""Which of many runs is the winner."""

from __future__ import annotations

import pytest

from marketprism_application.sweeps.run_returns import RANKED, winner_of


@pytest.mark.parametrize(
    ("states", "values", "winner"),
    [
        (["done", "done", "done"], [1.0, 3.0, 3.0], 1),  # of equal ones the first
        (["done", RANKED, "done"], [1.0, 9.0, 3.0], 2),  # whatever a kernel says
        ([RANKED, RANKED, "done", "stopped"], [None, 5.0, None, None], 2),  # also where nothing has a value
        (["done", "stopped"], [-1.0, None], 0),
    ],
)
def test_a_winner_is_one_that_events_have_run(states: list[str], values: list[float | None], winner: int) -> None:
    assert winner_of([{"state": state} for state in states], values) == winner
