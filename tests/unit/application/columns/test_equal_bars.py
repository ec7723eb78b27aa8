"""Bars by columns are those of the live builder, whatever comes."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_SECOND
from tests.fakes.ticks import at, tick
from tests.unit.application.columns.histories import History, by_columns, history, one_by_one, rows_of


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_columns_and_ticks_make_the_same_bars(calendar: MarketCalendar, seed: int) -> None:
    drawn = history(seed)
    bars, state = one_by_one(drawn, calendar)
    for cuts in ([], drawn.cuts):
        table, builder = by_columns(drawn, calendar, cuts)
        assert table.to_pylist() == rows_of(bars)
        assert builder.state() == state


def test_days_that_lie_years_apart_are_made_at_once(calendar: MarketCalendar) -> None:
    days = ("2023-03-01", "2025-03-03", "2025-03-04", "2025-03-10")
    times = [at(f"{day} 09:00:00") + n * NANOS_PER_SECOND for day in days for n in range(100)]
    ticks = [
        tick(ts, 100 + n % 7, 10 + n % 100, seq=n)._replace(seq=n, verdict="valid") for n, ts in enumerate(times, 1)
    ]
    settings = BarSettings(("1m", "2m", "1d", "1w"), fill_empty=False)
    drawn = History("shfe", "rb2505", ticks, [], settings, [])
    bars, state = one_by_one(drawn, calendar)
    table, builder = by_columns(drawn, calendar, [])
    assert table.to_pylist() == rows_of(bars)
    assert builder.state() == state
    assert builder.one_by_one < 5  # the first of each part that a calendar is asked for
