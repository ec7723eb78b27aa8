"""Times as users of the client give them, and the zone that those without one are in."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from operator import index
from typing import TYPE_CHECKING, TypeAlias, cast
from zoneinfo import ZoneInfo

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.times import CHINA
from marketprism_client._failures import QueryFailed

if TYPE_CHECKING:
    import numpy as np

CHINA_ZONE = "Asia/Shanghai"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_NS = 10**17  # 1973: a smaller number counts something else than nanoseconds
_MOST_NS = 2**63 - 1
_UNITS = ((10**14, "microseconds"), (10**11, "milliseconds"), (10**8, "seconds"), (10**7, "a date like 20181009"))
_FRACTION = re.compile(r"[.,](\d{6})(\d{1,3})(?!\d)")


Time: TypeAlias = "str | int | date | datetime | np.datetime64 | None"


@lru_cache(maxsize=64)
def zone_of(name: str) -> tuple[str, tzinfo]:
    """The zone of a name, `Asia/Shanghai` or `UTC`.

    Raises:
        QueryFailed: there is none of that name.
    """
    if name == CHINA_ZONE:
        return name, CHINA  # also where no table of zones is installed
    if name.upper() == "UTC":
        return "UTC", UTC
    try:
        return name, ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise QueryFailed(
            Code.INVALID_PARAMETER, f"tz: expected a time zone like Asia/Shanghai or UTC, was {name!r}"
        ) from error


def nanoseconds(value: Time, name: str, tz: str = CHINA_ZONE) -> int | None:
    """Nanoseconds UTC of a time; None stays None.

    Text is `2018-10-09`, `20181009`, `2018-10-09 21:00:00.123456789` or ISO 8601 with an offset; dates, datetimes,
    pandas Timestamps and numpy datetime64 are taken as well. What has no zone is in `tz`. An int is nanoseconds UTC.

    Raises:
        QueryFailed: not a time; a number that can only be another unit.
    """
    if value is None:
        return None
    zone = zone_of(tz)[1]
    if isinstance(value, str):
        return _of_text(value.strip(), name, zone)
    if isinstance(value, datetime):
        if value != value:  # noqa: PLR0124 (how NaT is told from a time)
            raise _wrong(name, value)
        more: int = getattr(value, "nanosecond", 0)  # of a pandas Timestamp
        return _of_datetime(value, name, zone) + more
    if isinstance(value, date):
        return _of_datetime(datetime(value.year, value.month, value.day), name, zone)  # noqa: DTZ001 (zone follows)
    if isinstance(value, bool):
        raise _wrong(name, value)
    if not isinstance(value, int) and str(getattr(value, "dtype", "")).startswith("datetime64"):
        return _of_numpy(value, name, zone)
    try:
        return _checked(index(cast("int", value)), name)  # of numpy's as well
    except TypeError:
        raise _wrong(name, value) from None


def _of_numpy(value: np.datetime64, name: str, zone: tzinfo) -> int:
    local = int(value.astype("datetime64[ns]").astype("int64"))
    if local == -(2**63):  # NaT
        raise _wrong(name, value)
    whole, more = divmod(local, 1_000)
    return _of_datetime(datetime(1970, 1, 1) + timedelta(microseconds=whole), name, zone) + more  # noqa: DTZ001


def _of_text(text: str, name: str, zone: tzinfo) -> int:
    if text.isdigit() and len(text) > 8:
        return _checked(int(text), name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(name, text) from None
    fraction = _FRACTION.search(text)
    return _of_datetime(moment, name, zone) + (int(fraction[2].ljust(3, "0")) if fraction else 0)


def _of_datetime(moment: datetime, name: str, zone: tzinfo) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        delta = moment.astimezone(UTC) - _EPOCH
    except OverflowError:
        raise _wrong(name, moment) from None
    found = (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000
    if not 0 <= found <= _MOST_NS:
        raise _wrong(name, moment)
    return found


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
        f"{name}: expected a date or time like 2018-10-09 or 2018-10-09T21:00, was {str(value)!r}",
    )
