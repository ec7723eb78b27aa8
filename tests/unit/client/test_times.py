"""Times as users give them: each form means one instant, the zone is that of the client, anything else is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from marketprism_client import MarketClient, QueryFailed
from marketprism_client._times import nanoseconds

EVENING = 1_539_003_600_000_000_000  # 2018-10-08 21:00 in China


@pytest.mark.parametrize(
    "value",
    [
        "2018-10-08 21:00",
        "2018-10-08T21:00:00",
        " 2018-10-08T13:00:00Z ",
        "2018-10-08T09:00:00-04:00",
        "20181008T210000",
        str(EVENING),
        str(EVENING // 10**9),  # digits tell the unit of a text, as over HTTP
        EVENING,
        np.int64(EVENING),
        datetime(2018, 10, 8, 21, 0),  # noqa: DTZ001 (without a zone on purpose)
        datetime(2018, 10, 8, 13, 0, tzinfo=UTC),
        datetime(2018, 10, 8, 9, 0, tzinfo=timezone(timedelta(hours=-4))),
        pd.Timestamp("2018-10-08 21:00"),
        pd.Timestamp("2018-10-08 13:00", tz="UTC"),
        np.datetime64("2018-10-08T21:00"),
        np.datetime64("2018-10-08T21:00:00.000000000"),
    ],
    ids=repr,
)
def test_one_instant(value: Any) -> None:
    assert nanoseconds(value, "start") == EVENING


@pytest.mark.parametrize("value", ["2018-10-08", "20181008", date(2018, 10, 8), np.datetime64("2018-10-08")], ids=repr)
def test_a_day_begins_at_midnight_of_the_zone(value: Any) -> None:
    assert nanoseconds(value, "start") == EVENING - 21 * 3_600 * 10**9
    assert nanoseconds(value, "start", "UTC") == EVENING - 13 * 3_600 * 10**9
    assert nanoseconds(value, "start", "America/New_York") == EVENING - 9 * 3_600 * 10**9


@pytest.mark.parametrize(
    "value",
    [
        "2018-10-08T21:00:00.123456789",
        pd.Timestamp("2018-10-08T21:00:00.123456789"),
        np.datetime64("2018-10-08T21:00:00.123456789"),
        EVENING + 123_456_789,
    ],
    ids=repr,
)
def test_nanoseconds_are_there(value: Any) -> None:
    assert nanoseconds(value, "start") == EVENING + 123_456_789


def test_no_time_stays_none() -> None:
    assert nanoseconds(None, "start") is None
    assert nanoseconds(0, "start") == 0


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (20181008, "a date like 20181009?"),
        (1_539_003_600, "seconds?"),
        (1_539_003_600_000, "milliseconds?"),
        (1_539_003_600_000_000, "microseconds?"),
        (-5, "expected nanoseconds"),
        (2**64, "expected nanoseconds"),
        (1539003600.0, "expected a date or time"),
        (True, "expected a date or time"),
        ("yesterday", "expected a date or time"),
        ("2018-13-40", "expected a date or time"),
        ("", "expected a date or time"),
        (pd.NaT, "expected a date or time"),
        (np.datetime64("NaT"), "expected a date or time"),
        ([1], "expected a date or time"),
        (datetime.min, "expected a time from"),  # noqa: DTZ901 (without a zone on purpose)
        (datetime.max, "expected a time from"),  # noqa: DTZ901
        ("0001-01-01", "expected a time from 1970 to 2262"),
        (date(1800, 1, 1), "expected a time from 1970 to 2262"),
    ],
    ids=repr,
)
def test_what_is_no_time_is_refused_by_name(value: Any, hint: str) -> None:
    with pytest.raises(QueryFailed) as caught:
        nanoseconds(value, "start")
    assert caught.value.code == "INVALID_PARAMETER"
    assert str(caught.value).startswith("start: expected ")
    assert hint in str(caught.value)


def test_a_zone_that_is_none_is_refused_when_the_client_is_made() -> None:
    for zone in ("Mars/Olympus", "", "../etc/passwd"):
        with pytest.raises(QueryFailed, match="tz: expected a time zone"):
            MarketClient(tz=zone)
