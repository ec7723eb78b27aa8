"""What is tried several times a second is said at its beginning, now and then, and at its end."""

from __future__ import annotations

from marketprism_sdk.observability.outages import Ended, Outage


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_failure_is_said_and_one_every_ten_seconds_with_its_number() -> None:
    clock = Clock()
    outage = Outage(clock)
    said: dict[float, int] = {}
    for _ in range(100):  # four a second
        if attempt := outage.failed():
            said[clock.now - 100.0] = attempt
        clock.now += 0.25
    assert said == {0.0: 1, 10.0: 41, 20.0: 81}


def test_its_end_says_how_long_it_lasted_once_and_the_next_one_begins_anew() -> None:
    clock = Clock()
    outage = Outage(clock)
    assert outage.ended() is None
    outage.failed()
    clock.now += 1.5
    outage.failed()
    clock.now += 0.5
    assert outage.ended() == Ended(2.0, 2)
    assert outage.ended() is None
    clock.now += 0.1
    assert outage.failed() == 1
    assert outage.ended() == Ended(0.0, 1)
