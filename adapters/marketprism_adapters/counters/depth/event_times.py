"""Event time and trading day of a row, from what the venues and their counters put into the two columns of days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from enum import Enum

from marketprism_adapters.counters.depth.fields import BadField
from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.exchange_hours import has_action_day_of_session
from marketprism_domain.sessions.sessions import Placement
from marketprism_domain.sessions.trading_days import china_date, day_of, day_text, midnight
from marketprism_domain.values import NANOS_PER_SECOND

# From five in the afternoon on a front is set up for the next trading day; settlement prices come before four.
_NIGHT_FROM, _NIGHT_TO = 17 * 3600 * NANOS_PER_SECOND, 4 * 3600 * NANOS_PER_SECOND
_DAY_NS = 86_400 * NANOS_PER_SECOND
_LONGEST_AHEAD = 5 * _DAY_NS  # over a week-end; beyond, the receiving clock is wrong and not the date
_ONE_DAY = timedelta(days=1)


class Part(Enum):
    """Part of a trading day that a time of day lies in."""

    DAY = 0
    EVENING = 1
    AFTER_MIDNIGHT = 2


class NightStamp(Enum):
    """What the day of an evening's rows is, where nothing but one day is written."""

    NATURAL = "natural"
    TRADING_DAY = "trading day"


def part_of(of_day: int) -> Part:
    """The part of `of_day` nanoseconds after midnight."""
    if of_day >= _NIGHT_FROM:
        return Part.EVENING
    return Part.AFTER_MIDNIGHT if of_day < _NIGHT_TO else Part.DAY


def nobody_knows(_: str) -> NightStamp | None:
    """What the day of a venue's evening rows is, where there are no other rows to compare with: not known."""
    return None


class Times:
    """Event time and trading day of a row.

    Dalian's ActionDay at night is the trading day, Zhengzhou's TradingDay is the natural day, some counters leave one
    of them empty or put the same day into both, or do not change it at midnight. A day and a time that no night
    session has decide for the other reading; where both readings are possible, `stamp_of` says which one the rows
    around tell, by venue, and without it the exchange's habit holds. The trading day always comes from the calendar
    when the row lies in a session.
    """

    def __init__(self, calendar: MarketCalendar, stamp_of: Callable[[str], NightStamp | None] = nobody_knows) -> None:
        self.calendar = calendar
        self._stamp_of = stamp_of
        self._bases: dict[tuple[str, str, str, Part], int] = {}

    def event_ns(self, venue: str, trading_day: str, action_day: str, of_day: int, ts_recv: int | None = None) -> int:
        """Nanoseconds UTC, from `of_day` nanoseconds after the midnight that the dates and the night session name.

        Where it came at `ts_recv`, that tells the day if no date is there, or if the dates lead into the future: some
        fronts fill ActionDay of a Friday's night with the Monday.
        """
        if ts_recv is not None and not trading_day and not action_day:
            return _nearest(of_day, ts_recv)
        ts = self._event_ns(venue, trading_day, action_day, of_day)
        ahead = ts_recv is not None and _DAY_NS // 2 < ts - ts_recv < _LONGEST_AHEAD
        return _nearest(of_day, ts_recv) if ahead and ts_recv is not None else ts

    def _event_ns(self, venue: str, trading_day: str, action_day: str, of_day: int) -> int:
        part = part_of(of_day)
        key = (venue, trading_day, action_day, part)
        base = self._bases.get(key)
        if base is None:
            base = self._bases[key] = self._base(venue, trading_day, action_day, part)
        return base + of_day

    def _base(self, venue: str, trading_day: str, action_day: str, part: Part) -> int:
        action = day_in("ActionDay", action_day) if action_day else None
        if part is Part.DAY:
            return midnight(action or day_in("TradingDay", trading_day))
        # Where the other day tells, the trading day is not asked: what is wrong in it spoils nothing.
        stated = day_in("TradingDay", trading_day) if action is None else _day_or_none(trading_day)
        if part is Part.AFTER_MIDNIGHT:
            return midnight(self._evening_before(action, stated)) + _DAY_NS
        return midnight(self._evening(venue, action, stated))

    def _evening(self, venue: str, action: date | None, stated: date | None) -> date:
        """The evening of a row from before midnight."""
        days = self.calendar.days
        if action is None or stated is None:
            lone = action or stated
            assert lone is not None  # noqa: S101 (one of them is there)
            habit = NightStamp.TRADING_DAY if action is None else NightStamp.NATURAL
            return self._read_as(self._stamp_of(venue) or habit, lone)
        of_session = has_action_day_of_session(venue)
        if action < stated:
            return days.previous(stated) if of_session or not self._begins_night(action) else action
        habit = NightStamp.TRADING_DAY if of_session else NightStamp.NATURAL
        return self._read_as(self._stamp_of(venue) or habit, action)

    def _read_as(self, stamp: NightStamp, day: date) -> date:
        natural = stamp is NightStamp.NATURAL and self._begins_night(day)
        return day if natural else self.calendar.days.previous(day)

    def _evening_before(self, action: date | None, stated: date | None) -> date:
        """The evening before the midnight that a row comes after."""
        days = self.calendar.days
        if action is None:
            assert stated is not None  # noqa: S101 (one of them is there)
            natural = not days.is_trading_day(stated) and self._begins_night(stated - _ONE_DAY)
            return stated - _ONE_DAY if natural else days.previous(stated)
        before = action - _ONE_DAY
        if stated is not None and days.is_trading_day(stated):
            evening = days.previous(stated)
            if evening == action or not self._begins_night(before):  # the day was not changed at midnight, or is that
                return evening  # of the session
        return before if self._begins_night(before) else days.previous(action)

    def _begins_night(self, evening: date) -> bool:
        """Whether a night session begins on that evening."""
        days = self.calendar.days
        return days.night_before(days.next(evening)) == evening

    def trading_day(self, venue: str, symbol: str, ts: int, stated: str) -> str:
        """Trading day by the calendar, or as stated when the row lies outside every session."""
        return day_of_row(self.calendar.schedule(venue, symbol).place(ts), stated)


def day_of_row(placement: Placement, stated: str) -> str:
    """Trading day by the calendar, or as stated when the row lies outside every session.

    Raises:
        BadField: it is stated, and is no day.
    """
    if placement.session is not None or not stated:
        return placement.trading_day
    return day_text(day_in("TradingDay", stated))


def _nearest(of_day: int, ts_recv: int) -> int:
    """The instant of that time of day that is nearest to when it came."""
    ts = midnight(china_date(ts_recv)) + of_day
    return ts + round((ts_recv - ts) / _DAY_NS) * _DAY_NS


def day_in(column: str, text: str) -> date:
    """The day of a cell, `20250304`; `2025-03-04` too.

    Raises:
        BadField: it is none.
    """
    plain = text.removesuffix(".0")  # a table with a hole in the column writes its days as doubles
    if len(plain) == 10 and plain[4] == plain[7] and plain[4] in "-/":
        plain = plain.replace(plain[4], "")
    try:
        return day_of(plain)
    except InvalidValue:
        raise BadField(column, "a date as YYYYMMDD", text) from None


def _day_or_none(text: str) -> date | None:
    try:
        return day_in("TradingDay", text) if text else None
    except BadField:
        return None


__all__ = ["NightStamp", "Part", "Times", "day_in", "day_of_row", "nobody_knows", "part_of"]
