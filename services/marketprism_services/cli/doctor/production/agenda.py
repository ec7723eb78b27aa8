"""Time zones, and the trading days of the next weeks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marketprism_sdk.errors import reason_of
from marketprism_services.cli.doctor.finding import Finding, Grade, judged, ok, wrong

_DAYS, _SOON = 30, 60
_CHINA = timedelta(hours=8)


def zones(of: Callable[[str], tzinfo] = ZoneInfo) -> Finding:
    """Whether the zones of the markets are known here."""
    todo = "install tzdata"
    try:
        offset = of("Asia/Shanghai").utcoffset(datetime.now(UTC).replace(tzinfo=None))
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        return wrong("time zones", f"Asia/Shanghai is not known: {reason_of(error)}", "known", todo)
    grade: Grade = "ok" if offset == _CHINA else "wrong"
    return judged(grade, "time zones", f"Asia/Shanghai is {offset} before UTC", "8 hours", todo)


def days(known_to: date, today: date) -> Finding:
    """Whether closed days are announced for the next 30 days."""
    left = (known_to - today).days
    if left >= _SOON:
        return ok("trading days", f"known up to {known_to}")
    grade: Grade = "warning" if left >= _DAYS else "wrong"
    todo = "update chinesecalendar, or name them in [calendar] closed and known_to"
    text = f"announced up to {known_to}, {left} days from now"
    return judged(grade, "trading days", text, "the next 30 days at least", todo)


__all__ = ["days", "zones"]
