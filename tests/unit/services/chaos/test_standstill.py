"""How long work waits for a partition."""

from __future__ import annotations

from marketprism_services.chaos.rolling.trial import Standstill


def test_a_partition_stands_still_from_the_first_work_that_waits_until_it_goes_on() -> None:
    still = Standstill()
    still.look({"validator:1": 0.0}, 0.0)
    still.look({"validator:1": 2.5}, 10.0)  # nothing waited at 0, and what waits now came at 7.5
    still.look({"validator:1": 5.5}, 13.0)
    assert still.over(2.0) == {"validator:1": 5.5}
    assert still.over(5.5) == {}


def test_the_first_work_that_ever_comes_has_not_waited_since_the_partition_was_taken() -> None:
    still = Standstill()
    still.committed("aggregator:6", 0, 0.0)
    still.look({"aggregator:6": 0.1}, 116.0)
    assert still.over(0.5) == {}


def test_who_works_slower_than_work_comes_does_not_stand_still() -> None:
    still = Standstill()
    for second in range(10):
        still.committed("aggregator:3", second, float(second))
        still.look({"aggregator:3": 60.0 + second}, second + 0.5)
    assert still.over(1.0) == {}


def test_a_checkpoint_that_says_nothing_new_is_no_work() -> None:
    still = Standstill()
    still.committed("aggregator:3", 7, 0.0)
    still.committed("aggregator:3", 7, 5.0)  # a take-over rewrites it
    still.look({"aggregator:3": 60.0}, 6.0)
    assert still.over(2.0) == {"aggregator:3": 6.0}
