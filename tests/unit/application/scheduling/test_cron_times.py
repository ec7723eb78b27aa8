"""Times of cron: changes of clocks, leap days, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketprism_adapters.venues.registry import FUNDING_HOURS
from marketprism_application.scheduling.due_times import CronTimes, due_times_of, preview
from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.triggers import CronTrigger, parse_trigger
from marketprism_domain.sessions.calendar import MarketCalendar


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def due(expression: str, zone: str, after: str, count: int) -> list[str]:
    times = CronTimes(CronTrigger(expression, zone))
    return [f"{datetime.fromtimestamp(each // 10**9, UTC):%m-%d %H:%M}" for each in preview(times, ns(after), count)]


def test_an_hour_that_the_clock_leaves_out_is_due_right_after_it() -> None:
    # New York, 2025-03-09: 02:00 to 03:00 is not there.
    assert due("30 2 * * *", "America/New_York", "2025-03-08T12:00:00", 2) == ["03-09 07:00", "03-10 06:30"]


def test_an_hour_that_comes_twice_is_due_once() -> None:
    # New York, 2025-11-02: 01:00 to 02:00 comes twice.
    assert due("30 1 * * *", "America/New_York", "2025-11-01T12:00:00", 2) == ["11-02 05:30", "11-03 06:30"]


def test_what_is_due_every_hour_is_due_in_both_of_them() -> None:
    assert due("0 * * * *", "America/New_York", "2025-11-02T04:30:00", 4) == [
        "11-02 05:00",
        "11-02 06:00",
        "11-02 07:00",
        "11-02 08:00",
    ]


def test_the_29th_of_february_is_due_in_leap_years() -> None:
    times = CronTimes(CronTrigger("0 0 29 2 *"))
    assert [datetime.fromtimestamp(each // 10**9, UTC).year for each in preview(times, ns("2025-01-01"), 2)] == [
        2028,
        2032,
    ]


def test_slots_of_eight_hours_are_those_of_utc() -> None:
    assert due("0 */8 * * *", "UTC", "2025-03-08T23:59:00", 3) == ["03-09 00:00", "03-09 08:00", "03-09 16:00"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cron 61 * * * *", r"five fields of cron \(.*\), was '61 \* \* \* \*'"),
        ("cron 3-1 * * * *", "five fields of cron"),
        ("cron * * 30 2 *", "cron"),
        ("cron * * * * * Mars/Olympus", "an IANA time zone, like Asia/Shanghai, was 'Mars/Olympus'"),
        ("cron * * * * * ../etc", "an IANA time zone"),
        ("funding nowhere", r"a venue with funding \(.*\), was 'nowhere'"),
        ("funding okx +8h", "an offset below 8h"),
    ],
)
def test_what_cron_cannot_be_is_refused(text: str, problem: str, calendar: MarketCalendar) -> None:
    with pytest.raises(InvalidValue, match=problem):
        due_times_of(parse_trigger(text), calendar, FUNDING_HOURS, ns("2025-01-01"))


def test_funding_is_due_when_the_venue_settles_it(calendar: MarketCalendar) -> None:
    times = due_times_of(parse_trigger("funding deribit +30s"), calendar, FUNDING_HOURS, 0)
    assert preview(times, ns("2025-01-01"), 3) == [
        ns("2025-01-01") + (hours * 3_600 + 30) * 10**9 for hours in (0, 8, 16)
    ]
