"""How long a source is silent: what counts, and from when."""

from __future__ import annotations

from marketprism_services.gateway.session_watch import SourceSilence


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_silence_counts_from_the_last_data_while_they_are_due() -> None:
    clock = Clock()
    silence = SourceSilence(clock)
    assert silence.seconds(0.0, due=False) == 0.0, "nothing is to come yet"
    assert silence.seconds(0.0, due=True) == 0.0
    clock.now = 103.0
    assert silence.seconds(102.0, due=True) == 1.0
    clock.now = 140.0
    assert silence.seconds(102.0, due=True) == 38.0


def test_a_source_that_never_brings_anything_is_silent_too() -> None:
    clock = Clock()
    silence = SourceSilence(clock)
    silence.seconds(0.0, due=True)
    clock.now = 145.0
    assert silence.seconds(0.0, due=True) == 45.0


def test_a_morning_does_not_count_from_the_evening_before() -> None:
    clock = Clock()
    silence = SourceSilence(clock)
    silence.seconds(99.0, due=True)
    clock.now = 40_000.0
    silence.seconds(99.0, due=False)
    assert silence.seconds(99.0, due=True) == 0.0
    clock.now = 40_010.0
    assert silence.seconds(99.0, due=True) == 10.0
