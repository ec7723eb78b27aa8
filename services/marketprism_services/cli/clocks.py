"""The zone of a command's times: those it shows, and those it is given without an offset.

`--tz` names it. Without, it is China time for instruments of Chinese exchanges and UTC for all others; where both stand
in one table, UTC.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from marketprism_application.contracts.times import parse_time
from marketprism_domain.sessions.exchange_hours import EXCHANGES, venue_of
from marketprism_services.platform.exits import Exit, Stop

Tz = Annotated[
    str | None,
    typer.Option(
        "--tz",
        help="Zone of times, shown and given: UTC, local, or a name like Asia/Shanghai. Without: China time for "
        "instruments of Chinese exchanges, UTC for all others.",
    ),
]
_SECOND = 1_000_000_000


class Zone(NamedTuple):
    """A zone, and what it is called beside times that are shown in it; without `info` it is this machine's."""

    info: tzinfo | None
    name: str

    def moment(self, ts: int) -> datetime:
        """An instant in nanoseconds UTC, to the second, on the clocks of this zone."""
        return datetime.fromtimestamp(ts // _SECOND, self.info)

    def text(self, ts: int, *, with_ms: bool = False) -> str:
        """`2018-10-09 21:00:00` of an instant in nanoseconds UTC."""
        text = self.moment(ts).strftime("%Y-%m-%d %H:%M:%S")
        return f"{text}.{ts % _SECOND // 1_000_000:03d}" if with_ms else text

    def instant(self, text: str | None, name: str) -> int | None:
        """Nanoseconds UTC of a time as a person writes it, in this zone where it has no offset.

        Raises:
            Stop: exit code 2, `name` is not a time.
        """
        if text is None or (text.strip().isdigit() and len(text.strip()) > _LONGEST_DAY):
            return _parsed(text, name)
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            return _parsed(text, name)  # which says what was expected
        if moment.tzinfo is None:
            moment = moment.astimezone() if self.info is None else moment.replace(tzinfo=self.info)
        return _parsed(moment, name)

    def range(self, start: str | None, end: str | None) -> tuple[int | None, int | None]:
        """The instants of `--from` and `--to`.

        Raises:
            Stop: exit code 2, one is not a time, or the end lies before the begin.
        """
        ts_from, ts_to = self.instant(start, "--from"), self.instant(end, "--to")
        if ts_from is not None and ts_to is not None and ts_to < ts_from:
            raise Stop(Exit.USAGE, f"--to: expected at or after --from {start}, was {end}")
        return ts_from, ts_to


_LONGEST_DAY = len("20181009")
CHINA_TIME = Zone(timezone(timedelta(hours=8), "CST"), "China time")
UTC_TIME = Zone(UTC, "UTC")


def _parsed(value: str | datetime | None, name: str) -> int | None:
    try:
        return parse_time(value, name)
    except (ValueError, OverflowError) as error:
        raise Stop(Exit.USAGE, str(error)) from error


def zone_named(text: str) -> Zone:
    """The zone that `--tz` means.

    Raises:
        Stop: exit code 2, there is none of that name.
    """
    known = {"utc": UTC_TIME, "china": CHINA_TIME, "asia/shanghai": Zone(CHINA_TIME.info, "Asia/Shanghai")}
    if (found := known.get(text.lower())) is not None:
        return found
    if text.lower() == "local":
        return Zone(None, f"local time, {time.tzname[0]}")
    try:
        return Zone(ZoneInfo(text), text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Stop(
            Exit.USAGE, f"--tz: expected UTC, local or a name like Asia/Shanghai or Europe/Berlin, was {text!r}"
        ) from None


def zone_of_venues(venues: Iterable[str], tz: str | None = None) -> Zone:
    """The zone of a table whose rows are of these venues. Raises Stop, as `zone_named`."""
    if tz is not None:
        return zone_named(tz)
    there = {venue for venue in venues if venue}
    return CHINA_TIME if there <= EXCHANGES.keys() else UTC_TIME


def zone_of_symbol(symbol: str, tz: str | None = None) -> Zone:
    """The zone of an instrument that is known by its name alone. Raises Stop, as `zone_named`."""
    if tz is not None:
        return zone_named(tz)
    # Contracts of stock options are numbers.
    return CHINA_TIME if symbol[:1].isdigit() or chinese_venue(symbol) else UTC_TIME


def chinese_venue(symbol: str) -> str | None:
    """The Chinese exchange that lists an instrument, None for names of other venues, which have a dash."""
    return None if "-" in symbol else venue_of(symbol)


def day_of_text(text: str, name: str) -> date:
    """A day as a person writes it, `2018-10-09` or `20181009`.

    Raises:
        Stop: exit code 2, `name` is not a day.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Stop(Exit.USAGE, f"{name}: expected a day like 2018-10-09, was {text!r}") from None
