"""The instants at which a trigger is due. Those of cron are computed in the application layer, by a library."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.triggers import SessionAnchor, SessionTrigger
from marketprism_domain.sessions.calendar import AlwaysOpen, MarketCalendar, Schedule
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.sessions.trading_days import china_date, day_text

_DAYS_LOOKED_AT = 40  # no exchange rests so long, and every product with a night has one in that time
_NANOS_PER_DAY = 86_400_000_000_000


class DueTimes(Protocol):
    """When something is due, in order."""

    def following(self, after: int) -> int | None:
        """The first instant behind `after` (nanoseconds UTC) at which it is due; None where there is none in sight."""
        ...


class NeverDue:
    """What no clock makes due."""

    def following(self, after: int) -> int | None:  # noqa: ARG002 (never)
        """None, whatever it is."""
        return None


class PeriodicTimes:
    """Once in each period that begins at the epoch, at `offset_ns` in it."""

    def __init__(self, period_ns: int, offset_ns: int = 0) -> None:
        self.period_ns: int = period_ns
        self._offset = offset_ns

    def following(self, after: int) -> int | None:
        """The next one: a multiple of the period, plus the offset."""
        return (after - self._offset) // self.period_ns * self.period_ns + self.period_ns + self._offset


class SessionTimes:
    """At an anchor of each trading day of a product, by the calendar of its exchange as it stands now.

    Raises:
        InvalidValue: the market has no sessions, or the product never has such an anchor.
    """

    def __init__(self, trigger: SessionTrigger, calendar: MarketCalendar, now: int) -> None:
        self._trigger = trigger
        self._schedule = calendar.schedule(trigger.venue, trigger.product)
        if isinstance(self._schedule, AlwaysOpen):
            expected = "an exchange that opens and closes (for others: every, cron or funding)"
            raise InvalidValue("trigger", expected, f"{trigger.venue}.{trigger.product}")
        if self.following(now) is None:
            expected = f"an anchor that {trigger.venue}.{trigger.product} has"
            raise InvalidValue("trigger", expected, trigger.anchor.value)

    def following(self, after: int) -> int | None:
        """The next anchor, with its offset."""
        offset, schedule = self._trigger.offset_ns, self._schedule
        # A night belongs to the trading day that follows it, over a holiday to one that is days away.
        day = china_date(after - offset - 14 * _NANOS_PER_DAY)
        for _ in range(_DAYS_LOOKED_AT):
            if schedule.trades(day):
                for anchor in anchors(schedule, day_text(day), self._trigger.anchor):
                    if anchor + offset > after:
                        return anchor + offset
            day += timedelta(days=1)
        return None


def anchors(schedule: Schedule, trading_day: str, anchor: SessionAnchor) -> list[int]:
    """The instants of an anchor in a trading day, in order; none where the day has no such place."""
    sections = schedule.sessions(trading_day)
    day = [each for each in sections if not _is_night(each)]
    match anchor:
        case SessionAnchor.NIGHT_OPEN:
            nights = [each for each in sections if _is_night(each)]
            return [nights[0].ts_open] if nights else []
        case SessionAnchor.DAY_OPEN:
            return [day[0].ts_open] if day else []
        case SessionAnchor.BREAK:
            return [each.ts_close for each in day if not each.last]
        case _:
            return [sections[-1].ts_close] if sections else []


def _is_night(session: Session) -> bool:
    """A section of the evening before its trading day; it may last into the morning."""
    return day_text(china_date(session.ts_open)) < session.trading_day
