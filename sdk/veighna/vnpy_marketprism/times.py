"""Times of VeighNa, datetimes of the zone of its database, and ours, nanoseconds UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from vnpy.trader.database import DB_TZ

if TYPE_CHECKING:
    import pyarrow as pa

Nanoseconds = npt.NDArray[np.int64]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVENING = 18
_CHINA_S = 8 * 3_600
_FRIDAY = 4


def zoned(moment: datetime) -> datetime:
    """The time with a zone, that of the database where it has none."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=DB_TZ)


def nanoseconds_of(moment: datetime) -> int:
    """Nanoseconds UTC of a time, of the zone of the database where it has none."""
    return (zoned(moment) - _EPOCH) // timedelta(microseconds=1) * 1_000


def moment_of(ts: int) -> datetime:
    """The time in the zone of the database; what is below a microsecond is cut off."""
    return (_EPOCH + timedelta(microseconds=ts // 1_000)).astimezone(DB_TZ)


def moments_of(ts: Nanoseconds) -> list[datetime]:
    """Times in the zone of the database, as `moment_of`, quicker where the zone's offset does not change."""
    if not len(ts):
        return []
    first, last = moment_of(int(ts.min())), moment_of(int(ts.max()))
    offset = first.utcoffset()
    whole = (last - first) < timedelta(days=60) and _never_changes(first, last)
    if offset is None or not whole:
        return [moment_of(each) for each in ts.tolist()]
    # What is added to a time counts on the clock of its zone; a sum costs a tenth of `replace`.
    since: list[timedelta] = (ts // 1_000 + offset // timedelta(microseconds=1)).astype("timedelta64[us]").tolist()
    return list(map(datetime(1970, 1, 1, tzinfo=DB_TZ).__add__, since))


def _never_changes(first: datetime, last: datetime) -> bool:
    """Whether the zone has one offset between two times; zones keep theirs for weeks."""
    step, at = timedelta(days=7), first
    while at < last:
        if at.utcoffset() != first.utcoffset():
            return False
        at = (at.astimezone(UTC) + step).astimezone(DB_TZ)
    return last.utcoffset() == first.utcoffset()


def day_of(text: str) -> datetime:
    """Midnight of a trading day `YYYYMMDD`, in the zone of the database."""
    return datetime(int(text[:4]), int(text[4:6]), int(text[6:8]), tzinfo=DB_TZ)


def date_of(moment: datetime) -> date:
    """The date of a time in the zone of the database."""
    return zoned(moment).astimezone(DB_TZ).date()


def trading_day_opened(ts: int) -> datetime:
    """Midnight of the trading day of which a Chinese session opens at a time: an evening is of the next day of work."""
    local = _EPOCH + timedelta(seconds=ts // 1_000_000_000 + _CHINA_S)
    day = local.date()
    if local.hour >= _EVENING:
        day += timedelta(days=3 if day.weekday() == _FRIDAY else 1)
    return datetime(day.year, day.month, day.day, tzinfo=DB_TZ)


def ints_of(table: pa.Table, name: str) -> Nanoseconds:
    """A column of integers, times among them."""
    found: Nanoseconds = table.column(name).combine_chunks().to_numpy(zero_copy_only=False)
    return found
