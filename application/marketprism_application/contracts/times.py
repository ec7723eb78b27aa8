"""Times as people write them, and how they are written for people."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

CHINA = timezone(timedelta(hours=8))
_NANOS = 1_000_000_000
# A number that was counted since 1970 tells its unit by its digits, from 2001 on and for some centuries. Numbers of
# other lengths can be dates written without signs (201810092100), or are none of these.
_UNITS = {10: _NANOS, 13: 1_000_000, 16: 1_000, 18: 1, 19: 1}
_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d{1,9})(?=$|[Zz+\- ])")
_OFFSET = re.compile(r"^[+\-]?(\d\d):?(\d\d)$")
_SPACE_OFFSET = re.compile(
    r"(:\d\d(?:[.,]\d+)?) (\d\d:?\d\d)$"
)  # a plus of a query string that came as the blank it stands for
_LAST = 2**63 // _NANOS


def zone_of(text: str, name: str = "tz") -> tzinfo:
    """A time zone by its name (`UTC`, `Asia/Shanghai`) or its offset (`+08:00`).

    Raises:
        ValueError: none that is known.
    """
    found = _zone(text.strip())
    if found is None:
        raise ValueError(f"{name}: expected a time zone like UTC, Asia/Shanghai or +08:00, was {text[:80]!r}")
    return found


@lru_cache(maxsize=256)
def _zone(given: str) -> tzinfo | None:
    """The zone of that name, None where there is none; looked up in the system's files once."""
    if given.upper() in ("UTC", "Z"):
        return UTC
    match = _OFFSET.match(given)
    if match is not None and int(match[1]) < 24 and int(match[2]) < 60:
        offset = timedelta(hours=int(match[1]), minutes=int(match[2]))
        return timezone(-offset if given.startswith("-") else offset)
    try:
        return ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_name(zone: tzinfo) -> str:
    """The zone as Arrow names it: `UTC`, `Asia/Shanghai` or `+08:00`."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    return "UTC" if zone is UTC else datetime(1970, 1, 1, tzinfo=zone).isoformat()[19:]


def iso_time(ts: int, zone: tzinfo = UTC) -> str:
    """ISO 8601 of nanoseconds UTC, all nine digits of the second's fraction, with the zone's offset (`Z` for UTC)."""
    seconds, nanos = divmod(ts, _NANOS)
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(zone).isoformat()
    offset = text[19:]
    return f"{text[:19]}.{nanos:09d}{'Z' if offset == '+00:00' and zone is UTC else offset}"


def iso_short(ts: int) -> str:
    """ISO 8601 of nanoseconds UTC, with as many digits of the second's fraction as it has, none where that is 0."""
    whole, _, fraction = iso_time(ts).rstrip("Z").partition(".")
    return f"{whole}.{fraction.rstrip('0')}Z" if fraction.strip("0") else f"{whole}Z"


def parse_time(value: str | int | date | datetime | None, name: str, zone: tzinfo = CHINA) -> int | None:
    """Nanoseconds UTC of a time as people write it.

    An int is nanoseconds. Text is `2018-10-09` (its first instant), `20181009`, `2018-10-09 21:00` or ISO 8601 with an
    offset; without one it is a time of `zone` (of China), as are dates and naive datetimes. Text of ten digits is
    seconds since 1970, of 13 milliseconds, of 16 microseconds, of 18 or 19 nanoseconds.

    Raises:
        ValueError: not a time.
    """
    if value is None or isinstance(value, int):
        return value
    nanos = 0
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=zone)
    else:
        text = value.strip()
        if text.isascii() and text.isdigit() and len(text) in _UNITS:
            return _checked(int(text) * _UNITS[len(text)], name, text)
        try:
            moment, nanos = _moment(text)
        except ValueError:
            raise ValueError(
                f"{name}: expected a date or time like 2018-10-09 or 2018-10-09T21:00, was {text[:80]!r}"
            ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    found = (delta.days * 86_400 + delta.seconds) * _NANOS + delta.microseconds * 1_000 + nanos
    return _checked(found, name, value)


def _moment(text: str) -> tuple[datetime, int]:
    """A moment without its second's fraction, and that in nanoseconds: a datetime would hold six digits of it.

    Raises:
        ValueError: not a time.
    """
    if text.isdecimal() and len(text) != 8:
        raise ValueError(text)
    text = _SPACE_OFFSET.sub(r"\1+\2", text)
    fraction = _FRACTION.search(text)
    nanos = int(fraction[1].ljust(9, "0")) if fraction else 0
    try:
        return datetime.fromisoformat(_FRACTION.sub("", text)), nanos
    except OverflowError as error:
        raise ValueError(text) from error


def _checked(ts: int, name: str, written: object) -> int:
    if not 0 <= ts // _NANOS < _LAST:
        raise ValueError(f"{name}: expected a time from 1970 to 2262, was {str(written)[:80]!r}")
    return ts
