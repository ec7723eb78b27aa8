"""What a source that was away has missed, what is left out, and the numbers of a verdict."""

from __future__ import annotations

import pytest

from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import Exclusion, Interruption, anomaly, scored
from tests.fakes.ticks import at

SINCE, BACK, FIRST = at("2025-03-03 08:50:00"), at("2025-03-03 09:00:20"), at("2025-03-03 09:00:21")
OPENING = at("2025-03-03 09:00:00")


@pytest.mark.parametrize(
    ("lost", "missing_from"),
    [
        ("2025-03-03 08:55:30", SINCE),  # the auction before the section: quotes come
        ("2025-03-03 08:50:00", OPENING),  # shut: what is missing begins with the section
        ("2025-03-03 09:00:05", SINCE),
    ],
)
def test_what_is_missing_begins_where_the_instrument_traded(
    calendar: MarketCalendar, lost: str, missing_from: int
) -> None:
    schedule = calendar.schedule("dce", "jd2505")  # without a night
    found = Interruption(SINCE, at(lost), BACK).bounds(schedule, FIRST)
    assert found is not None
    assert found[1] == FIRST
    assert found[0] in (missing_from, schedule.next_session(at(lost)).ts_open)
    assert (found[0] == SINCE) == (missing_from == SINCE)


def test_a_source_that_was_shut_and_back_before_the_opening_has_missed_nothing(calendar: MarketCalendar) -> None:
    schedule = calendar.schedule("dce", "jd2505")
    shut = Interruption(SINCE, at("2025-03-03 08:40:00"), at("2025-03-03 08:50:00"))
    assert shut.bounds(schedule, at("2025-03-03 08:52:00")) is None


def test_a_score_is_never_below_nothing_and_an_anomaly_has_three_digits() -> None:
    rules = ValidationRules()
    assert scored([], [], rules, stale=False).score == 100
    assert scored(["a"] * 50, ["b"] * 50, rules, stale=True).score == 0
    assert anomaly("price_jump", "low", 1.23456, rules, "futures_band_percent").value == 1.235
    assert Exclusion(5, 7).named_to == 0
