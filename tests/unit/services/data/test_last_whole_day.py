"""The day that a daily check is about: the newest one that is over by the calendar of the instrument."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_services.data.actions import last_whole_day

CALENDAR = chinese_calendar_of_markets()


@pytest.mark.parametrize(
    ("at", "future", "coin"),
    [
        ("2026-11-29T09:00", "20261127", "20261128"),  # a Sunday: what is traded next is not over
        ("2026-11-27T06:59", "20261126", "20261126"),  # a minute before the close at 15:00 in China
        ("2026-11-27T07:05", "20261127", "20261126"),
        ("2026-10-05T01:00", "20260930", "20261004"),  # within the holidays of October
    ],
)
def test_the_newest_day_that_is_over(at: str, future: str, coin: str) -> None:
    now = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) * 10**9
    assert last_whole_day(CALENDAR.schedule("shfe", "cu2612"), now) == future
    assert last_whole_day(CALENDAR.schedule("binance", "BTC-USDT"), now) == coin
