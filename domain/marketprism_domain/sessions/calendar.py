"""Trading days, sessions, and which of them an instant belongs to.

A trading day is the exchange date a session settles to. Its sections are counted in session minutes from its
first section on, the night of the evening before included. All instants are nanoseconds UTC.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from datetime import date, timedelta

from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import product_of
from marketprism_domain.sessions.exchange_hours import (
    LATE_NIGHT_OPEN,
    NO_NIGHT,
    NO_NIGHT_AT,
    Template,
    Versions,
    hours_key,
    versions_of,
)
from marketprism_domain.sessions.last_days import LastDay, last_day_of
from marketprism_domain.sessions.sessions import Placement, Session, SessionChange, changed
from marketprism_domain.sessions.short_days import NO_SHORT_DAYS, ShortDay, ShortDays
from marketprism_domain.sessions.trading_days import (
    EPOCH,
    NANOS_PER_DAY,
    TradingDays,
    china_date,
    day_of,
    day_text,
    midnight,
)
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND

_KEPT_NS = 10 * NANOS_PER_DAY


class Schedule:
    """Sessions of one product over time, with a cache of the section last asked for."""

    time_zone = "Asia/Shanghai"  # in which its trading days and hours are told (IANA)

    def __init__(
        self,
        venue: str,
        versions: Versions,
        days: TradingDays,
        edge_tolerance_ns: int,
        by_day: dict[str, tuple[Session, ...]] | None = None,
        last_day: LastDay | None = None,
        short: ShortDays = NO_SHORT_DAYS,
    ) -> None:
        self._venue = venue
        self._versions = versions
        self._starts = [first for first, _ in versions]
        self._days = days
        self._edge = edge_tolerance_ns
        self._by_day = {} if by_day is None else by_day  # sections of a day, shared by a product's instruments
        self._last_day = last_day  # of one contract: its sections are its own
        self._short = short
        self._on_last_day: dict[str, tuple[Session, ...]] = {}
        self._last_text = day_text(last_day.day) if last_day is not None else ""
        self._placement: Placement | None = None
        self._from = 0
        self._to = 0

    def __reduce__(self) -> tuple[object, ...]:
        """How it is made again; compiled classes have no dictionary that a pickle could take."""
        made_of = (self._venue, self._versions, self._days, self._edge, self._by_day, self._last_day, self._short)
        return Schedule, made_of, self._on_last_day

    def __setstate__(self, on_last_day: dict[str, tuple[Session, ...]]) -> None:
        self._on_last_day = on_last_day

    @property
    def edge_ns(self) -> int:
        """So long after its end a section still takes ticks."""
        return self._edge

    def place(self, ts: int) -> Placement:
        """Trading day, section and phase of an instant."""
        if self._from <= ts < self._to and self._placement is not None:
            return self._placement
        placement, start, end = self._find(ts)
        self._placement, self._from, self._to = placement, start, end
        return placement

    def _find(self, ts: int) -> tuple[Placement, int, int]:
        """Placement and the range of instants [start, end) that share it."""
        before: Session | None = None
        for session in self._around(ts):
            if ts < session.ts_auction:
                return self._between(ts, before, session)
            if ts < session.ts_open:
                return Placement(session.trading_day, session, "auction"), session.ts_auction, session.ts_open
            if ts < session.ts_close:
                return (
                    Placement(session.trading_day, session, "continuous"),
                    session.ts_open,
                    session.ts_close,
                )
            before = session
        raise AssertionError("a trading day has a next one")

    def _between(self, ts: int, before: Session | None, after: Session) -> tuple[Placement, int, int]:
        start = 0
        if before is not None:
            edge = min(before.ts_close + self._edge, after.ts_auction)
            if ts < edge:
                return Placement(before.trading_day, before, "section_end"), before.ts_close, edge
            start = edge
        if before is not None and before.trading_day == after.trading_day:
            return Placement(after.trading_day, None, "break"), start, after.ts_auction
        # Between two trading days the market is closed; such an instant counts for the day that ended until
        # midnight, then for the one to come. The answer holds for this natural day only.
        natural = china_date(ts)
        ended = before is not None and day_text(natural) <= before.trading_day
        day = before.trading_day if ended and before is not None else after.trading_day
        start, end = max(start, midnight(natural)), midnight(natural) + NANOS_PER_DAY
        return Placement(day, None, "closed"), start, min(end, after.ts_auction)

    def _around(self, ts: int) -> Iterable[Session]:
        """Sessions from those of the previous trading day on, in order."""
        day = self._days.previous(china_date(ts))
        for _ in range(4):
            yield from self.sessions(day_text(day))
            day = self._days.next(day)

    def sessions(self, trading_day: str) -> tuple[Session, ...]:
        """Sections of a trading day, in order; the night of the evening before comes first.

        Raises:
            InvalidValue: `trading_day` is not a date.
        """
        by_day = self._of(trading_day)
        found = by_day.get(trading_day)
        if found is None:
            found = by_day[trading_day] = self._make(trading_day)
        return found

    def _of(self, trading_day: str) -> dict[str, tuple[Session, ...]]:
        return self._on_last_day if trading_day == self._last_text else self._by_day

    def overrule(self, change: SessionChange) -> None:
        """Use another section on one trading day; saying it twice changes nothing more."""
        self._of(change.trading_day)[change.trading_day] = changed(self.sessions(change.trading_day), change)
        self._placement, self._from, self._to = None, 0, 0

    def _make(self, trading_day: str) -> tuple[Session, ...]:
        day = day_of(trading_day)
        template, evening = self._template(trading_day, day)
        made: list[Session] = []
        offset = 0
        late = LATE_NIGHT_OPEN.get(trading_day)
        for section in template.sections:
            base = midnight(evening) if section.night and evening is not None else midnight(day)
            opens = section.opens
            if section.night and late is not None and self._venue in late[0]:
                opens = late[1]
            ts_open, ts_close = base + opens * NANOS_PER_MINUTE, base + section.closes * NANOS_PER_MINUTE
            auction = ts_open - section.auction * NANOS_PER_MINUTE
            made.append(Session(trading_day, len(made), ts_open, ts_close, offset, auction, last=False))
            offset += section.closes - opens
        made[-1] = made[-1]._replace(last=True)
        return tuple(made)

    def _template(self, trading_day: str, day: date) -> tuple[Template, date | None]:
        position = bisect.bisect_right(self._starts, trading_day) - 1
        template = self._versions[max(position, 0)][1]
        if self._last_day is not None and day == self._last_day.day:
            template = self._last_day.template
        evening = self._days.night_before(day)
        suspended = any(first <= trading_day <= last for first, last in NO_NIGHT)
        suspended = suspended or self._venue in NO_NIGHT_AT.get(trading_day, ())
        if evening is None or suspended:
            template, evening = template.without_night(), None
        return self._short.of(trading_day, template), evening

    def is_short(self, trading_day: str) -> bool:
        """Whether the settings say that the day ends early or has no night."""
        return trading_day in self._short

    def week(self, trading_day: str) -> tuple[str, str]:
        """First and last trading day of the ISO week that a trading day lies in."""
        day = day_of(trading_day)
        monday = day - timedelta(days=day.weekday())
        week = [monday + timedelta(days=n) for n in range(7)]
        traded = [each for each in week if self.trades(each)] or [day]
        return day_text(traded[0]), day_text(traded[-1])

    def next_day(self, day: date) -> date:
        """The trading day after `day`."""
        return self._days.next(day)

    def trades(self, day: date) -> bool:
        """Whether the day is a trading day."""
        return self._days.is_trading_day(day)

    def trading_day_of(self, ts: int) -> str:
        """Trading day of any instant; a night belongs to the next trading day."""
        return self.place(ts).trading_day

    def next_session(self, ts: int) -> Session:
        """First section that ends after the instant."""
        return next(session for session in self._around(ts) if session.ts_close > ts)


class AlwaysOpen(Schedule):
    """A market that never closes: the trading day is the UTC date, one section a day."""

    time_zone = "UTC"

    def __init__(self) -> None:
        super().__init__("", (), TradingDays(), 0)

    def __reduce__(self) -> tuple[object, ...]:
        """How it is made again."""
        return AlwaysOpen, (), self._by_day

    def __setstate__(self, by_day: dict[str, tuple[Session, ...]]) -> None:
        self._by_day = by_day

    def _find(self, ts: int) -> tuple[Placement, int, int]:
        start = ts - ts % NANOS_PER_DAY
        session = self.sessions(day_text(EPOCH + timedelta(days=ts // NANOS_PER_DAY)))[0]
        return Placement(session.trading_day, session, "continuous"), start, start + NANOS_PER_DAY

    def _make(self, trading_day: str) -> tuple[Session, ...]:
        start = (day_of(trading_day) - EPOCH).days * NANOS_PER_DAY
        return (Session(trading_day, 0, start, start + NANOS_PER_DAY, 0, start, last=True),)

    def next_day(self, day: date) -> date:
        """The date after `day`."""
        return day + timedelta(days=1)

    def trades(self, day: date) -> bool:  # noqa: ARG002 (every day)
        """True for every day."""
        return True

    def next_session(self, ts: int) -> Session:
        """The UTC day the instant lies in."""
        session = self.place(ts).session
        assert session is not None  # noqa: S101 (every instant lies in one)
        return session


_Key = tuple[str, str]
_CalendarState = tuple[
    int, dict[_Key, Schedule], dict[_Key, dict[str, tuple[Session, ...]]], dict[_Key, list[SessionChange]]
]


class MarketCalendar:
    """Schedules of every product, made once each."""

    def __init__(self, days: TradingDays, edge_tolerance_s: float = 60.0, short_days: Iterable[ShortDay] = ()) -> None:
        if not 0 <= edge_tolerance_s <= 300:
            raise InvalidValue("edge_tolerance_s", "0 to 300 seconds", edge_tolerance_s)
        self.days = days
        self._short = tuple(short_days)
        self._edge = int(edge_tolerance_s * NANOS_PER_SECOND)
        self._schedules: dict[tuple[str, str], Schedule] = {}
        self._sections: dict[tuple[str, str], dict[str, tuple[Session, ...]]] = {}
        self._changes: dict[tuple[str, str], list[SessionChange]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        """How it is made again."""
        return MarketCalendar, (self.days, 0, self._short), (self._edge, self._schedules, self._sections, self._changes)

    def __setstate__(self, state: _CalendarState) -> None:
        self._edge, self._schedules, self._sections, self._changes = state

    def schedule(self, venue: str, symbol: str) -> Schedule:
        """Sessions of an instrument; other than Chinese futures venues never close.

        One object per instrument, so that its cache follows that instrument's clock.
        """
        key = (venue, symbol)
        found = self._schedules.get(key)
        if found is None:
            versions = versions_of(venue, symbol)
            if versions is None:
                found = AlwaysOpen()
            else:
                short = ShortDays((day for day in self._short if day.is_of(venue, symbol)), symbol)
                shared = {} if short.its_own else self._sections.setdefault((venue, hours_key(symbol)), {})
                last_day = last_day_of(venue, symbol, self.days)
                found = Schedule(venue, versions, self.days, self._edge, shared, last_day, short)
                for change in self._changes.get((venue, product_of(symbol).lower()), ()) if short.its_own else ():
                    found.overrule(change)
            self._schedules[key] = found
        return found

    def copy(self) -> MarketCalendar:
        """The same table, with changes of its own: what one log says must not show in the reading of another."""
        calendar = MarketCalendar(self.days, 0, self._short)
        calendar._edge = self._edge
        for change in self.changes():
            calendar.overrule(change)
        return calendar

    def overrule(self, change: SessionChange) -> None:
        """Use another section for a product on one trading day.

        Raises:
            InvalidValue: the change has no length or no whole minutes.
        """
        said = self._changes.setdefault((change.venue, change.product.lower()), [])
        if change in said:
            return
        self.schedule(change.venue, change.product)  # the sections are the product's, whoever asks first
        for (venue, symbol), schedule in self._schedules.items():
            if venue == change.venue and product_of(symbol).lower() == change.product.lower():
                schedule.overrule(change)
        # A later word about the same section stands; days long past are settled.
        kept = [known for known in said if known.ts_open > change.ts_open - _KEPT_NS]
        self._changes[change.venue, change.product.lower()] = [*kept, change]

    def changes(self) -> tuple[SessionChange, ...]:
        """What overrules the table, in the order in which it was said."""
        return tuple(change for said in self._changes.values() for change in said)

    @staticmethod
    def product_of(symbol: str) -> str:
        """Product code of a symbol."""
        return product_of(symbol)
