"""Bars by columns are those of the live builder, whatever comes."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketprism_domain.sessions.calendar import MarketCalendar
from tests.unit.application.columns.histories import by_columns, history, one_by_one, rows_of


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_columns_and_ticks_make_the_same_bars(calendar: MarketCalendar, seed: int) -> None:
    drawn = history(seed)
    bars, state = one_by_one(drawn, calendar)
    for cuts in ([], drawn.cuts):
        table, builder = by_columns(drawn, calendar, cuts)
        assert table.to_pylist() == rows_of(bars)
        assert builder.state() == state
