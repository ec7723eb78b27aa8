"""What must be there: the bars of a series by the calendar, before a single row is looked at.

Bars are counted as the aggregator counts them (`bars.cascade`), so that a bar over a break is one bar, and a week that
begins on a Tuesday is one week. `wall` is how others count by the clock: a break lies inside a bar, where our `clock`
ends one at a section's end. What is expected is run-length coded: ten years of minutes are some thousand runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple

from marketprism_domain.bars.cascade import Cascade, Window, minute_window
from marketprism_domain.errors import InvalidValue
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.sessions.calendar import AlwaysOpen, Schedule
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.sessions.trading_days import CHINA_OFFSET_NS, EPOCH, NANOS_PER_DAY, day_of, day_text
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND, Interval

GRACE_NS = 5 * NANOS_PER_SECOND  # how long after its end a bar may still be made
Alignment = Literal["session", "clock", "wall"]


class Run(NamedTuple):
    """`bars` of `length_ns`, one every `step_ns`, the first opens at `ts_first`.

    `required`: whether one that is not there is missing. A bar that is not required may be there all the same.
    """

    ts_first: int
    step_ns: int
    bars: int
    length_ns: int
    required: bool = True

    @property
    def ts_end(self) -> int:
        """When the last bar closes."""
        return self.ts_first + (self.bars - 1) * self.step_ns + self.length_ns


class ExpectedDay(NamedTuple):
    """The bars of one trading day, in order of time."""

    trading_day: str
    runs: tuple[Run, ...]

    @property
    def expected(self) -> int:
        """How many bars must be there."""
        return sum(run.bars for run in self.runs if run.required)


class Listing(NamedTuple):
    """From when to when an instrument is listed: trading days YYYYMMDD, and instants where they are known better.

    Empty and None are no bound. Whether the night before the first day was traded is not known of a contract.
    """

    first_day: str = ""
    last_day: str = ""
    ts_first: int | None = None
    ts_last: int | None = None


UNBOUNDED = Listing()


class Halt(NamedTuple):
    """A time without trading, [ts_from, ts_to): a bar that lies in it whole is not required."""

    ts_from: int
    ts_to: int


@dataclass(frozen=True)
class Expectation:
    """What must be there of a dataset.

    `dense`: every bar must be there (klines of a venue, which has one for each minute). Otherwise the series is sparse,
    a bar without a trade is not made, and one is missing only where a witness has volume.
    `days` are those of the dataset's span that the instrument trades on, in order.
    """

    dataset: Dataset
    dense: bool
    days: tuple[ExpectedDay, ...]
    alignment: Alignment = "session"

    @property
    def count(self) -> int:
        """How many bars there are if nothing is missing."""
        return sum(day.expected for day in self.days)

    @property
    def trading_days(self) -> tuple[str, ...]:
        """The trading days, YYYYMMDD, in order."""
        return tuple(day.trading_day for day in self.days)


@dataclass(frozen=True)
class ExpectationRules:
    """What is known beside the calendar. `now_ns`: a bar that ends later is still forming, and not expected."""

    dense: bool
    now_ns: int
    alignment: Alignment = "session"
    listing: Listing = UNBOUNDED
    halts: Sequence[Halt] = ()
    grace_ns: int = GRACE_NS


class Span(NamedTuple):
    """A range of time of which either end may be open."""

    ts_from: int | None
    ts_to: int | None


def whole_days(schedule: Schedule, interval: Interval, ts_from: int | None, ts_to: int | None) -> Span:
    """A range of dates as one of bars: of days, and of weeks by their Mondays, those whose date begins in it. Their
    bars open on the evening before, and end with their last section. A range of shorter bars is itself."""
    if interval.unit not in "dw":
        return Span(ts_from, ts_to)
    begin = None if ts_from is None else _date_from(schedule, ts_from)
    last = None if ts_to is None else _date_from(schedule, ts_to) - timedelta(days=1)
    if interval.unit == "w":
        begin = None if begin is None else begin + timedelta(days=-begin.weekday() % 7)
        last = None if last is None else last - timedelta(days=last.weekday())
    first_day = None if begin is None else _trading_from(schedule, begin)
    last_day = None if last is None else _trading_until(schedule, last, interval)
    opened = None if first_day is None else schedule.sessions(day_text(first_day))[0].ts_open
    closed = None if last_day is None else schedule.sessions(day_text(last_day))[-1].ts_close
    if opened is not None and closed is not None and closed <= opened:
        return Span(ts_from, ts_to)
    return Span(opened, closed)


def _date_from(schedule: Schedule, ts: int) -> date:
    """The first date that begins at an instant or behind it."""
    offset = 0 if isinstance(schedule, AlwaysOpen) else CHINA_OFFSET_NS
    return EPOCH + timedelta(days=-(-(ts + offset) // NANOS_PER_DAY))


def _trading_from(schedule: Schedule, day: date) -> date:
    return day if schedule.trades(day) else schedule.next_day(day)


def _trading_until(schedule: Schedule, day: date, interval: Interval) -> date:
    if interval.unit == "w":
        return day_of(schedule.week(day_text(day))[1])
    while not schedule.trades(day):
        day -= timedelta(days=1)
    return day


def expectation_of(dataset: Dataset, schedule: Schedule, rules: ExpectationRules) -> Expectation:
    """The bars that a dataset must have by the sessions of its instrument.

    Raises:
        InvalidValue: bars of less than a minute, which only trades make.
    """
    if Interval.parse(dataset.interval).unit == "s":
        raise InvalidValue("interval", "1m or longer, a second without a trade has no bar", dataset.interval)
    counting = _Counting(dataset, schedule, rules)
    days = tuple(day for day in counting.days() if day.runs)
    return Expectation(dataset, rules.dense, days, rules.alignment)


class _Counting:
    """Counts the bars of a dataset, day by day."""

    def __init__(self, dataset: Dataset, schedule: Schedule, rules: ExpectationRules) -> None:
        self._dataset, self._schedule, self._rules = dataset, schedule, rules
        self._interval = Interval.parse(dataset.interval)
        self._cascade = Cascade((dataset.interval,), schedule, by_clock=rules.alignment != "session")
        last = min(dataset.ts_to, rules.now_ns + 1)
        self._span = (dataset.ts_from, last)
        listing = rules.listing
        if listing.ts_first is not None:
            self._span = (max(self._span[0], listing.ts_first), self._span[1])
        if listing.ts_last is not None:
            self._span = (self._span[0], min(self._span[1], listing.ts_last))

    def days(self) -> Iterator[ExpectedDay]:
        ts_from, ts_to = self._span
        if ts_to <= ts_from:
            return
        first = day_of(self._schedule.trading_day_of(ts_from))
        last = day_of(self._schedule.trading_day_of(ts_to - 1))
        for text in self._trading_days(first, last):
            yield ExpectedDay(text, tuple(self._runs(text)))

    def _trading_days(self, first: date, last: date) -> Iterator[str]:
        listing = self._rules.listing
        day = first
        while day <= last:
            text = day_text(day)
            listed = text >= listing.first_day and (not listing.last_day or text <= listing.last_day)
            if listed and self._schedule.trades(day):
                yield text
            day += timedelta(days=1)

    def _runs(self, trading_day: str) -> Iterator[Run]:
        unlisted_night = trading_day == self._rules.listing.first_day and not isinstance(self._schedule, AlwaysOpen)
        for run in self._whole(trading_day):
            night = unlisted_night and _is_of_evening(run, self._schedule.sessions(trading_day))
            yield from self._cut(run._replace(required=False) if night else run)

    def _whole(self, trading_day: str) -> Iterator[Run]:
        """The bars of a day as if everything of it were asked for."""
        sessions = self._schedule.sessions(trading_day)
        if self._interval.unit in "dw":
            window = self._cascade.window(self._interval, minute_window(sessions[0], sessions[0].ts_open))
            if window.trading_day == trading_day:  # of a week its last day
                yield Run(window.ts_open, window.ts_close - window.ts_open, 1, window.ts_close - window.ts_open)
            return
        length = self._interval.nanos
        for session in sessions:
            if length == NANOS_PER_MINUTE:
                yield Run(session.ts_open, length, (session.ts_close - session.ts_open) // length, length)
        if length > NANOS_PER_MINUTE:
            windows = self._windows(sessions)
            yield from _coded(_over_breaks(windows, length) if self._rules.alignment == "wall" else windows, length)

    def _windows(self, sessions: Sequence[Session]) -> Iterator[Window]:
        """Bars of several minutes, each once, breaks in them included."""
        seen = -1
        for session in sessions:
            ts = session.ts_open
            while ts < session.ts_close:
                window = self._cascade.window(self._interval, minute_window(session, ts))
                if window.ts_open != seen:
                    seen = window.ts_open
                    yield window
                ts = max(ts + NANOS_PER_MINUTE, min(window.ts_close, session.ts_close))

    def _cut(self, run: Run) -> Iterator[Run]:
        """What is left of a run in the span, before the bar that is forming, and beside halts."""
        ts_from, ts_to = self._span
        skipped = max(0, -(-(ts_from - run.ts_first) // run.step_ns))
        forming = self._rules.now_ns - self._rules.grace_ns - run.length_ns
        last = min((ts_to - 1 - run.ts_first) // run.step_ns, (forming - run.ts_first) // run.step_ns, run.bars - 1)
        if last < skipped:
            return
        left = run._replace(ts_first=run.ts_first + skipped * run.step_ns, bars=last - skipped + 1)
        yield from _without(left, self._rules.halts)


def _is_of_evening(run: Run, sessions: Sequence[Session]) -> bool:
    """Whether a run of less than a day lies in the section that is held before the first of the date itself."""
    return len(sessions) > 1 and run.ts_end <= sessions[0].ts_close and _is_night(sessions)


def _is_night(sessions: Sequence[Session]) -> bool:
    """Whether the first section of a day is that of the evening before: hours lie behind it."""
    return sessions[1].ts_open - sessions[0].ts_close > 4 * 60 * NANOS_PER_MINUTE


def _over_breaks(windows: Iterator[Window], length: int) -> Iterator[Window]:
    """Windows of the clock that a break cuts in two, as one."""
    waiting: Window | None = None
    for window in windows:
        if waiting is not None and _slot(waiting, length) == _slot(window, length):
            waiting = waiting._replace(ts_close=window.ts_close)
            continue
        if waiting is not None:
            yield waiting
        waiting = window
    if waiting is not None:
        yield waiting


def _slot(window: Window, length: int) -> tuple[int, int]:
    """Date and number of the clock's window, in China, that a window is of."""
    day, rest = divmod(window.ts_open + CHINA_OFFSET_NS, NANOS_PER_DAY)
    return day, rest // length


