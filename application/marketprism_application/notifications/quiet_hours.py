"""When people are left alone with what can wait."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marketprism_domain.errors import InvalidValue

_USUAL = {name: ZoneInfo(name) for name in ("UTC", "Asia/Shanghai")}  # read before there is an event loop
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

InSession = Callable[[int], bool]  # whether a market that counts trades at a time, nanoseconds UTC


def minutes_of(text: str) -> tuple[int, int] | None:
    """Begin and end of `22:00-08:00` in minutes of the day; None for no text.

    Raises:
        InvalidValue: it is no such span, or one of no length.
    """
    if not text:
        return None
    found = _HOURS.fullmatch(text)
    if found is None or found[1] + found[2] == found[3] + found[4]:
        raise InvalidValue("quiet_hours", "HH:MM-HH:MM like 22:00-08:00", text)
    return int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name. Raises InvalidValue."""
    try:
        return _USUAL.get(name) or ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue("quiet_zone", "a time zone like Asia/Shanghai", name) from None


@dataclass(frozen=True)
class QuietHours:
    """Daily hours of a zone, the end left out, and, with `in_session`, whatever is outside of trading.

    Raises:
        InvalidValue: the hours or the zone are none.
    """

    hours: str = ""
    zone: str = "Asia/Shanghai"
    in_session: InSession | None = None

    def __post_init__(self) -> None:
        minutes_of(self.hours)
        zone_of(self.zone)

    def is_quiet(self, now_s: float) -> bool:
        """Whether what is below `page` waits at this time, seconds UTC."""
        span = minutes_of(self.hours)
        if span is not None:
            local = datetime.fromtimestamp(now_s, UTC).astimezone(zone_of(self.zone))
            minute, (begin, end) = local.hour * 60 + local.minute, span
            if begin <= minute < end if begin < end else minute >= begin or minute < end:
                return True
        return self.in_session is not None and not self.in_session(int(now_s * 1e9))


class QuietTimes(Protocol):
    """When what is below `page` waits."""

    def is_quiet(self, now_s: float) -> bool:
        """Whether it waits at this time, seconds UTC."""


class ChangingQuietHours:
    """Fulfils `QuietTimes` with hours that may be replaced at any time."""

    def __init__(self, now: QuietHours) -> None:
        self.now = now

    def is_quiet(self, now_s: float) -> bool:
        return self.now.is_quiet(now_s)


__all__ = ["ChangingQuietHours", "InSession", "QuietHours", "QuietTimes", "minutes_of", "zone_of"]
