"""Times as users of the client give them, and the zone that those without one are in."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from operator import index
from typing import TYPE_CHECKING, TypeAlias, cast

from marketprism_application.contracts import times
from marketprism_application.contracts.failures import Code
from marketprism_client._failures import QueryFailed

if TYPE_CHECKING:
    import numpy as np

CHINA_ZONE = "Asia/Shanghai"
_EARLIEST_NS = 10**17  # 1973: a smaller number counts something else than nanoseconds
_MOST_NS = 2**63 - 1
_UNITS = ((10**14, "microseconds"), (10**11, "milliseconds"), (10**8, "seconds"), (10**7, "a date like 20181009"))

Time: TypeAlias = "str | int | date | datetime | np.datetime64 | None"
Day: TypeAlias = "str | date"


@lru_cache(maxsize=64)
def zone_of(name: str) -> tuple[str, tzinfo]:
    """The zone of a name or an offset, `Asia/Shanghai`, `UTC` or `+08:00`, and how Arrow and pandas name it.

    Raises:
        QueryFailed: there is none of that name.
    """
    if name == CHINA_ZONE:
        return name, times.CHINA  # also where no table of zones is installed
    try:
        zone = times.zone_of(name, "tz")
    except ValueError as error:
        raise QueryFailed(Code.INVALID_PARAMETER, str(error)) from error
    return times.zone_name(zone), zone


def nanoseconds(value: Time, name: str, tz: str = CHINA_ZONE) -> int | None:
    """Nanoseconds UTC of a time; None stays None.

    Text is as everywhere (`contracts.times.parse_time`); dates, datetimes, pandas Timestamps and numpy datetime64 are
    taken as well, with their nanoseconds. What has no zone is in `tz`. An int is nanoseconds UTC.

    Raises:
        QueryFailed: not a time; a number that can only be another unit.
    """
    if value is None:
        return None
    zone = zone_of(tz)[1]
    if isinstance(value, str | date):  # a datetime is a date
        if value != value:  # noqa: PLR0124 (how NaT is told from a time)
            raise _wrong(name, value)
        more: int = getattr(value, "nanosecond", 0)  # of a pandas Timestamp
        return _parsed(value, name, zone) + more
    if isinstance(value, bool):
        raise _wrong(name, value)
    if not isinstance(value, int) and str(getattr(value, "dtype", "")).startswith("datetime64"):
        return _of_numpy(value, name, zone)
    try:
        return _checked(index(cast("int", value)), name)  # of numpy's as well
    except TypeError:
        raise _wrong(name, value) from None


def day_text(value: Day, name: str) -> str:
    """A trading day as questions have it; that text is one is for whoever answers to check.

    Raises:
        QueryFailed: neither a text nor a date, or an instant of a day.
    """
    if isinstance(value, datetime) and (value.hour or value.minute or value.second or value.microsecond):
        raise QueryFailed(Code.INVALID_PARAMETER, f"{name}: expected a trading day, was the time {value}")
    if isinstance(value, date):
        return f"{value:%Y%m%d}"
    if not isinstance(value, str):
        raise QueryFailed(Code.INVALID_PARAMETER, f"{name}: expected a trading day like 2018-10-09, was {value!r}")
    return value


def _parsed(value: str | date, name: str, zone: tzinfo) -> int:
    try:
        found = times.parse_time(value, name, zone)
    except (ValueError, OverflowError) as error:
        if isinstance(error, OverflowError):
            raise _wrong(name, value) from error
        raise QueryFailed(Code.INVALID_PARAMETER, str(error)) from error
    assert found is not None  # noqa: S101 (a time was given)
    return found


def _of_numpy(value: np.datetime64, name: str, zone: tzinfo) -> int:
    local = int(value.astype("datetime64[ns]").astype("int64"))
    if local == -(2**63):  # NaT
        raise _wrong(name, value)
    whole, more = divmod(local, 1_000)
    return _parsed(datetime(1970, 1, 1) + timedelta(microseconds=whole), name, zone) + more  # noqa: DTZ001 (zone follows)


def _checked(value: int, name: str) -> int:
    if value == 0 or _EARLIEST_NS <= value <= _MOST_NS:
        return value
    unit = next((f" ({unit}?)" for least, unit in _UNITS if value >= least), "")
    raise QueryFailed(
        Code.INVALID_PARAMETER, f"{name}: expected nanoseconds since 1970 UTC, 0 or at least 10^17, was {value}{unit}"
    )


def _wrong(name: str, value: object) -> QueryFailed:
    return QueryFailed(
        Code.INVALID_PARAMETER,
        f"{name}: expected a date or time like 2018-10-09 or 2018-10-09T21:00, was {str(value)[:80]!r}",
    )