def _coded(windows: Iterator[Window], length: int) -> Iterator[Run]:
    """Windows that follow one another at their length as one run; another one, over a break or cut short, by itself."""
    open_run: Run | None = None
    for window in windows:
        size = window.ts_close - window.ts_open
        if open_run is not None and size == length and window.ts_open == open_run.ts_end:
            open_run = open_run._replace(bars=open_run.bars + 1)
            continue
        if open_run is not None:
            yield open_run
        open_run = Run(window.ts_open, length, 1, size)
        if size != length:
            yield open_run
            open_run = None
    if open_run is not None:
        yield open_run


def _without(run: Run, halts: Sequence[Halt]) -> Iterator[Run]:
    """The run, its bars inside a halt not required."""
    for halt in halts:
        first = max(0, -(-(halt.ts_from - run.ts_first) // run.step_ns))
        last = min(run.bars - 1, (halt.ts_to - run.length_ns - run.ts_first) // run.step_ns)
        if last < first:
            continue
        if first:
            yield from _without(run._replace(bars=first), halts)
        halted = run._replace(ts_first=run.ts_first + first * run.step_ns, bars=last - first + 1)
        yield halted._replace(required=False)
        if last + 1 < run.bars:
            rest = run._replace(ts_first=run.ts_first + (last + 1) * run.step_ns, bars=run.bars - last - 1)
            yield from _without(rest, halts)
        return
    yield run
