"""Settings of the calendar: closed days that were announced after this was made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.exchange_codes import venue_of_code
from marketprism_domain.instruments.written_names import at_chinese_exchange
from marketprism_domain.sessions.exchange_hours import venue_of
from marketprism_domain.sessions.short_days import ShortDay
from marketprism_domain.sessions.trading_days import day_of, day_text

_TIME = re.compile(r"(\d\d):(\d\d)", re.ASCII)
_EARLIEST, _LATEST = 9 * 60 + 31, 15 * 60 + 15  # every day has begun, and none goes on


@dataclass(frozen=True)
class CalendarSettings:
    """Days on which the Chinese exchanges are `closed`, or `open` although the table has a holiday, like 2027-02-09.

    `known_to` is the last day up to which the closed days are complete with these; empty: what the package of holidays
    knows. Week-ends are always closed; one that is named in `closed` is a holiday, without a night session before it.

    `short` are trading days that end early or have no night: the day and when it ends, or `no-night`, and before them
    an exchange, a product or a contract where it is not all of them: `2027-02-05 11:30`, `rb 2027-02-05 no-night`.

    Raises:
        InvalidValue: names the field: no date, a week-end or a closed day among `open` or `short`, no time of a day's
            sections, no exchange, product or contract.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    closed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    known_to: str = ""
    short: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        closed = self.closed_days()
        for day in self.open_days():
            if day.weekday() >= 5:
                raise InvalidValue("open", "weekdays, the exchanges do not open on week-ends", str(day))
            if day in closed:
                raise InvalidValue("open", "days that are not in closed too", str(day))
        self.known_day()
        for short in self.short_days():
            day = day_of(short.trading_day)
            if day.weekday() >= 5 or day in closed:
                raise InvalidValue("short", "trading days, the exchanges are closed", str(day))

    def closed_days(self) -> frozenset[date]:
        """The days of `closed`."""
        return frozenset(_day("closed", text) for text in self.closed)

    def open_days(self) -> frozenset[date]:
        """The days of `open`."""
        return frozenset(_day("open", text) for text in self.open)

    def known_day(self) -> date | None:
        """The day of `known_to`."""
        return _day("known_to", self.known_to) if self.known_to else None

    def short_days(self) -> tuple[ShortDay, ...]:
        """The days of `short`."""
        return tuple(_short_day(text) for text in self.short)


def _short_day(text: str) -> ShortDay:
    words = text.split()
    if len(words) not in (2, 3):
        raise InvalidValue("short", "a day and its end, like 2027-02-05 11:30, or rb 2027-02-05 no-night", text)
    *names, day, end = words
    venue, name = _named(names[0]) if names else ("", "")
    return ShortDay(day_text(_day("short", day)), None if end == "no-night" else _minute(end), venue, name)


def _named(text: str) -> tuple[str, str]:
    """Exchange, and product or contract, of one of them or of both: `cffex`, `rb`, `T2506`, `rb.SHFE`."""
    if (venue := venue_of_code(text)) is not None:
        return venue, ""
    written = at_chinese_exchange(text)
    symbol = text if written is None else written.symbol
    venue = venue_of(symbol) if written is None else written.venue
    if venue is None:
        raise InvalidValue("short", "an exchange, a product or a contract, like rb or T2506", text)
    return venue, symbol


def _minute(text: str) -> int:
    """Minutes from midnight of a time at which a day may end."""
    found = _TIME.fullmatch(text)
    minute = int(found[1]) * 60 + int(found[2]) if found else -1
    if found is None or int(found[2]) > 59 or not _EARLIEST <= minute <= _LATEST:
        raise InvalidValue("short", "an end from 09:31 to 15:15, or no-night", text)
    return minute


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidValue(field, "a date like 2027-02-09", text) from None


__all__ = ["CalendarSettings"]
