"""When a tick of a gateway was: its `datetime` by what is known of the gateway, and the trading day by our calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from marketprism_adapters.vnpy_gateway.registry import CHINA_ZONE, IN_HUNDREDS, GatewayRow
from marketprism_application.contracts.times import zone_of
from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.values import NANOS_PER_SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_QUARTER = timedelta(minutes=15)
_DAY_NS = 86_400 * NANOS_PER_SECOND
_AHEAD_NS = 3_600 * NANOS_PER_SECOND  # a clock may be off by less; what is further ahead has another date
_LONGEST_SHUT = 14  # days of a holiday over which the newest tick of an instrument may be old
_MS_US = 1_000


class Times:
    """Event times of one gateway. Loads its time zone when it is made: not for an event loop.

    Raises:
        ValueError: no such zone.
    """

    def __init__(self, row: GatewayRow) -> None:
        self._row = row
        self._zone = zone_of(row.zone, "zone") if row.zone else None
        self._unzoned = zone_of(CHINA_ZONE)
        self._midnights: dict[tuple[int, tzinfo], tuple[int, int]] = {}
        self._last: dict[Schedule, int] = {}

    def event_ns(self, when: object, venue: str, schedule: Schedule, ts_recv: int) -> int:
        """Nanoseconds UTC of a `datetime` of an instrument whose sessions are those of `schedule`.

        Raises:
            InvalidValue: it is no time.
        """
        if not isinstance(when, datetime):
            raise InvalidValue("datetime", "a time", repr(when)[:80])
        if self._row.times == "receipt":
            return ts_recv
        ts = self._instant(when, self._microseconds(when))
        if self._row.times == "of_day" or ts > ts_recv + _DAY_NS // 2:
            ts = _of_day(ts, schedule, ts_recv)
        if self._row.millisecond == "unpadded" and when.microsecond and venue not in IN_HUNDREDS:
            ts = self._not_before(ts, when.microsecond, schedule)
        self._last[schedule] = ts
        return ts

    def _instant(self, when: datetime, microseconds: int) -> int:
        """The clock of the wall where the row names its zone, and where the zone that `when` bears is none: China's of
        before 1901, +08:06, is what `replace(tzinfo=pytz…)` makes of it."""
        zone = self._zone
        if zone is None:
            offset = when.utcoffset()
            zone = when.tzinfo if offset is not None and not offset % _QUARTER else self._unzoned
        day = when.toordinal()
        found = self._midnights.get((day, zone))  # type: ignore[arg-type]
        if found is None:
            midnight = when.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=zone, fold=0)
            one_way = midnight.utcoffset() == (midnight + timedelta(days=1)).utcoffset()
            base = (midnight - _EPOCH) // timedelta(seconds=1) if one_way else -1
            found = self._midnights[day, zone] = (base, int(one_way))  # type: ignore[index]
        if found[1]:
            seconds = found[0] + when.hour * 3_600 + when.minute * 60 + when.second
        else:  # the clocks are changed on that day
            seconds = (when.replace(tzinfo=zone, microsecond=0) - _EPOCH) // timedelta(seconds=1)
        return seconds * NANOS_PER_SECOND + microseconds * _MS_US

    def _microseconds(self, when: datetime) -> int:
        """As many digits of the second as the gateway has; of an unpadded number the whole of it as long as nothing
        speaks for less."""
        rule = self._row.millisecond
        if rule == "seconds":
            return 0
        return when.microsecond // 100_000 * 100_000 if rule == "tenths" else when.microsecond

    def _not_before(self, ts: int, microsecond: int, schedule: Schedule) -> int:
        """The earliest time that is written like this and not before the instrument's last: .93 is 93 or 930 ms. It is
        never later than the true one, so that the next tick is not before it."""
        milliseconds, rest = divmod(microsecond, _MS_US)
        digits = f"{milliseconds:03d}".rstrip("0")
        if rest or digits.startswith("0"):
            return ts
        second = ts - microsecond * _MS_US
        last = self._last.get(schedule, 0)
        written = [second + int(digits.ljust(width, "0")) * 1_000_000 for width in range(len(digits), 4)]
        return next((each for each in written if each >= last), ts)


def _of_day(ts: int, schedule: Schedule, ts_recv: int) -> int:
    """The newest instant of that time of day that has been when it came; over a holiday, or a week-end, that of the
    last day on which the instrument traded then."""
    newest = ts + (ts_recv + _AHEAD_NS - ts) // _DAY_NS * _DAY_NS
    if schedule.place(newest).session is not None:
        return newest
    days = (newest - back * _DAY_NS for back in range(1, _LONGEST_SHUT + 1))
    return next((each for each in days if schedule.place(each).session is not None), newest)


__all__ = ["Times"]
