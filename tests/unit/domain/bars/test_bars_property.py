"""However the ticks come, the bars are the same."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketprism_domain.bars.builder import BarBuilder, BarSettings, BuilderState
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at, tick

_OPEN = at("2025-03-03 09:00:00")
INTERVALS = BarSettings(("1m", "3m", "5m", "15m", "1h", "1d"))

steps = st.lists(
    st.tuples(st.integers(0, 400_000), st.integers(-3, 3), st.integers(0, 5)), min_size=1, max_size=60
)  # milliseconds on, price move, lots


def ticks_of(moves: list[tuple[int, int, int]]) -> list[Tick]:
    made, ts, price, volume = [], _OPEN, 100, 10
    for ms, move, lots in moves:
        ts, price, volume = ts + ms * 1_000_000, price + move, volume + lots
        made.append(tick(ts, price, volume))
    return made


def run(
    calendar: MarketCalendar, ticks: list[Tick], *, restarts: set[int] = frozenset(), clocks: set[int] = frozenset()
) -> list[Bar]:  # type: ignore[assignment]
    schedule = calendar.schedule("shfe", "rb2505")
    builder = BarBuilder("shfe", "rb2505", schedule, INTERVALS)
    bars: list[Bar] = []
    for index, each in enumerate(ticks):
        if index in restarts:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(builder.state()), type=BuilderState)
            builder = BarBuilder.restore("shfe", "rb2505", schedule, INTERVALS, state)
        if index in clocks:
            bars += builder.on_clock(each.ts_event)
        bars += builder.on_tick(each)
    return bars + builder.on_clock(at("2025-03-03 15:10:00"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(moves=steps, restarts=st.sets(st.integers(0, 60)))
def test_restarts_anywhere_change_nothing(
    calendar: MarketCalendar, moves: list[tuple[int, int, int]], restarts: set[int]
) -> None:
    ticks = ticks_of(moves)
    assert run(calendar, ticks, restarts=restarts) == run(calendar, ticks)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(moves=steps, clocks=st.sets(st.integers(0, 60)))
def test_closing_by_the_clock_or_by_the_next_tick_is_the_same(
    calendar: MarketCalendar, moves: list[tuple[int, int, int]], clocks: set[int]
) -> None:
    ticks = ticks_of(moves)
    key = lambda bar: (bar.interval, bar.ts_open, bar.revision)  # noqa: E731
    assert sorted(run(calendar, ticks, clocks=clocks), key=key) == sorted(run(calendar, ticks), key=key)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(moves=steps)
def test_no_lot_is_lost_and_every_bar_is_a_bar(calendar: MarketCalendar, moves: list[tuple[int, int, int]]) -> None:
    ticks = ticks_of(moves)
    bars = run(calendar, ticks)
    schedule = calendar.schedule("shfe", "rb2505")
    inside = [t for t in ticks if schedule.place(t.ts_event).session is not None]
    for interval in INTERVALS.intervals:
        own = [bar for bar in bars if bar.interval == interval]
        # What is traded outside every session shows in the first difference after it.
        assert sum(bar.volume for bar in own) == (inside[-1].volume if inside else 0)
        windows = [(bar.ts_open, bar.ts_close) for bar in own]
        assert windows == sorted(set(windows))
    for bar in bars:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.ts_open < bar.ts_close
