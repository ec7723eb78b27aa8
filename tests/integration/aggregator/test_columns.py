"""Bars of a recording by columns: those that the live pipeline made of it, row for row."""

from __future__ import annotations

import pyarrow as pa
import pytest

from marketprism_application.columns.builder import ColumnBuilder
from marketprism_application.columns.tick_columns import COLUMNS, TickColumns
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.integration.aggregator.conftest import Rebuilt

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("rebuilt")]

DAYS = {"20181008", "20181009", "20181010", "20181011"}


@pytest.fixture(scope="module")
def stored(ru1901: Rebuilt) -> pa.Table:
    """The ticks as a store gives them, the columns that bars need."""
    fields = zip(type(ru1901.ticks[0])._fields, zip(*ru1901.ticks, strict=True), strict=True)
    return pa.table({name: values for name, values in fields if name in COLUMNS.names}).select(COLUMNS.names)


@pytest.mark.parametrize("rows", [200_000, 7_001], ids=["at once", "in pieces"])
def test_columns_make_the_bars_of_the_live_pipeline(
    ru1901: Rebuilt, stored: pa.Table, calendar: MarketCalendar, rows: int
) -> None:
    schema = schema_of("bar")
    builder = ColumnBuilder("shfe", "ru1901", calendar.copy(), ru1901.settings, schema)
    for at in range(0, stored.num_rows, rows):
        builder.feed(TickColumns.of("shfe", "ru1901", stored.slice(at, rows)))
    builder.close_until(ru1901.ticks[-1].ts_event + 10**10)
    made = builder.table()
    for interval in ru1901.settings.intervals:
        own = made.filter(pa.array([name == interval for name in made.column("interval").to_pylist()]))
        wanted = [bar for bar in ru1901.bars if bar.interval == interval]
        arrays = (pa.array(column, field.type) for column, field in zip(zip(*wanted, strict=True), schema, strict=True))
        assert own.to_pylist() == pa.Table.from_arrays(list(arrays), schema=schema).to_pylist()
    assert {bar.trading_day for bar in ru1901.bars} == DAYS
    assert builder.one_by_one < 20
