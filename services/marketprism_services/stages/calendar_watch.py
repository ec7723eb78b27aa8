"""What is left of the calendar: once a day, whether closed days are announced for long enough."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from marketprism_adapters.calendars import shortage_of
from marketprism_domain.events.sessions import HolidaysNotAnnounced
from marketprism_domain.sessions.trading_days import TradingDays, china_date

log = structlog.get_logger()

LOOK_S = 60.0


class CalendarWatch:
    """Looks at the calendar of a service; `now_ns` is the time of day in nanoseconds UTC."""

    def __init__(self, days: TradingDays, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._days = days
        self._now_ns = now_ns
        self._logged = ""

    def look(self) -> HolidaysNotAnnounced | None:
        """The event of the day, and a line of the log, where the calendar ends soon; None if it was given today."""
        today = china_date(self._now_ns())
        left, known_to = self._days.ends_in(today), self._days.known_to
        if left is None or known_to is None or self._logged == str(today):
            return None
        self._logged = str(today)
        log.warning("calendar.ends_soon", known_to=str(known_to), days=left, detail=shortage_of(self._days, today))
        return HolidaysNotAnnounced(str(known_to), left)

    def status(self) -> dict[str, str | None]:
        """What `/status` shows: up to which day closed days are announced, and a warning where that is soon."""
        today = china_date(self._now_ns())
        return {
            "known_to": str(self._days.known_to) if self._days.known_to is not None else None,
            "warning": shortage_of(self._days, today),
        }
