"""When a trigger is due: by the calendar, by the epoch, or by cron."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.due_times import DueTimes, NeverDue, PeriodicTimes, SessionTimes
from marketprism_domain.scheduling.triggers import (
    CronTrigger,
    EveryTrigger,
    FundingTrigger,
    SessionTrigger,
    Trigger,
    span_text,
)
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_SECOND


class CronTimes:
    """By five fields of cron in a time zone, as Debian's cron does it (cronsim): a time that a change of clocks leaves
    out is due right after it, one that comes twice is due once unless it is of every hour or minute.

    Raises:
        InvalidValue: the fields cannot be read or never come true, or there is no such zone.
    """

    def __init__(self, trigger: CronTrigger) -> None:
        self._expression = trigger.expression
        try:
            self._zone = ZoneInfo(trigger.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidValue("trigger", "an IANA time zone, like Asia/Shanghai", trigger.zone) from None
        try:
            CronSim(trigger.expression, datetime.now(self._zone))
        except CronSimError as error:
            raise InvalidValue("trigger", f"five fields of cron ({error})", trigger.expression) from None
        if self.following(0) is None:
            raise InvalidValue("trigger", "fields of cron that come true some day", trigger.expression)

    def following(self, after: int) -> int | None:
        """The next minute at which the fields hold."""
        # A whole second: what is due at an instant between two seconds is not, in cron.
        start = datetime.fromtimestamp(after // NANOS_PER_SECOND, UTC).astimezone(self._zone)
        for found in CronSim(self._expression, start):
            due = int(found.timestamp()) * NANOS_PER_SECOND
            if due > after:
                return due
        return None


def due_times_of(trigger: Trigger, calendar: MarketCalendar, funding_hours: Mapping[str, int], now: int) -> DueTimes:
    """When a trigger is due. `funding_hours`: by venue, how many there are between two settlements.

    Raises:
        InvalidValue: a trigger that is never due, or of a market that has nothing of the kind.
    """
    match trigger:
        case CronTrigger():
            return CronTimes(trigger)
        case EveryTrigger(period_ns, offset_ns):
            return PeriodicTimes(period_ns, offset_ns)
        case FundingTrigger(venue, offset_ns):
            if venue not in funding_hours:
                raise InvalidValue("trigger", f"a venue with funding ({', '.join(sorted(funding_hours))})", venue)
            period_ns = funding_hours[venue] * 3_600 * NANOS_PER_SECOND
            if offset_ns >= period_ns:
                raise InvalidValue("trigger", f"an offset below {span_text(period_ns)}", span_text(offset_ns))
            return PeriodicTimes(period_ns, offset_ns)
        case SessionTrigger():
            return SessionTimes(trigger, calendar, now)
        case _:
            return NeverDue()


def preview(times: DueTimes, after: int, count: int) -> list[int]:
    """The next `count` instants at which it is due, fewer where there are not so many."""
    found: list[int] = []
    while len(found) < count and (due := times.following(after)) is not None:
        found.append(after := due)
    return found


__all__ = ["CronTimes", "due_times_of", "preview"]
