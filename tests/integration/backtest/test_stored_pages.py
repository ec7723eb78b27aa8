"""Pages of stored rows as columns held against the records that they are of."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_application.backtesting.columns import BarColumns, TickColumns
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.stored_pages import BarPages, TickPages
from marketprism_application.backtesting.tables import bars_of_records, ticks_of_records
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.queries.arrow_tables import table_of
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import BookLevel
from tests.support.backtests import RU

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

RUBBER = Instrument("shfe", "ru1901", tick=Decimal(5))


def same(found: BarColumns | TickColumns, expected: BarColumns | TickColumns) -> bool:
    return all(
        np.array_equal(getattr(found, each.name), getattr(expected, each.name))
        for each in fields(expected)
        if each.name != "interval"
    )


@pytest.fixture(scope="module")
def recorded() -> list[Tick]:
    ticks = list(Recording(RU[1], chinese_calendar_of_markets()).rows())[:12_000]
    return [tick._replace(seq=number, phase="continuous") for number, tick in enumerate(ticks)]


@pytest.mark.parametrize("size", [700, 5_000, 20_000])
def test_ticks_of_pages_are_those_of_records(recorded: list[Tick], size: int) -> None:
    pages = TickPages()
    for start in range(0, len(recorded), size):
        pages.add(table_of(TICK, recorded[start : start + size]))
    pages.add(table_of(TICK, []))
    found, steps = pages.columns(RUBBER, None)
    expected, expected_steps = ticks_of_records(RUBBER, recorded)
    assert steps == expected_steps
    assert same(found, expected)
    assert (pages.head, pages.venues) == (("shfe", "ru1901", "20181009"), {"shfe"})


def test_ticks_of_trades_without_a_side_and_phases_are_those_of_records(recorded: list[Tick]) -> None:
    changed = [
        tick._replace(
            bids=() if number % 3 == 0 else tick.bids,
            asks=(BookLevel(Decimal("12345.5"), Decimal(2)),) if number % 5 == 0 else (),
            last=None if number % 7 == 0 else tick.last,
            traded=Decimal(number % 4) if number % 2 else None,
            traded_turnover=Decimal(number) if number % 2 else None,
            phase=("auction", "", "closed", "continuous")[number % 4],
        )
        for number, tick in enumerate(recorded[:3_000])
    ]
    pages = TickPages()
    for start in (0, 1_000, 2_000):
        pages.add(table_of(TICK, changed[start : start + 1_000]))
    found, steps = pages.columns(RUBBER, None)
    expected, expected_steps = ticks_of_records(RUBBER, changed)
    assert steps == expected_steps == (Decimal("0.1"), Decimal(1))
    assert same(found, expected)


def test_bars_of_pages_are_those_of_records() -> None:
    bars = [
        Bar(
            "shfe",
            "ru1901",
            "x",
            1,
            n,
            n,
            n,
            n,
            "1m",
            n * 60,
            n * 60 + 60,
            "20181009" if n < 300 else "20181010",
            *(Decimal(12_000 + 5 * (n % k)) for k in (7, 9, 5, 8)),
            Decimal(n),
            Decimal(0),
            gap=n % 11 == 0,
        )
        for n in range(1_000)
    ]
    pages = BarPages()
    for start in range(0, 1_000, 300):
        pages.add(table_of(BAR, bars[start : start + 300]))
    columns, steps = pages.columns(RUBBER, "1m", None)
    expected = bars_of_records(RUBBER, "1m", bars)
    assert steps == expected.steps
    assert same(columns, expected.columns)


def test_a_dictionary_of_days_is_read_as_texts_are(recorded: list[Tick]) -> None:
    table = table_of(TICK, recorded[:100])
    place = table.schema.get_field_index("trading_day")
    coded = table.set_column(place, "trading_day", table.column("trading_day").dictionary_encode())
    assert pa.types.is_dictionary(coded.schema.field("trading_day").type)
    pages = TickPages()
    pages.add(coded)
    found, _ = pages.columns(RUBBER, None)
    assert set(found.day.tolist()) == {20181009}
